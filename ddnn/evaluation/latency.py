"""Latency, work and traffic of a decision: the paper's model (Table IV), and what it leaves out."""

from dataclasses import dataclass

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Times:
    """Times of the layers for one sample, and of the way to the cloud and back, in ms."""

    f0_ms: float = 0.10
    f1_ms: float = 0.12
    f2_ms: float = 0.23
    rtt_ms: float = 42.46

    @property
    def local_ms(self) -> float:
        """A decision at the edge: F0, F1."""
        return self.f0_ms + self.f1_ms

    @property
    def remote_ms(self) -> float:
        """A decision in the cloud: F0, the round trip, F2."""
        return self.f0_ms + self.rtt_ms + self.f2_ms


PAPER_TIMES = Times()
"""Section V-B: a Tesla T4, and a round trip taken from another study."""


def expected_latency_ms(
    local_share: float, times: Times = PAPER_TIMES, rule_ms: float = 0.0
) -> float:
    """Mean time of a decision when a share L is taken at the edge (section V-B, Table IV).

    Args:
        local_share: L in [0, 1].
        times: The layers' times; the paper's unless told otherwise.
        rule_ms: Time of the offloading rule itself, which comes before every decision and which
            Table IV leaves out.
    """
    return rule_ms + local_share * times.local_ms + (1.0 - local_share) * times.remote_ms


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates (MACs) of one run of each block."""

    f0: int
    f1: int
    f2: int


@dataclass(frozen=True)
class RuleWork:
    """What a rule adds to a decision."""

    gate_macs: int = 0
    passes: int = 0
    """Extra passes through F0 and F1, with dropout on (B of the Uncertainty Rule)."""
    reads_local: bool = False
    """Whether the rule reads y_L, so that F1 runs for the slots that it sends away, too."""

    def macs(self, work: Work) -> int:
        """MACs that the rule itself adds to every decision."""
        return self.gate_macs + self.passes * (work.f0 + work.f1)

    def time_ms(self, work: Work, times: Times = PAPER_TIMES) -> float:
        """Time of the rule itself, one pass after the other, without F0 and F1 of the decision.

        The paper gives no time for a gate: it is taken at F0's time per MAC.
        """
        gate = times.f0_ms * self.gate_macs / work.f0 if work.f0 else 0.0
        return gate + self.passes * times.local_ms

    def unused_f1(self, local_share: float) -> float:
        """Share of the decisions for which F1 ran, though they were sent to the cloud."""
        return 1.0 - local_share if self.reads_local else 0.0

    def latency_ms(self, work: Work, local_share: float, times: Times = PAPER_TIMES) -> float:
        """Mean time of a decision, with the rule's own work and an F1 that it reads."""
        extra = self.time_ms(work, times) + self.unused_f1(local_share) * times.f1_ms
        return expected_latency_ms(local_share, times, extra)

    def edge_macs(self, work: Work, local_share: float) -> float:
        """MACs at the edge for one decision: the rule, F0, and F1 where it runs."""
        runs_f1 = local_share + self.unused_f1(local_share)
        return self.macs(work) + work.f0 + runs_f1 * work.f1


def cloud_macs(work: Work, local_share: float) -> float:
    """MACs in the cloud for one decision, on average."""
    return (1.0 - local_share) * work.f2


@dataclass(frozen=True)
class Payload:
    """Bytes that one offloaded decision sends, as float32."""

    latent: int
    """z, what the paper sends."""
    window: int
    """D, all N slots of all VNFs."""
    newest: int
    """The newest slot alone: enough for a cloud that keeps the history."""
    answer: int
    """The allocation that comes back."""

    @classmethod
    def of(cls, latent_values: int, past_slots: int, vnfs: int) -> "Payload":
        """Count the bytes for a z of so many values, N past slots and M VNFs."""
        return cls(
            latent=FLOAT_BYTES * latent_values,
            window=FLOAT_BYTES * past_slots * vnfs,
            newest=FLOAT_BYTES * vnfs,
            answer=FLOAT_BYTES * vnfs,
        )
