"""A model whose exits allocate, as the processes run it (numpy and onnxruntime).

What the processes ask of any model is written in half.py. ``bundle.json`` tells what the model is
for, ``edge/edge.json`` the shapes, rules and thresholds.
The edge half is F0, F1 and the gates; the cloud half is F2, with F0 for edges that send demand.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from ddnn.cost import AllocationCost, from_params
from ddnn.errors import ArtefactError, ModelError, ParamsError
from ddnn.offload.calibration import decide, l0_key, local_count, order_statistic
from ddnn.offload.draws import keep_masks, uniform_scores
from ddnn.runtime.manifest import MANIFEST, verify
from ddnn.runtime.onnx_run import Part

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

EDGE = "edge"
"""Folder of the edge half; it alone is what an edge pulls."""
EDGE_FACTS = "edge/edge.json"
PARTS = {
    "latent": "edge/latent.onnx",
    "local": "edge/local.onnx",
    "masked": "edge/masked.onnx",
    "remote": "cloud/remote.onnx",
}
INT8 = "edge/int8"
"""Folder with the same names, of the parts whose wide layers are int8."""

_ROUNDING = 1e-5  # of a score, relative: what another order of summation may change


@dataclass(frozen=True, eq=False)
class Facts:
    """What a model is for, as far as the processes need it."""

    model: str
    """Its id."""
    series: tuple[str, ...]
    start: int
    """Epoch seconds (UTC) of slot 0: the rules that draw count from there."""
    slot_seconds: int
    unit: str
    timezone: str
    """IANA name, of the calendar."""
    N: int
    minimum: Doubles
    """(M,), of the scaling."""
    span: Doubles
    gap_policy: str
    longest_gap: int
    """Slots."""
    seed: int
    rule: str
    l0: float
    cost: AllocationCost

    @property
    def vnfs(self) -> int:
        """M."""
        return len(self.series)

    def scale(self, values: NDArray[Any]) -> Doubles:
        """Bring ``values`` (..., M) from the user's unit to full scales."""
        return (values - self.minimum) / self.span

    def serve(self, y: NDArray[Any]) -> Doubles:
        """Bring allocations (..., M) from full scales to the user's unit, never below 0."""
        return np.maximum(y.astype(np.float64) * self.span + self.minimum, 0.0)

    def slot(self, time: int) -> int:
        """Number the slot that starts at ``time`` (epoch seconds), as ``ddnn allocate`` does."""
        return (time - self.start) // self.slot_seconds % 2**62

    @classmethod
    def read(cls, facts: Mapping[str, Any], model: str, folder: Path) -> Self:
        """Build them from a verified manifest.

        Raises:
            ArtefactError: A fact is missing or of another kind.
        """
        try:
            scaling, gaps = facts["scaling"], facts["gaps"]
            series = tuple(str(name) for name in facts["series"])
            minimum = np.asarray(scaling["minimum"], dtype=np.float64)
            span = np.asarray(scaling["span"], dtype=np.float64)
            if minimum.shape != (len(series),) or span.shape != minimum.shape:
                raise ValueError("scaling: not one span per series")
            return cls(
                model=model,
                series=series,
                start=int(facts["start"]),
                slot_seconds=int(facts["slot_seconds"]),
                unit=str(facts["unit"]),
                timezone=str(facts["timezone"]),
                N=int(facts["N"]),
                minimum=minimum,
                span=span,
                gap_policy=str(gaps["policy"]),
                longest_gap=int(gaps["longest"]),
                seed=int(facts["seed"]),
                rule=str(facts["rule"]),
                l0=float(facts["l0"]),
                cost=_cost(facts["cost"], len(series)),
            )
        except (KeyError, TypeError, ValueError, ParamsError) as error:
            raise ArtefactError(
                f"{folder / MANIFEST}: {error!s:.80}; export the model again"
            ) from error


@dataclass(frozen=True, eq=False)
class First:
    """What the edge knows of a slot before it decides."""

    score: float
    """Of the rule: the higher, the harder."""
    latent: Floats
    """z (1, ...)."""
    local: NDArray[Any] | None
    """y_L (1, M), scaled, where it is known by then."""
    window: Floats | None = None
    """D (1, N, M), scaled, where it may travel."""
    unknown: tuple[str, ...] = ()
    """Parts of the context that are not wholly known."""

    @property
    def sound(self) -> bool:
        """Whether the model gives numbers for this demand."""
        return bool(np.isfinite(self.score) and np.isfinite(self.latent).all())


@dataclass(frozen=True, eq=False)
class Served:
    """What is allocated."""

    amounts: Doubles
    """(M,) in the user's unit."""
    price: float = 0.0
    """What a unit more of capacity would save, in cost; 0 without a cap, or below it."""
    gap: float = 0.0
    """By how much the best allocations under the cap could be cheaper, at most."""
    unknown: tuple[str, ...] = ()
    """Parts of the context that were not wholly known."""


