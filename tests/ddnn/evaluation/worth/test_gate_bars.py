"""Bars on gates follow decisions, costs and seconds; capture is that of the curves' module."""

import numpy as np
import pytest

from ddnn.evaluation.bootstrap import Resampler
from ddnn.evaluation.curves import capture
from ddnn.evaluation.worth.gate_bars import capture_draws, gate_bars
from ddnn.params import BootstrapParams

FROZEN = "reached L, frozen validation threshold"
TRACKED = "reached L, tracker"
CAPTURE = "capture of the expected benefit, mean"
ABOVE = "capture above the Optimized Rule's, least of the windows"
FITTING = "fitting gates: the Optimized Rule's seconds / the expected benefit's"
DECISION = "one decision: boosting_best's seconds / the edge's"


def bar(measured, name):
    """Give the one bar of that name."""
    (found,) = [each for each in gate_bars(measured) if each.bar == name]
    return found


@pytest.mark.parametrize("of", ["the paper's exits", "anchored exits"])
@pytest.mark.parametrize(
    ("way", "told", "error", "mean", "worst"),
    [
        ("frozen", FROZEN, 0.05, True, True),
        ("frozen", FROZEN, -0.10, False, True),
        ("frozen", FROZEN, 0.15, False, False),
        ("tracked", TRACKED, 0.01, True, True),
        ("tracked", TRACKED, 0.03, False, True),
        ("tracked", TRACKED, -0.06, False, False),
    ],
)
def test_the_share_is_held_as_closely_as_measured(make_measured, of, way, told, error, mean, worst):
    measured = make_measured(shares={way: error})
    assert bar(measured, f"{told}, mean error, {of}").value == pytest.approx(abs(error), abs=0.01)
    assert bar(measured, f"{told}, mean error, {of}").met is mean
    assert bar(measured, f"{told}, worst error, {of}").met is worst


def test_capture_follows_the_ranking(make_measured):
    assert bar(make_measured(), CAPTURE).met is True
    poor = make_measured(ranking={"expected_benefit": 0.0})
    assert bar(poor, CAPTURE).met is False
    assert bar(poor, CAPTURE).value < 0.3
    assert bar(make_measured(ranking={"expected_benefit": 1.0}), CAPTURE).value > 0.99


def test_one_window_below_the_optimized_rule_misses_the_bar(make_measured):
    assert bar(make_measured(), ABOVE).met is True
    assert bar(make_measured(ranking={"optimized_volume": 0.95}), ABOVE).met is False
    assert bar(make_measured(ranking={"optimized_volume": 0.8}), ABOVE).met is False  # even


def test_times_are_ratios_of_the_same_run(make_measured):
    assert bar(make_measured(), FITTING).value == pytest.approx(20)
    assert bar(make_measured(), FITTING).met is True
    assert bar(make_measured(seconds={"optimized": 199.0}), FITTING).met is False
    assert bar(make_measured(), DECISION).value == pytest.approx(20)
    assert bar(make_measured(), DECISION).met is True


def test_what_is_not_there_is_not_measured(make_measured):
    none = make_measured(skip=lambda e: e.kind in ("gates", "times"))
    names = {each.bar for each in gate_bars(make_measured())}
    assert {each.bar for each in gate_bars(none)} == names
    for name in (CAPTURE, ABOVE, FITTING, DECISION, f"{FROZEN}, mean error, the paper's exits"):
        assert bar(none, name).value is None
        assert bar(none, name).met is None
    some = make_measured(skip=lambda e: e.kind == "gates" and e.seed == 1)
    assert bar(some, CAPTURE).so_far is True
    assert bar(some, CAPTURE).met is None


def test_the_draws_of_capture_are_captures_of_the_drawn_slots():
    rng = np.random.default_rng(3)
    local_cost, remote_cost = rng.uniform(1, 2, (2, 96))
    local = rng.random(96) < 0.4
    days = Resampler.over_days(96, 24, BootstrapParams(samples=100, block_days=1, level=0.95), 0)
    drawn = capture_draws(local, local_cost, remote_cost, days)
    for index in (0, 17, 99):
        times = days.counts[index][days.block]
        slots = np.repeat(np.arange(96), times)
        costs = local_cost[slots], remote_cost[slots]
        cost = float(np.where(local[slots], *costs).mean())
        assert drawn[index] == pytest.approx(capture(cost, float(local[slots].mean()), *costs))
