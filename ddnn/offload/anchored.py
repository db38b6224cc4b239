"""Rules over exits that predict a distribution: what they see, and what is kept of them on disk."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.context import Context
from ddnn.cost import AllocationCost
from ddnn.decision import Predicted
from ddnn.errors import ArtefactError, ModelError
from ddnn.nets.anchored import Allocator, AnchoredExits, predict
from ddnn.offload.calibration import l0_key, threshold_to_json
from ddnn.offload.known import Known
from ddnn.offload.known_gates import KnownGate, gate_from_json, gate_to_json
from ddnn.offload.rules import RuleSet
from ddnn.offload.samples import EdgeSamples, Samples

Price = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""Hard cost of (y, d), both (K, M), to (K,): an ``AllocationCost``, for instance."""

RULES = "rules.json"
"""File with the rules, their scores on the days before the test, and thresholds."""


@dataclass(frozen=True)
class KnownSamples(EdgeSamples):
    """What the edge knows, its own prediction included."""

    known: Known


@dataclass(frozen=True)
class JudgedSamples(Samples):
    """The same, with the outcome."""

    known: Known


@dataclass(frozen=True, eq=False)
class KnownRule:
    """A gate as the other rules are."""

    gate: KnownGate

    @property
    def name(self) -> str:
        """As in params.yaml."""
        return self.gate.name

    def score(self, samples: EdgeSamples) -> NDArray[np.float64]:
        """Give ``(K,)`` scores.

        Raises:
            ModelError: The samples are not of exits that predict a distribution.
        """
        if not isinstance(samples, KnownSamples | JudgedSamples):
            raise ModelError(f"{self.name}: the exits predict no distribution")
        return self.gate.score(samples.known)


@dataclass(frozen=True, eq=False)
class Kept:
    """A rule on disk."""

    gate: dict[str, Any]
    """What it has learned."""
    scores: NDArray[np.float64]
    """(K,) on the days before the test, in order."""


def observe(
    exits: AnchoredExits,
    allocator: Allocator,
    cost: AllocationCost,
    context: Context,
    slots: NDArray[np.int64] | range,
    predicted: tuple[Predicted, Predicted] | None = None,
) -> tuple[KnownSamples, NDArray[np.float64]]:
    """Run both exits on K contexts, and decide.

    Args:
        exits: Trained.
        allocator: The shapes of their errors.
        cost: Under which is decided.
        context: Of K decisions.
        slots: (K,) their numbers.
        predicted: What both exits are to be taken to say, (K, M) each; None: what they say.

    Returns:
        What the edge knows, and y_R (K, M), scaled, which it does not.
    """
    local, remote = allocator.rules(cost)
    at_edge, in_cloud = predict(exits, context) if predicted is None else predicted
    y_L, y_R = local.allocate(at_edge), remote.allocate(in_cloud)
    known = Known(at_edge, y_L, context.edge.recent, context.edge.calendar)
    return decided(known, slots), y_R


def decided(known: Known, slots: NDArray[np.int64] | range) -> KnownSamples:
    """Give K decisions as every rule takes them."""
    y_L = known.local.astype(np.float32)
    numbers = np.asarray(slots, dtype=np.int64)
    return KnownSamples(numbers, known.recent.astype(np.float32, copy=False), y_L, None, known)


def judged(
    seen: KnownSamples,
    remote: NDArray[np.float64],
    target: NDArray[np.floating[Any]],
    price: Price,
) -> JudgedSamples:
    """Add what only the judge knows: y_R, the demand, and what both exits cost under ``price``."""
    wanted = np.asarray(target, dtype=np.float64)
    return JudgedSamples(
        slots=seen.slots,
        demand=seen.demand,
        local=seen.local,
        latent=None,
        target=np.asarray(target, dtype=np.float32),
        remote=remote.astype(np.float32),
        local_cost=price(np.asarray(seen.known.local, dtype=np.float64), wanted),
        remote_cost=price(remote, wanted),
        known=seen.known,
    )


def calibrate_rules(gates: Mapping[str, KnownGate], calibration: EdgeSamples, seed: int) -> RuleSet:
    """Score past days with every gate; each serves any L0."""
    rules = {name: KnownRule(gate) for name, gate in gates.items()}
    scores = {name: rule.score(calibration) for name, rule in rules.items()}
    return _rule_set(rules, scores, seed)


def save_known_rules(
    folder: Path, gates: Mapping[str, KnownGate], calibration: EdgeSamples, l0s: list[float]
) -> None:
    """Write the gates, their scores on past days in the order of these, thresholds."""
    rules = calibrate_rules(gates, calibration, 0)
    table = {
        name: {
            "gate": gate_to_json(gate),
            "scores": KnownRule(gate).score(calibration).tolist(),
            "thresholds": {l0_key(l0): threshold_to_json(rules.threshold(name, l0)) for l0 in l0s},
        }
        for name, gate in gates.items()
    }
    text = json.dumps(table, sort_keys=True, allow_nan=False)
    (folder / RULES).write_text(text + "\n", encoding="utf-8")


def load_known_rules(
    folder: Path, allocator: Allocator, cost: AllocationCost, seed: int
) -> RuleSet:
    """Read what :func:`save_known_rules` wrote; no stored code runs.

    Raises:
        ArtefactError: The file is missing or damaged.
    """
    table = read_known_rules(folder)
    local, _ = allocator.rules(cost)
    rules = {
        name: KnownRule(gate_from_json(name, kept.gate, local)) for name, kept in table.items()
    }
    return _rule_set(rules, {name: kept.scores for name, kept in table.items()}, seed)


def read_known_rules(folder: Path) -> dict[str, Kept]:
    """Read what is kept of each rule.

    Raises:
        ArtefactError: The file is missing or damaged.
    """
    place = folder / RULES
    try:
        table = json.loads(place.read_text(encoding="utf-8"))
        found = {
            str(name): Kept(
                dict(row["gate"]),
                np.array([float(score) for score in row["scores"]], dtype=np.float64),
            )
            for name, row in table.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtefactError(f"{place}: no rules: {error}; run offloader again") from error
    if not all(np.isfinite(kept.scores).all() and kept.scores.size for kept in found.values()):
        raise ArtefactError(f"{place}: a score is not a number; run offloader again")
    return found


def _rule_set(
    rules: Mapping[str, KnownRule], scores: Mapping[str, NDArray[np.float64]], seed: int
) -> RuleSet:
    # As the Uncertainty Rules, these serve every L0 by the scores of past days.
    return RuleSet(
        uncertainty=dict(rules),
        gates={},
        scores={name: np.sort(values) for name, values in scores.items()},
        gate_thresholds={},
        seed=seed,
        variance_ddof=1,
    )
