"""The halves of a model whose exits predict a distribution, as the processes run them.

The edge predicts location and spread of each VNF's demand and decides; so does the cloud, but it
only predicts: its answer is decided on at the edge, so that one place knows cost and cap. What
travels is z, and the memory: what the remote exit makes of the long view, which the edge has.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.context import Clock
from ddnn.decision import DecisionRule, Predicted, ResidualShape, allocate_within
from ddnn.errors import ArtefactError, ModelError, ParamsError
from ddnn.offload.calibration import local_count, order_statistic
from ddnn.offload.draws import uniform_scores
from ddnn.offload.known import Known
from ddnn.offload.known_gates import KnownGate, gate_from_json
from ddnn.runtime.manifest import verify
from ddnn.runtime.onnx_run import Part
from ddnn.runtime.served import EDGE, EDGE_FACTS, Facts, First, Served, with_room
from ddnn.runtime.view_inputs import Calendar, Layout, ViewInputs

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

PARTS = {
    "edge": "edge/edge.onnx",
    "memory": "edge/memory.onnx",
    "remote": "cloud/remote.onnx",
}
FIXED = ("cloud", "edge", "random")
"""Rules that look at nothing."""


@dataclass(frozen=True, eq=False)
class AnchoredFirst(First):
    """What the edge knows of a slot before it decides; ``local`` is y_L before any cap."""

    predicted: Predicted = field(kw_only=True)
    """The local exit's, (M,)."""

    @property
    def sound(self) -> bool:
        """Whether the model gives numbers for this demand; z is bounded, as its inputs are."""
        return isfinite(self.score)


