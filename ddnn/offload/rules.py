"""One protocol for all rules, and the set of rules that a trained pipeline offers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ddnn.errors import ArtefactError, ModelError
from ddnn.nets.exits import Exits
from ddnn.offload.baselines import CloudRule, EdgeRule, RandomRule
from ddnn.offload.calibration import l0_key, order_statistic, threshold_to_json
from ddnn.offload.optimized import PAPER_THRESHOLD, OptimizedRule, load_gate, save_gate
from ddnn.offload.samples import EdgeSamples
from ddnn.offload.uncertainty import UncertaintyRule
from ddnn.params import OffloaderParams

THRESHOLDS = "thresholds.json"
SCORES = "calibration_scores.safetensors"
GATES = "gates"

_PAPER = "paper"


class Rule(Protocol):
    """Tells hard decisions from easy ones by what the edge knows."""

    @property
    def name(self) -> str:
        """As in params.yaml, in tables and files: ``uncertainty_b10``, ``optimized_volume``."""

    def score(self, samples: EdgeSamples) -> NDArray[np.float64]:
        """Give ``(K,)`` scores: the higher, the harder; local iff at most the threshold."""


@dataclass(frozen=True)
class RuleSet:
    """Cloud, Edge, Random, the Uncertainty Rules and the gates, with their frozen thresholds.

    A gate serves the one L0 that it was trained for. The other rules serve any.
    """

    uncertainty: Mapping[str, Rule]
    """By name."""
    gates: Mapping[str, Mapping[float, OptimizedRule]]
    """By name and L0."""
    scores: Mapping[str, NDArray[np.float64]]
    """Sorted scores ``(K,)`` of each Uncertainty Rule on the calibration days."""
    gate_thresholds: Mapping[str, Mapping[float, float]]
    """By name and L0, from the calibration days."""
    seed: int
    """Of the rule Random."""
    variance_ddof: int
    """Of the Uncertainty Rules."""

    @classmethod
    def calibrate(
        cls,
        exits: Exits,
        gates: Mapping[str, Mapping[float, OptimizedRule]],
        calibration: EdgeSamples,
        seed: int,
        params: OffloaderParams,
    ) -> Self:
        """Score the calibration days with every rule, and freeze the thresholds.

        Args:
            exits: The trained network.
            gates: By name and L0.
            calibration: Days that neither the exits' weights nor a gate was fitted on.
            seed: ``setting.seed``.
            params: Passes and variance of the Uncertainty Rules.

        Raises:
            ModelError: The exits have no dropout at the edge, or the samples lack a feature.
        """
        uncertainty = _uncertainty_rules(exits, seed, params)
        return cls(
            uncertainty=uncertainty,
            gates=gates,
            scores={name: np.sort(rule.score(calibration)) for name, rule in uncertainty.items()},
            gate_thresholds={
                name: {l0: order_statistic(rule.score(calibration), l0) for l0, rule in of.items()}
                for name, of in gates.items()
            },
            seed=seed,
            variance_ddof=params.variance_ddof,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """All rules of this set."""
        return ("cloud", "edge", "random", *self.uncertainty, *self.gates)

    def trained_l0(self, name: str) -> tuple[float, ...] | None:
        """Give the L0 that a rule has gates for; None for a rule that serves any.

        Raises:
            ModelError: There is no such rule.
        """
        self._refuse_unknown(name)
        return tuple(self.gates[name]) if name in self.gates else None

    def rule(self, name: str, l0: float) -> Rule:
        """Give a rule for one L0.

        Raises:
            ModelError: There is no such rule, or it has no gate for this L0.
        """
        self._refuse_untrained(name, l0)
        if name in self.gates:
            return self.gates[name][l0]
        if name in self.uncertainty:
            return self.uncertainty[name]
        return self._fixed(name)

    def threshold(self, name: str, l0: float) -> float:
        """Give the threshold that left a share of at least ``l0`` local on the calibration days.

        Those of Cloud, Edge and Random need no calibration.

        Raises:
            ModelError: There is no such rule, or it has no gate for this L0.
            ParamsError: ``l0`` is outside [0, 1].
        """
        self._refuse_untrained(name, l0)
        if name in self.gates:
            return self.gate_thresholds[name][l0]
        if name in self.uncertainty:
            return order_statistic(self.scores[name], l0)
        return self._fixed(name).threshold(l0)

    def paper_threshold(self, name: str) -> float | None:
        """Give the paper's own threshold: 1/2 for a gate, none for the others.

        Raises:
            ModelError: There is no such rule.
        """
        self._refuse_unknown(name)
        return PAPER_THRESHOLD if name in self.gates else None

    def save(self, folder: Path, l0s: Sequence[float]) -> None:
        """Write gates, thresholds and calibration scores; :func:`load_rules` reads them.

        Args:
            folder: An existing folder.
            l0s: What thresholds.json lists for the rules that serve any L0.
        """
        (folder / GATES).mkdir()
        for name, l0, rule in self._each_gate():
            save_gate(rule.gate, folder / GATES / gate_file(name, l0))
        save_file(
            dict(self.scores), folder / SCORES, metadata={"variance_ddof": str(self.variance_ddof)}
        )
        text = json.dumps(self._thresholds_json(l0s), indent=2, sort_keys=True, allow_nan=False)
        (folder / THRESHOLDS).write_text(text + "\n", encoding="utf-8")

    def _each_gate(self) -> Iterator[tuple[str, float, OptimizedRule]]:
        for name, of in self.gates.items():
            for l0, rule in of.items():
                yield name, l0, rule

    def _thresholds_json(self, l0s: Sequence[float]) -> dict[str, Any]:
        table: dict[str, Any] = {
            name: {l0_key(l0): threshold_to_json(self.threshold(name, l0)) for l0 in l0s}
            for name in ("random", *self.uncertainty)
        }
        for name, of in self.gate_thresholds.items():
            table[name] = {l0_key(l0): threshold_to_json(value) for l0, value in of.items()}
            table[name][_PAPER] = PAPER_THRESHOLD
        return table

    def _fixed(self, name: str) -> CloudRule | EdgeRule | RandomRule:
        if name == "random":
            return RandomRule(self.seed)
        return CloudRule() if name == "cloud" else EdgeRule()

    def _refuse_unknown(self, name: str) -> None:
        if name not in self.names:
            raise ModelError(f"there is no rule {name}; this model has {', '.join(self.names)}")

    def _refuse_untrained(self, name: str, l0: float) -> None:
        trained = self.trained_l0(name)
        if trained is not None and l0 not in trained:
            known = ", ".join(l0_key(value) for value in trained)
            raise ModelError(
                f"{name} has no gate for L0 = {l0_key(l0)}; trained are {known} (label.l0)"
            )


def load_rules(folder: Path, exits: Exits, seed: int, params: OffloaderParams) -> RuleSet:
    """Read the rules that the stage ``offloader`` wrote; no stored code runs.

    Args:
        folder: Of the stage's outputs.
        exits: The network that the rules were calibrated on.
        seed: ``setting.seed``.
        params: Of the Uncertainty Rules.

    Raises:
        ArtefactError: A file is missing, incomplete, or was made with other passes or variance.
        ModelError: The exits have no dropout at the edge.
    """
    gates: dict[str, dict[float, OptimizedRule]] = {}
    thresholds: dict[str, dict[float, float]] = {}
    for name, row in _read_thresholds(folder / THRESHOLDS).items():
        if not name.startswith("optimized_"):
            continue
        thresholds[name] = row
        gates[name] = {
            l0: OptimizedRule(load_gate(folder / GATES / gate_file(name, l0))) for l0 in row
        }
    uncertainty = _uncertainty_rules(exits, seed, params)
    return RuleSet(
        uncertainty=uncertainty,
        gates=gates,
        scores=_read_scores(folder / SCORES, tuple(uncertainty), params.variance_ddof),
        gate_thresholds=thresholds,
        seed=seed,
        variance_ddof=params.variance_ddof,
    )


def gate_file(name: str, l0: float) -> str:
    """Name a gate's two files, without their endings: ``volume_l30`` for L0 = 0.3."""
    percent = format((Decimal(l0_key(l0)) * 100).normalize(), "f")
    return f"{name.removeprefix('optimized_')}_l{percent}"