class EdgeHalf:
    """F0, F1 and one rule with its threshold."""

    def __init__(
        self,
        folder: Path,
        rule: str | None = None,
        l0: float | None = None,
        precision: str = "fp32",
        threads: int = 1,
    ) -> None:
        """Verify the edge's files of a bundle, and load them.

        Args:
            folder: The bundle, whole or its edge half alone.
            rule: Offloading rule; None: the model's own.
            l0: Wanted share of local decisions; None: the model's own.
            precision: ``fp32``, or ``int8`` weights in the wide layers of F1 and the gate.
            threads: Of onnxruntime.

        Raises:
            ArtefactError: The bundle is damaged, or has no edge half.
            ModelError: There is no such rule, or no gate for this L0.
            ParamsError: ``l0`` is outside [0, 1].
        """
        facts, model = verify(folder, only=EDGE)
        self.facts = Facts.read(facts, model, folder)
        self.edge_facts = _read_edge_facts(folder)
        self.rule = self.facts.rule if rule is None else rule
        self.l0 = self.facts.l0 if l0 is None else l0
        if not 0 <= self.l0 <= 1:
            raise ParamsError(f"L0 {self.l0:g}: must lie in [0, 1]; give a share, such as 0.5")
        base = folder / INT8 if precision == "int8" else folder / EDGE
        self._latent = Part(folder / PARTS["latent"], ["latent"], threads)
        self._local = Part(base / "local.onnx", ["local"], threads)
        self._masked: Part | None = None
        self._gate: Part | None = None
        self._gate_reads = ""
        self._passes, self._ddof = 0, 1
        self.scores: Doubles = np.empty(0)
        """(K,) of the rule on the calibration days, in their order; what scores are expected."""
        self.threshold = self._set_up_rule(folder, base, threads)

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Of one z."""
        return tuple(self.edge_facts["latent_shape"])

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """Of the remote exit's answer: y_R."""
        return (self.facts.vnfs,)

    @property
    def needed(self) -> int:
        """Slots without which it cannot decide."""
        return self.facts.N

    @property
    def wanted(self) -> int:
        """Slots that it looks at."""
        return self.facts.N

    def see(self, rows: Doubles, time: int) -> First:
        """Run what comes before the decision on the newest of ``rows`` (T, M), T at least N.

        Args:
            rows: History in the user's unit, the newest last.
            time: Start of the slot to decide, epoch seconds.
        """
        window = self.facts.scale(rows[-self.facts.N :]).astype(np.float32)[None]
        return replace(self.first(window, self.facts.slot(time)), window=window)

    def travels(self, first: First, rows: Doubles, time: int) -> Floats:
        """Give what an offloaded decision sends, (1, *latent_shape): z."""
        return first.latent

    def here(self, first: First) -> Served:
        """Allocate at the local exit."""
        y = self.local(first.latent) if first.local is None else first.local
        return Served(self.facts.serve(y[0]))

    def there(self, first: First, reply: Floats) -> Served:
        """Allocate what the remote exit says: ``reply`` (1, M)."""
        return Served(self.facts.serve(reply[0]))

    def cold(self) -> Served:
        """Allocate what was never exceeded on the training days."""
        return Served(self.facts.minimum + self.facts.span)

    def warm(self) -> None:
        """Run it once: the first decision must not be the slow one."""
        window = np.zeros((1, self.facts.N, self.facts.vnfs), dtype=np.float32)
        self.local(self.first(window, 0).latent)

    def first(self, window: Floats, slot: int) -> First:
        """Run what comes before the decision: F0 and the rule.

        Args:
            window: D (1, N, M), scaled.
            slot: Number of the slot to decide.
        """
        if self._gate is None:
            (z,) = self._latent(demand=window)
            return First(self._drawn_score(window, slot), z, None)
        if self._gate_reads == "local":
            (z,) = self._latent(demand=window)
            y = self.local(z)
            (odds,) = self._gate(local=y)
            return First(_probability(odds), z, y)
        odds, z = self._gate(demand=window)
        return First(_probability(odds), z, None)

    def local(self, z: Floats) -> Floats:
        """F1: y_L (1, M) of z (1, ...), scaled."""
        (y,) = self._local(latent=z)
        return y

    def keeps(self, score: float, threshold: float | None = None) -> bool:
        """Say whether a score stays local, under the calibrated threshold or another."""
        limit = self.threshold if threshold is None else threshold
        return bool(decide([score], limit)[0])

    def _drawn_score(self, window: Floats, slot: int) -> float:
        slots = np.array([slot], dtype=np.int64)
        if self.rule == "random":
            return float(uniform_scores(self.facts.seed, slots)[0])
        if self._masked is None:
            return 0.0
        shapes = [tuple(shape) for shape in self.edge_facts["mask_shapes"]]
        masks = keep_masks(self.facts.seed, slots, self._passes, shapes, self.edge_facts["dropout"])
        named = {f"mask{index}": np.ascontiguousarray(m) for index, m in enumerate(masks)}
        (y,) = self._masked(demand=np.repeat(window, self._passes, axis=0), **named)
        # Eq. (10): U = max over m of Var(y_L^m)
        return float(y.astype(np.float64).var(axis=0, ddof=self._ddof).max())

    def _set_up_rule(self, folder: Path, base: Path, threads: int) -> float:
        name, rules = self.rule, self.edge_facts["rules"]
        if name in ("cloud", "edge", "random"):
            if name == "random":
                return float(self.l0) if local_count(1, self.l0) else -inf
            return -inf if name == "cloud" else inf
        if name not in rules:
            known = ", ".join(["cloud", "edge", "random", *rules])
            raise ModelError(f"there is no rule {name}; this model has {known}")
        rule = rules[name]
        if "passes" in rule:
            self._passes, self._ddof = int(rule["passes"]), int(rule["ddof"])
            self._masked = Part(folder / PARTS["masked"], ["local"], threads)
            self.scores = np.asarray(rule["scores"], dtype=np.float64)
            return with_room(order_statistic(self.scores, self.l0), self.scores)
        gates = rule["gates"]
        if l0_key(self.l0) not in gates:
            raise ModelError(
                f"{name} has no gate for L0 = {l0_key(self.l0)}; trained are "
                f"{', '.join(gates)} (label.l0)"
            )
        gate = gates[l0_key(self.l0)]
        self._gate_reads = str(rule["reads"])
        outputs = ["odds"] if self._gate_reads == "local" else ["odds", "latent"]
        self._gate = Part(base / "gates" / gate["file"], outputs, threads)
        self.scores = np.asarray(gate["scores"], dtype=np.float64)
        return with_room(float(gate["threshold"]), self.scores)


