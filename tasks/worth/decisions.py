"""Stage ``worth.decisions``: one anchored training decides at every price, with its gates.

Leaves the costs ``local`` and ``remote`` at each ``c_u`` (K,), and for each rule, way to set its
threshold, price and L0 the decisions ``<rule>_<way>_c<c_u>@l0=<l0>`` (K,). Ways: ``frozen`` on the
validation days, ``margin`` on them with a margin, ``tracked``.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.cost import AllocationCost
from ddnn.decision import Predicted
from ddnn.nets.anchored import Allocator, AnchoredExits, load_allocator, load_anchored, predict
from ddnn.offload.expected_benefit import ExpectedBenefit
from ddnn.offload.known import Floats, Known
from ddnn.offload.regressed_benefit import RegressedBenefit
from tasks.anchored.past import contexts
from tasks.prepared import Prepared, prepare
from tasks.stage import Stage
from tasks.worth.judged import cost_name, cost_of_served, costs_at, demand_on, window_facts, write
from tasks.worth.thresholds import ways

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Days:
    """What both exits say about some days' decisions; no cost is in it."""

    local: Predicted
    remote: Predicted
    recent: NDArray[np.float32]
    calendar: NDArray[np.float32]
    demand: Floats

    @classmethod
    def of(cls, exits: AnchoredExits, prepared: Prepared, targets: range) -> "Days":
        """Predict for the targets."""
        seen = contexts(prepared, targets, exits.reaches)
        local, remote = predict(exits, seen)
        D, _ = prepared.windows(targets)
        return cls(local, remote, D, seen.edge.calendar, demand_on(prepared, targets))

    def known(self, y_L: Floats) -> Known:
        """Give what the edge knows when it has decided on y_L (K, M)."""
        return Known(self.local, y_L, self.recent, self.calendar)


def run(stage: Stage) -> None:
    """Write result.npz."""
    prepared, params = prepare(stage), stage.params
    exits = load_anchored(stage.inputs["train"])
    allocator, split = load_allocator(stage.inputs["train"]), prepared.split
    days = {
        "train": Days.of(exits, prepared, split.train),
        "validation": Days.of(exits, prepared, split.validation),
        "test": Days.of(exits, prepared, split.test),
    }
    gates = _Gates(allocator, days, len(split.validation_fit))
    arrays: dict[str, NDArray[Any]] = {}
    for c_u, cost in costs_at(params.worth.c_u, params.setting).items():
        test = days["test"]
        for name, y in zip(("local", "remote"), gates.decided("test", cost), strict=True):
            arrays[cost_name(name, c_u)] = cost_of_served(cost, y, test.demand, prepared)
        per_day = prepared.demand.slots_per_day
        for rule, scores in gates.scores(cost).items():
            arrays |= ways(rule, f"c{c_u:g}", scores, params.worth, per_day)
    facts = {
        "sent_bytes": _sent_bytes(exits),
        "fit_seconds": gates.seconds,
    }
    write(stage, arrays, window_facts(prepared) | facts)


class _Gates:
    """Both gates on one training's exits, fitted once for every price where they can be."""

    def __init__(self, allocator: Allocator, days: dict[str, Days], fit: int) -> None:
        self.allocator, self.days, self.fit = allocator, days, fit
        self.expected: ExpectedBenefit | None = None
        self.seconds = 0.0

    def decided(self, name: str, cost: AllocationCost) -> tuple[Floats, Floats]:
        local, remote = self.allocator.rules(cost)
        days = self.days[name]
        return local.allocate(days.local), remote.allocate(days.remote)

    def scores(self, cost: AllocationCost) -> dict[str, tuple[Floats, Floats]]:
        """Scores of the days that set the threshold, and of the test days, of each rule.

        The expected benefit looks at no demand of its days and learns on training days: all
        validation days set its threshold. The regressed one learns on the older of them.
        """
        known = {name: self.days[name].known(self.decided(name, cost)[0]) for name in self.days}
        before, test = known["validation"], known["test"]
        expected = self._expected(known["train"], cost)
        y_L, y_R = self.decided("validation", cost)
        d = self.days["validation"].demand
        benefit = cost(y_L, d) - cost(y_R, d)
        regressed = RegressedBenefit.fit(before.part(slice(self.fit)), benefit[: self.fit])
        newest = before.part(slice(self.fit, None))
        return {
            "expected_benefit": (expected.score(before), expected.score(test)),
            "regressed_benefit": (regressed.score(newest), regressed.score(test)),
        }

    def _expected(self, train: Known, cost: AllocationCost) -> ExpectedBenefit:
        if self.expected is None:
            started = time.perf_counter()
            remote, shapes = self.days["train"].remote, self.allocator
            self.expected = ExpectedBenefit.fit(train, remote, shapes.remote, cost)
            self.seconds = time.perf_counter() - started
        return self.expected.priced(cost)


def _sent_bytes(exits: AnchoredExits) -> int:
    """Bytes of what an offloaded decision sends: z, and what F2 makes of the long view."""
    channels = exits.preset.latent[-1] + exits.preset.memory
    return FLOAT_BYTES * channels * exits.grid.rows * exits.grid.columns
