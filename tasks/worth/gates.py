"""Stage ``worth.gates``: gates on the paper's exits, at one price, on one window.

Leaves the costs of both exits (``local``, ``remote``), decisions as ``worth.decisions`` has them
(rules: optimized_volume, uncertainty_b<B>, random, expected_benefit, regressed_benefit), and
what fitting took, one thread, same process: seconds of three gates of the Optimized Rule, and of
each benefit gate for all L0, with the predictor at the edge and its shape.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ddnn.decision import ResidualShape
from ddnn.nets import load_exits
from ddnn.offload import algorithm_1, l0_key
from ddnn.offload.baselines import RandomRule
from ddnn.offload.expected_benefit import ExpectedBenefit
from ddnn.offload.known import Floats, Known
from ddnn.offload.line_predictor import LinePredictor
from ddnn.offload.regressed_benefit import RegressedBenefit
from ddnn.offload.samples import Samples, gather
from ddnn.offload.uncertainty import UncertaintyRule
from tasks.anchored.past import clock_of
from tasks.label import label_table
from tasks.offloader import train_gates
from tasks.prepared import Prepared, prepare
from tasks.stage import Stage
from tasks.worth.judged import cost_name, cost_of_served, window_facts, write
from tasks.worth.thresholds import ways

T = TypeVar("T")
Scores = dict[str, tuple[Floats, Floats]]


def run(stage: Stage) -> None:
    """Write result.npz."""
    prepared, params = prepare(stage), stage.params
    days = _Days(stage, prepared)
    test, c_u = days.samples["test"], params.setting.c_u
    assert isinstance(c_u, float)
    arrays: dict[str, NDArray[Any]] = {
        cost_name(name, c_u): cost_of_served(prepared.cost, y, test.target, prepared)
        for name, y in (("local", test.local), ("remote", test.remote))
    }
    watch = _Watch()
    per_day, price = prepared.demand.slots_per_day, f"c{c_u:g}"
    for rule, scores in (_benefit_rules(days, watch) | _scored_rules(days)).items():
        arrays |= ways(rule, price, scores, params.worth, per_day)
    arrays |= _optimized(days, watch, price)
    write(stage, arrays, window_facts(prepared) | {"fit_seconds": watch.seconds})


class _Watch:
    """Takes the time of calls, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, names: tuple[str, ...], call: Callable[[], T]) -> T:
        started = time.perf_counter()
        result = call()
        for name in names:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
        return result


class _Days:
    """Both exits' answers on a window's days, and what the edge knows there."""

    def __init__(self, stage: Stage, prepared: Prepared) -> None:
        self.params, self.prepared = stage.params, prepared
        self.exits, split = load_exits(stage.inputs["train"]), prepared.split
        self.ranges = {
            "train": split.train,
            "fit": split.validation_fit,
            "calibration": split.calibration,
            "validation": split.validation,
            "test": split.test,
        }
        self.samples = {name: self._gather(targets) for name, targets in self.ranges.items()}

    def _gather(self, targets: range) -> Samples:
        D, d = self.prepared.windows(targets)
        return gather(self.exits, D, d, np.asarray(targets), self.prepared.cost, False)

    def calendar(self, name: str) -> NDArray[np.float32]:
        """Give the calendar of some days' targets."""
        return clock_of(self.prepared).calendar(self.ranges[name])

    def known(self, name: str, predictor: LinePredictor) -> Known:
        """Give what the edge knows on some days."""
        samples, calendar = self.samples[name], self.calendar(name)
        predicted = predictor.predict(samples.demand, calendar)
        return Known(predicted, samples.local, samples.demand, calendar)


def _benefit_rules(days: _Days, watch: _Watch) -> Scores:
    """Both benefit gates; their distribution is that of lines at the edge."""
    both = ("expected_benefit", "regressed_benefit")
    train, validation = days.samples["train"], days.samples["validation"]
    predictor = watch.time(
        both, lambda: LinePredictor.fit(train.demand, days.calendar("train"), train.target)
    )
    known = watch.time(both, lambda: {name: days.known(name, predictor) for name in days.ranges})
    shape = watch.time(
        both,
        lambda: ResidualShape.fit(known["validation"].predicted, validation.target),
    )
    remote, benefit, cost = train.remote, days.samples["fit"].benefit, days.prepared.cost
    expected = watch.time(
        both[:1], lambda: ExpectedBenefit.fit(known["train"], remote, shape, cost)
    )
    regressed = watch.time(both[1:], lambda: RegressedBenefit.fit(known["fit"], benefit))
    test = known["test"]
    return {
        "expected_benefit": (expected.score(known["validation"]), expected.score(test)),
        "regressed_benefit": (regressed.score(known["calibration"]), regressed.score(test)),
    }


def _scored_rules(days: _Days) -> Scores:
    """The Uncertainty Rules and Random, which learn nothing."""
    params, (before, test) = days.params, (days.samples[n] for n in ("calibration", "test"))
    seed, ddof = params.setting.seed, params.offloader.variance_ddof
    rules = [
        RandomRule(seed),
        *(UncertaintyRule(days.exits, B, ddof, seed) for B in params.offloader.mc_passes),
    ]
    return {rule.name: (rule.score(before), rule.score(test)) for rule in rules}


def _optimized(days: _Days, watch: _Watch, price: str) -> dict[str, NDArray[np.bool_]]:
    """The paper's gate, one for each L0, learned and calibrated as the stage ``offloader`` does."""
    params, samples = days.params, days.samples["fit"]
    critical = {
        l0_key(l0): algorithm_1(samples.local_cost, samples.remote_cost, l0, params.label.critical)
        for l0 in params.label.l0
    }
    labels = label_table(samples, critical)
    gates, _ = watch.time(
        ("optimized",), lambda: train_gates(samples, labels, days.prepared, params)
    )
    found: dict[str, NDArray[np.bool_]] = {}
    per_day = days.prepared.demand.slots_per_day
    for name, of in gates.items():
        for l0, rule in of.items():
            scores = tuple(rule.score(days.samples[part]) for part in ("calibration", "test"))
            one = params.worth.model_copy(update={"l0": [l0]})
            found |= ways(name, price, (scores[0], scores[1]), one, per_day)
    return found
