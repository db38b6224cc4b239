import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ddnn.errors import ModelError
from ddnn.evaluation import (
    Resampler,
    at_equal_share,
    capture,
    local_share,
    oracle,
    pooled_capture,
    random_cost,
    sweep,
)
from ddnn.params import BootstrapParams

BOOTSTRAP = BootstrapParams(samples=200, block_days=1, level=0.95)


@st.composite
def judged(draw):
    """Scores and the costs of both exits; few different values, so that ties occur."""
    slots = draw(st.integers(1, 40))
    column = arrays(np.float64, slots, elements=st.integers(0, 8).map(float))
    return draw(column), draw(column), draw(column)


@given(judged())
def test_every_point_of_a_sweep_is_reached_by_its_threshold(case):
    scores, local_cost, remote_cost = case
    curve = sweep(scores, local_cost, remote_cost)
    for threshold, share, cost in zip(curve.thresholds, curve.local_share, curve.cost, strict=True):
        local = scores <= threshold
        assert local_share(local) == pytest.approx(share)
        assert np.where(local, local_cost, remote_cost).mean() == pytest.approx(cost)


@given(judged())
def test_a_sweep_goes_from_all_remote_to_all_local(case):
    scores, local_cost, remote_cost = case
    curve = sweep(scores, local_cost, remote_cost)
    assert (curve.local_share[0], curve.local_share[-1]) == (0.0, 1.0)
    assert curve.cost[0] == pytest.approx(remote_cost.mean())
    assert curve.cost[-1] == pytest.approx(local_cost.mean())
    assert (np.diff(curve.local_share) > 0).all()


@given(judged(), st.floats(0, 1))
def test_no_rule_beats_the_oracle_at_equal_share(case, share):
    scores, local_cost, remote_cost = case
    best = oracle(local_cost, remote_cost).cost_at(share)
    assert best <= sweep(scores, local_cost, remote_cost).cost_at(share) + 1e-9
    assert best <= random_cost(share, local_cost, remote_cost) + 1e-9


@given(judged())
def test_the_literal_oracle_is_convex_and_lowest_where_the_benefit_changes_sign(case):
    _, local_cost, remote_cost = case
    curve = oracle(local_cost, remote_cost)
    slopes = np.diff(curve.cost) / np.diff(curve.local_share)
    assert (np.diff(slopes) >= -1e-9).all()
    better = float((local_cost < remote_cost).mean())
    assert curve.cost_at(better) == pytest.approx(curve.cost.min())


@given(judged(), st.floats(0, 1), st.floats(0, 1))
def test_random_is_a_straight_line(case, first, second):
    _, local_cost, remote_cost = case
    ends = random_cost([first, second], local_cost, remote_cost)
    middle = random_cost((first + second) / 2, local_cost, remote_cost)
    assert middle == pytest.approx(ends.mean())


@given(judged())
def test_capture_is_undefined_at_the_ends(case):
    _, local_cost, remote_cost = case
    for share in (0.0, 1.0):
        cost = float(random_cost(share, local_cost, remote_cost))
        assert capture(cost, share, local_cost, remote_cost) is None


def test_capture_runs_from_the_coin_to_the_oracle():
    local_cost, remote_cost = np.array([1.0, 5.0]), np.array([1.0, 1.0])
    coin = float(random_cost(0.5, local_cost, remote_cost))
    best = float(oracle(local_cost, remote_cost).cost_at(0.5))
    found = [capture(c, 0.5, local_cost, remote_cost) for c in (coin, best, coin + 1)]
    assert found == pytest.approx([0.0, 1.0, -1.0])


def test_capture_is_undefined_where_the_exits_agree():
    same = np.array([1.0, 2.0, 3.0])
    assert capture(2.0, 1 / 3, same, same) is None


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ModelError, match="finite"):
        sweep(np.array([0.1, np.nan]), np.ones(2), np.ones(2))


@pytest.fixture
def week():
    rng = np.random.default_rng(1)
    remote_cost = rng.gamma(2.0, 1.0, 24 * 7)
    return remote_cost + rng.normal(0.2, 1.0, 24 * 7), remote_cost


def test_rules_are_compared_at_equal_share(week):
    local_cost, remote_cost = week
    noise = np.random.default_rng(2).normal(size=len(local_cost))
    scores = {"oracle": local_cost - remote_cost, "noise": noise}
    shares = np.array([0.0, 0.5, 1.0])
    resampler = Resampler.over_days(len(local_cost), 24, BOOTSTRAP, seed=0)
    found = at_equal_share(scores, local_cost, remote_cost, shares, resampler, "oracle")
    best, noisy = found["oracle"][1], found["noise"][1]
    assert best.capture.value == pytest.approx(1.0)
    assert (best.capture.low, best.capture.high) == pytest.approx((1.0, 1.0))
    assert noisy.capture.low < 0.5
    assert noisy.to_reference.low > 1.0
    assert noisy.cost.low < noisy.cost.value < noisy.cost.high
    ends = [row for rows in found.values() for row in (rows[0], rows[2])]
    assert all(row.capture is None and row.to_random.value == pytest.approx(1) for row in ends)


def test_draws_in_parts_give_the_same(week, monkeypatch):
    local_cost, remote_cost = week
    resampler = Resampler.over_days(len(local_cost), 24, BOOTSTRAP, seed=0)

    def compare():
        score = {"rule": local_cost}
        return at_equal_share(score, local_cost, remote_cost, np.array([0.3]), resampler)

    whole = compare()
    monkeypatch.setattr("ddnn.evaluation.bootstrap._CHUNK", 1000)
    assert compare()["rule"][0].cost.low == pytest.approx(whole["rule"][0].cost.low)


@given(judged(), st.floats(0, 1))
def test_one_window_pooled_is_the_window(case, share):
    scores, local_cost, remote_cost = case
    cost = float(sweep(scores, local_cost, remote_cost).cost_at(share))
    one = (cost, share, local_cost, remote_cost)
    alone, pooled = capture(*one), pooled_capture([one, one])
    assert (alone is None) == (pooled is None)
    assert alone is None or pooled == pytest.approx(alone)


def test_a_window_counts_by_what_is_to_be_gained_in_it():
    # A coin at L = 1/2 and the Oracle: 0.5 and 0 in the first window, 50 and 0 in the second.
    local, remote = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    windows = [(0.0, 0.5, local, remote), (50.0, 0.5, 100 * local, 100 * remote)]
    assert [capture(*window) for window in windows] == [1.0, 0.0]
    assert pooled_capture(windows) == pytest.approx(0.5 / 50.5)
    assert pooled_capture([]) is None
    assert pooled_capture([(1.0, 0.5, np.ones(2), np.ones(2))]) is None
