"""Operating points of the rules: what a threshold asked for, and what it reached."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ddnn.evaluation.bootstrap import Resampler
from ddnn.evaluation.curves import capture, local_share, random_cost
from ddnn.evaluation.outcome import Outcome
from ddnn.offload import decide

Array = NDArray[np.float64]

Chosen = Literal["test", "frozen", "paper", "none"]
"""How a point's threshold was chosen: ``frozen``: on the calibration days; ``paper``: a number that
the paper names; ``test``: on the judged slots themselves, as only the Oracle may; ``none``."""

SHARES = np.round(np.arange(0.0, 1.0001, 0.05), 2)
"""The L0 at which curves are sampled."""


class Judge:
    """Judges decisions on the test slots, given what each exit did there."""

    def __init__(self, local: Outcome, remote: Outcome, resampler: Resampler) -> None:
        self.local = local
        self.remote = remote
        self.resampler = resampler

    @property
    def benefit(self) -> Array:
        """(K,) C_L - C_R."""
        return self.local.cost - self.remote.cost

    def decide(
        self,
        local: NDArray[np.bool_],
        asked: float | None = None,
        threshold: float | None = None,
        chosen: Chosen = "none",
    ) -> dict[str, Any]:
        """Give the operating point of decisions (K,), true for local.

        Args:
            local: The decisions.
            asked: L0.
            threshold: u; minus infinity (never local) becomes None.
            chosen: How the threshold was chosen.
        """
        outcome = Outcome.mixed(local, self.local, self.remote)
        means = outcome.means()
        reached = local_share(local)
        cost = self.resampler.mean(outcome.cost)
        return means | {
            "L0": asked,
            "u": threshold if threshold is not None and np.isfinite(threshold) else None,
            "L": reached,
            "C_low": cost.low,
            "C_high": cost.high,
            "capture": capture(means["C"], reached, self.local.cost, self.remote.cost),
            "threshold": chosen,
        }

    def at_threshold(
        self, scores: Array, threshold: float, asked: float | None, chosen: Chosen
    ) -> dict[str, Any]:
        """Give the point of a threshold on scores (K,): local iff score <= threshold."""
        return self.decide(decide(scores, threshold), asked, threshold, chosen)

    def by_coin(self, shares: Sequence[float] | Array) -> list[dict[str, Any]]:
        """Give the points that a coin of probability L0 reaches on average."""
        local, remote = self.local.means(), self.remote.means()
        points = []
        for share in np.asarray(shares, dtype=np.float64).tolist():
            means = {name: remote[name] + share * (local[name] - remote[name]) for name in local}
            means["C"] = float(random_cost(share, self.local.cost, self.remote.cost))
            draws = self.resampler.means(self.remote.cost + share * self.benefit)
            cost = self.resampler.interval(means["C"], draws)
            gained = capture(means["C"], share, self.local.cost, self.remote.cost)
            points.append(
                means
                | {"L0": share, "u": None, "L": share, "C_low": cost.low, "C_high": cost.high}
                | {"capture": gained, "threshold": "none"}
            )
        return points


def with_shares(*asked: float) -> list[float]:
    """Give SHARES and the L0 asked for, in order."""
    return sorted({*SHARES.tolist(), *(float(share) for share in asked)})


def nearest(trained: Iterable[float], share: float) -> float:
    """Give the L0 that a gate was trained for which is next to a share (of two, the lower)."""
    return min(sorted(trained), key=lambda l0: round(abs(l0 - share), 9))


def rank_correlation(first: Array, second: Array) -> float | None:
    """Spearman's correlation of (K,) and (K,); None where one of them is constant."""
    a, b = _ranks(first), _ranks(second)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: Array) -> Array:
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    return np.asarray((last - (sizes - 1) / 2.0)[group], dtype=np.float64)