class AnchoredEdge:
    """F0, F1, the memory of F2, one rule with its threshold, and the decision for both exits."""

    def __init__(
        self,
        folder: Path,
        rule: str | None = None,
        l0: float | None = None,
        threads: int = 1,
        cap: float | None = None,
    ) -> None:
        """Verify the edge's files of a bundle, and load them.

        Args:
            folder: The bundle, whole or its edge half alone.
            rule: Offloading rule; None: the model's own.
            l0: Wanted share of local decisions; None: the model's own.
            threads: Of onnxruntime.
            cap: Most that is allocated to all series together, in the user's unit; None: no cap.

        Raises:
            ArtefactError: The bundle is damaged, or has no such half.
            ModelError: There is no such rule, or the cap is below what is allocated at least.
            ParamsError: ``l0`` is outside [0, 1].
        """
        facts, model = verify(folder, only=EDGE)
        self.facts = Facts.read(facts, model, folder)
        about = _read_edge_facts(folder)
        self.rule = self.facts.rule if rule is None else rule
        self.l0 = self.facts.l0 if l0 is None else l0
        if not 0 <= self.l0 <= 1:
            raise ParamsError(f"L0 {self.l0:g}: must lie in [0, 1]; give a share, such as 0.5")
        self.latent_shape = about.travels
        self.answer_shape = (2, self.facts.vnfs)
        calendar = Calendar(Clock(self.facts.start, self.facts.slot_seconds, self.facts.timezone))
        scaling = (self.facts.minimum, self.facts.span)
        self._near = ViewInputs(about.edge, calendar, *scaling)
        self._far = ViewInputs(about.cloud, calendar, *scaling)
        self._cells = about.edge.cells
        edge = Part(folder / PARTS["edge"], ["latent", "local"], threads)
        memory = Part(folder / PARTS["memory"], ["memory"], threads)
        self._edge, self._memory = (
            part.bound(view=inputs.view)
            for part, inputs in ((edge, self._near), (memory, self._far))
        )
        self._local, self._remote = (
            DecisionRule(shape, self.facts.cost) for shape in (about.local, about.remote)
        )
        self.needed = self.facts.N
        self.wanted = max(self._near.needed, self._far.needed)
        self._gate: KnownGate | None = None
        self.scores: Doubles = np.empty(0)
        """(K,) of the rule on the days before the test, in order; what scores are expected."""
        self.threshold = self._set_up_rule(about.rules)
        self._cap = cap
        floor = float(self.facts.minimum.sum())
        if cap is not None and not floor < cap < inf:
            raise ModelError(
                f"serve.edge.cap {cap:g}: model {model} allocates {floor:g} at least (what the "
                "training days never fell below); raise the cap"
            )

    def see(self, rows: Doubles, time: int) -> AnchoredFirst:
        """Run what comes before the decision: F0, F1, what F1 would allocate, and the rule.

        Args:
            rows: History (T, M) in the user's unit, the newest last; NaN where it is unknown.
            time: Start of the slot to decide, epoch seconds.
        """
        near = self._near
        near.fill(rows, time)
        z, told = self._edge.run()
        predicted = _predicted(near.last, told.reshape(2, -1).take(self._cells, axis=1))
        if predicted is None:
            nothing = np.zeros((1, self.facts.vnfs))
            return AnchoredFirst(np.nan, z, nothing, None, near.unknown, predicted=_NOTHING)
        y = self._local.allocate(predicted)
        score = self._score(predicted, y, time)
        return AnchoredFirst(score, z, y[None], None, near.unknown, predicted=predicted)

    def keeps(self, score: float, threshold: float | None = None) -> bool:
        """Say whether a score stays local, under the calibrated threshold or another."""
        limit = self.threshold if threshold is None else threshold
        return -inf < limit and score <= limit  # as ddnn.offload.decide does for many

    def travels(self, first: First, rows: Doubles, time: int) -> Floats:
        """Give what an offloaded decision sends, (1, *latent_shape): z and the memory."""
        far = self._far
        far.fill(rows, time)
        (memory,) = self._memory.run()
        return np.concatenate([first.latent, memory], axis=1)

    def here(self, first: First) -> Served:
        """Allocate at the local exit."""
        assert isinstance(first, AnchoredFirst) and first.local is not None
        if self._cap is None:
            return Served(self.facts.serve(first.local[0]), unknown=first.unknown)
        return self._within(self._local, first.predicted, first.unknown)

    def there(self, first: First, reply: Floats) -> Served:
        """Allocate by what the remote exit predicts: ``reply`` (1, 2, M).

        Raises:
            ValueError: It is no prediction.
        """
        unknown = tuple(dict.fromkeys((*first.unknown, *self._far.unknown)))
        predicted = _predicted(self._near.last, reply[0])
        if predicted is None:
            raise ValueError("the remote exit gave no prediction")
        if self._cap is not None:
            return self._within(self._remote, predicted, unknown)
        return Served(self.facts.serve(self._remote.allocate(predicted)), unknown=unknown)

    def cold(self) -> Served:
        """Allocate what was never exceeded on the training days, or its share of the cap."""
        full = self.facts.minimum + self.facts.span
        total = float(full.sum())
        if self._cap is None or total <= self._cap:
            return Served(full)
        shrunk = full * (self._cap / total)
        return Served(shrunk * min(1.0, self._cap / float(shrunk.sum())) * (1 - _RESERVE))

    def warm(self) -> None:
        """Run all of it once: the first decision must not be the slow one."""
        rows = np.tile(self.facts.minimum + self.facts.span / 2, (self.needed, 1))
        first = self.see(rows, self.facts.start)
        self.travels(first, rows, self.facts.start)
        self.here(first)

    def _score(self, predicted: Predicted, y: Doubles, time: int) -> float:
        if self.rule == "random":
            slots = np.array([self.facts.slot(time)], dtype=np.int64)
            return float(uniform_scores(self.facts.seed, slots)[0])
        if self._gate is None:
            return 0.0
        alone = Predicted.checked(predicted.location[None], predicted.spread[None])
        known = Known(alone, y[None], self._near.recent, self._near.calendar)
        return float(self._gate.score(known)[0])

    def _within(self, rule: DecisionRule, predicted: Predicted, unknown: tuple[str, ...]) -> Served:
        assert self._cap is not None
        room = self._cap - float(self.facts.minimum.sum())
        capped = allocate_within(rule, predicted, room, units=self.facts.span)
        amounts = self.facts.serve(capped.y)
        return Served(amounts, float(capped.price), float(capped.gap_bound), unknown)

    def _set_up_rule(self, rules: Mapping[str, Mapping[str, Any]]) -> float:
        name = self.rule
        if name in FIXED:
            if name == "random":
                return float(self.l0) if local_count(1, self.l0) else -inf
            return -inf if name == "cloud" else inf
        if name not in rules:
            known = ", ".join([*FIXED, *rules])
            raise ModelError(f"there is no rule {name}; this model has {known}")
        self._gate = gate_from_json(name, rules[name]["gate"], self._local)
        self.scores = np.asarray(rules[name]["scores"], dtype=np.float64)
        return with_room(order_statistic(self.scores, self.l0), self.scores)


