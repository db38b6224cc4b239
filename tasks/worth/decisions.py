"""Stage ``worth.decisions``: one anchored training decides at every price, with its gates.

Leaves the costs ``local`` and ``remote`` at each ``c_u`` (K,), and for each rule, way to set its
threshold, price and L0 the decisions ``<rule>_<way>_c<c_u>@l0=<l0>`` (K,). Ways: ``frozen`` on days
before the test, ``margin`` on them with a margin, ``tracked``.
"""

import time
from typing import Any

from numpy.typing import NDArray

from ddnn.cost import AllocationCost
from ddnn.nets.anchored import AnchoredExits
from ddnn.offload.expected_benefit import ExpectedBenefit
from ddnn.offload.known import Floats
from ddnn.offload.regressed_benefit import RegressedBenefit
from tasks.anchored.system import AnchoredSystem, Days
from tasks.prepared import prepare
from tasks.stage import Stage
from tasks.worth.judged import cost_name, cost_of_served, costs_at, window_facts, write
from tasks.worth.thresholds import ways

FLOAT_BYTES = 4


def run(stage: Stage) -> None:
    """Write result.npz."""
    prepared, params = prepare(stage), stage.params
    system, split = AnchoredSystem.load(stage.inputs["train"], prepared), prepared.split
    days = {
        "train": system.days(split.train),
        "validation": system.days(split.validation),
        "test": system.days(split.test),
        "before": system.before_the_test(),
    }
    gates = _Gates(system, days, len(split.validation_fit))
    arrays: dict[str, NDArray[Any]] = {}
    for c_u, cost in costs_at(params.worth.c_u, params.setting).items():
        test = days["test"]
        for name, y in zip(("local", "remote"), gates.decided("test", cost), strict=True):
            arrays[cost_name(name, c_u)] = cost_of_served(cost, y, test.demand, prepared)
        per_day = prepared.demand.slots_per_day
        for rule, scores in gates.scores(cost).items():
            arrays |= ways(rule, f"c{c_u:g}", scores, params.worth, per_day)
    facts = {
        "sent_bytes": _sent_bytes(system.exits),
        "fit_seconds": gates.seconds,
    }
    write(stage, arrays, window_facts(prepared) | facts)


class _Gates:
    """Both gates on one training's exits, fitted once for every price where they can be."""

    def __init__(self, system: AnchoredSystem, days: dict[str, Days], fit: int) -> None:
        self.system, self.days, self.fit = system, days, fit
        self.expected: ExpectedBenefit | None = None
        self.seconds = 0.0

    def decided(self, name: str, cost: AllocationCost) -> tuple[Floats, Floats]:
        return self.system.decide(self.days[name], cost)

    def scores(self, cost: AllocationCost) -> dict[str, tuple[Floats, Floats]]:
        """Scores of the days that set the threshold, and of the test days, of each rule.

        The expected benefit looks at no outcome of its days: all days before the test set its
        threshold, as scored by the exits that serve. The regressed one learns on the older
        validation days from what folds say that left them out, and is calibrated on the newer.
        """
        before, test = (
            self.days[name].known(self.decided(name, cost)[0]) for name in ("before", "test")
        )
        expected = self._expected(cost)
        validation = self.days["validation"]
        y_L, y_R = self.decided("validation", cost)
        known, d = validation.known(y_L), validation.demand
        benefit = cost(y_L, d) - cost(y_R, d)
        regressed = RegressedBenefit.fit(known.part(slice(self.fit)), benefit[: self.fit])
        newest = known.part(slice(self.fit, None))
        return {
            "expected_benefit": (expected.score(before), expected.score(test)),
            "regressed_benefit": (regressed.score(newest), regressed.score(test)),
        }

    def _expected(self, cost: AllocationCost) -> ExpectedBenefit:
        if self.expected is None:
            started = time.perf_counter()
            self.expected = self.system.expected_benefit(self.days["train"], cost)
            self.seconds = time.perf_counter() - started
        return self.expected.priced(cost)


def _sent_bytes(exits: AnchoredExits) -> int:
    """Bytes of what an offloaded decision sends: z, and what F2 makes of the long view."""
    channels = exits.preset.latent[-1] + exits.preset.memory
    return FLOAT_BYTES * channels * exits.grid.rows * exits.grid.columns