class CloudHalf:
    """F2, and F0 for the edges that send demand instead of z."""

    takes_demand = True
    """D is all that it needs."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Verify the whole bundle, and load the cloud's part.

        Raises:
            ArtefactError: The bundle is damaged, or has no cloud half.
        """
        facts, model = verify(folder)
        self.folder = folder
        self.facts = Facts.read(facts, model, folder)
        self.latent_shape = tuple(_read_edge_facts(folder)["latent_shape"])
        self._latent = Part(folder / PARTS["latent"], ["latent"], threads)
        self._remote = Part(folder / PARTS["remote"], ["remote"], threads)

    def latent(self, D: Floats) -> Floats:
        """F0: z (batch, ...) of scaled demand (batch, N, M)."""
        (z,) = self._latent(demand=D)
        return z

    def remote(self, z: Floats) -> Floats:
        """F2: y_R (batch, M), scaled, of z (batch, ...)."""
        (y,) = self._remote(latent=z)
        return y

    def warm(self) -> None:
        """Run it once: the first decision must not be the slow one."""
        window = np.zeros((1, self.facts.N, self.facts.vnfs), dtype=np.float32)
        self.remote(self.latent(window))


def with_room(threshold: float, scores: Doubles) -> float:
    """Raise a calibrated threshold by the rounding of a score.

    It is the score of a calibration slot, to the last bit. onnxruntime rounds otherwise than
    torch, and that slot itself would fall on either side.
    """
    if not np.isfinite(threshold):
        return threshold
    above = scores[scores > threshold]
    room = (above.min() - threshold) / 2 if above.size else inf
    return float(threshold + min(room, _ROUNDING * abs(threshold)))


def _probability(odds: Floats) -> float:
    # In float64, as the gate's own score is.
    value = float(odds[0])
    return float(1.0 / (1.0 + np.exp(-value))) if value > -700 else 0.0


def _read_edge_facts(folder: Path) -> dict[str, Any]:
    path = folder / EDGE_FACTS
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for key in ("latent_shape", "mask_shapes", "dropout", "rules"):
            facts[key]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(
            f"{path}: this model has no half for the edge; export it again with this version of "
            "ddnn"
        ) from error
    return facts


def _cost(values: Mapping[str, Any], vnfs: int) -> AllocationCost:
    # An edge node has no pydantic: the same names on a plain object.
    plain = {
        key: SimpleNamespace(**value) if isinstance(value, dict) else value
        for key, value in values.items()
    }
    return from_params(cast(Any, SimpleNamespace(**plain)), vnfs)