class AnchoredCloud:
    """The rest of F2; it predicts, and knows no cost."""

    takes_demand = False
    """It has no history: what it needs of it has travelled."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Verify the whole bundle, and load the cloud's part.

        Raises:
            ArtefactError: The bundle is damaged, or has no such half.
        """
        facts, model = verify(folder)
        self.folder = folder
        self.facts = Facts.read(facts, model, folder)
        about = _read_edge_facts(folder)
        self.latent_shape, self._cells = about.travels, about.edge.cells
        self._remote = Part(folder / PARTS["remote"], ["remote"], threads)

    def latent(self, D: Floats) -> Floats:
        """Refuse: demand alone is not what the remote exit needs.

        Raises:
            ModelError: Always; the cloud asks ``takes_demand`` first.
        """
        raise ModelError(f"model {self.facts.model} needs z and the memory, not demand")

    def remote(self, z: Floats) -> Floats:
        """Give (batch, 2, M) of what travelled (batch, ...): location less newest, log-spread."""
        (told,) = self._remote(latent=z)
        return told.reshape(len(told), 2, -1).take(self._cells, axis=2)

    def warm(self) -> None:
        """Run it once: the first decision must not be the slow one."""
        self.remote(np.zeros((1, *self.latent_shape), dtype=np.float32))


_RESERVE = 1e-12  # of a sum of doubles: what its rounding may add
_MOST = 700.0  # size of the logarithm of a spread, in full scales
_NOTHING = Predicted(np.zeros(1), np.ones(1))


def _predicted(last: Doubles, told: Floats) -> Predicted | None:
    """Give the prediction (M,) that an exit told (2, M); None where it is no number."""
    location = last + told[0]
    log_spread = told[1].astype(np.float64)
    # No NaN passes either.
    if not (isfinite(location @ location) and np.abs(log_spread).max() < _MOST):
        return None
    return Predicted.checked(location, np.exp(log_spread))


@dataclass(frozen=True, eq=False)
class _EdgeFacts:
    edge: Layout
    cloud: Layout
    travels: tuple[int, ...]
    local: ResidualShape
    remote: ResidualShape
    rules: Mapping[str, Mapping[str, Any]]


def _read_edge_facts(folder: Path) -> _EdgeFacts:
    path = folder / EDGE_FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        layouts, shapes = facts["layouts"], facts["shapes"]
        return _EdgeFacts(
            edge=Layout.from_json(layouts["edge"]),
            cloud=Layout.from_json(layouts["cloud"]),
            travels=tuple(int(size) for size in facts["travels"]),
            local=ResidualShape.from_json(shapes["local"]),
            remote=ResidualShape.from_json(shapes["remote"]),
            rules=dict(facts["rules"]),
        )
    except (OSError, ValueError, KeyError, TypeError, ArtefactError) as error:
        raise ArtefactError(
            f"{path}: this model has no half for the edge; export it again with this version of "
            "ddnn"
        ) from error
