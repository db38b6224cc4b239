"""Ways to set a threshold: none of them sees the test days' outcomes."""

from types import SimpleNamespace

import numpy as np
import pytest

from tasks.worth.judged import cost_of_served
from tasks.worth.thresholds import frozen, tracked, with_margin

PER_DAY = 24


def scores(days, drift=0.0, seed=0):
    """Scores whose daily level varies, and drifts from one day to the next."""
    rng = np.random.default_rng(seed)
    level = rng.normal(size=days) * 0.3 + drift * np.arange(days)
    return (level[:, None] + rng.normal(size=(days, PER_DAY))).ravel()


def test_a_frozen_threshold_keeps_the_share_on_the_days_it_was_set_on():
    validation = scores(6)
    assert frozen(validation, validation, 0.3).mean() == pytest.approx(0.3, abs=0.01)


def test_the_margin_keeps_the_share_as_often_as_stated(tiny_params):
    kept = plain = 0
    for seed in range(40):
        every = scores(11, seed=seed)
        parts = every[: 6 * PER_DAY], every[6 * PER_DAY :]
        kept += with_margin(*parts, 0.5, tiny_params.worth, PER_DAY).mean() >= 0.5
        plain += frozen(*parts, 0.5).mean() >= 0.5
    assert tiny_params.worth.whole.confidence == 0.95
    assert kept / 40 >= 0.8 > plain / 40 + 0.1


def test_the_tracker_follows_a_drift_that_the_frozen_threshold_loses(tiny_params):
    every = scores(21, drift=0.3)
    before, test = every[: 6 * PER_DAY], every[6 * PER_DAY :]
    assert frozen(before, test, 0.5).mean() < 0.25
    assert tracked(before, test, 0.5, tiny_params.worth, PER_DAY).mean() == pytest.approx(
        0.5, abs=0.06
    )


def test_the_tracker_sees_no_score_before_its_turn(tiny_params):
    before, test = scores(6), scores(3, seed=1)
    other = np.append(test[:40], scores(3, seed=2)[40:])
    one, two = (tracked(before, each, 0.5, tiny_params.worth, PER_DAY) for each in (test, other))
    np.testing.assert_array_equal(one[: 41 - 1], two[: 41 - 1])


def test_nothing_below_zero_units_is_served():
    from ddnn.cost import sla_cost

    scaling = SimpleNamespace(scale=lambda values: np.full(values.shape, -0.5))
    prepared = SimpleNamespace(scaling=scaling, demand=SimpleNamespace(vnfs=2))
    y, d = np.array([[-3.0, 1.0]]), np.array([[-0.5, 0.5]])
    assert cost_of_served(sla_cost(1.0), y, d, prepared) == pytest.approx([0.5])