def _uncertainty_rules(exits: Exits, seed: int, params: OffloaderParams) -> dict[str, Rule]:
    rules = (
        UncertaintyRule(exits, passes, params.variance_ddof, seed) for passes in params.mc_passes
    )
    return {rule.name: rule for rule in rules}


def _read_thresholds(place: Path) -> dict[str, dict[float, float]]:
    try:
        table = json.loads(place.read_text(encoding="utf-8"))
        read = {
            name: {float(l0): float(value) for l0, value in row.items() if l0 != _PAPER}
            for name, row in table.items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ArtefactError(f"{place}: no thresholds: {error}; run offloader again") from error
    if any(np.isnan(value) for row in read.values() for value in row.values()):
        raise ArtefactError(f"{place}: a threshold is not a number; run offloader again")
    return read


def _read_scores(
    place: Path, names: Sequence[str], variance_ddof: int
) -> dict[str, NDArray[np.float64]]:
    try:
        with safe_open(place, framework="numpy") as file:
            metadata = file.metadata() or {}
            scores = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ArtefactError(
            f"{place}: no calibration scores: {error}; run offloader again"
        ) from error
    missing = [name for name in names if name not in scores]
    if missing or metadata.get("variance_ddof") != str(variance_ddof):
        raise ArtefactError(
            f"{place}: was made with other offloader.mc_passes or offloader.variance_ddof; "
            "run offloader again"
        )
    return {name: scores[name].astype(np.float64) for name in names}
