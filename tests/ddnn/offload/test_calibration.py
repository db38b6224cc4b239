import subprocess
import sys
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.errors import ModelError, ParamsError
from ddnn.offload import assured_statistic, decide, order_statistic, threshold_to_json

scores_with_ties = st.lists(st.integers(-5, 5), min_size=1, max_size=40)
shares = st.one_of(
    st.floats(0, 1), st.fractions(0, 1, max_denominator=40).map(float), st.sampled_from([0.3, 0.55])
)


@given(scores_with_ties, shares)
def test_the_threshold_leaves_the_share_local_and_is_the_smallest_that_does(scores, l0):
    threshold = order_statistic(scores, l0)
    local = decide(scores, threshold)
    assert local.mean() >= l0
    lower = [score for score in scores if score < threshold]
    assert threshold == -inf or len(lower) / len(scores) < l0


@given(scores_with_ties, shares, shares)
def test_a_larger_share_never_has_a_lower_threshold(scores, one, other):
    low, high = sorted((one, other))
    assert order_statistic(scores, low) <= order_statistic(scores, high)


def test_decisions_that_tie_with_the_threshold_are_local():
    assert order_statistic([1.0, 2.0, 2.0, 3.0], 0.5) == 2.0
    assert decide([1.0, 2.0, 2.0, 3.0], 2.0).tolist() == [True, True, True, False]


def test_the_ends_of_the_range():
    scores = [0.3, 0.1, 0.2]
    assert order_statistic(scores, 0.0) == -inf
    assert not decide([*scores, -inf], -inf).any()
    assert order_statistic(scores, 1.0) == 0.3
    assert decide(scores, inf).all()


def test_rounding_costs_no_sample():
    assert 0.55 * 100 > 55  # in binary, whose ceiling is one sample too many
    for count in (6, 7, 49, 100, 288, 720):
        for k in range(1, count + 1):
            assert order_statistic(np.arange(1, count + 1), k / count) == k


@pytest.mark.parametrize("scores", [[], [0.1, nan], [[0.1], [0.2]]])
def test_scores_that_are_none_are_refused(scores):
    with pytest.raises(ModelError, match="threshold needs"):
        order_statistic(scores, 0.5)


@pytest.mark.parametrize("l0", [-0.1, 1.1, nan])
def test_a_share_outside_its_range_is_refused(l0):
    with pytest.raises(ParamsError, match="L0"):
        order_statistic([0.1], l0)


def test_infinite_thresholds_come_back_from_json():
    assert threshold_to_json(0.25) == 0.25
    assert float(threshold_to_json(-inf)) == -inf


def test_an_edge_node_gets_thresholds_without_torch():
    code = "import sys, ddnn.offload; sys.exit('torch' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def some_days(seed: int, days: int, slots: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Give scores of days that differ in their level, and which day each is of."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(days, slots)) + rng.normal(size=(days, 1))
    return scores.ravel(), np.repeat(np.arange(days), slots)


def test_days_that_are_all_alike_need_no_margin():
    scores = np.tile(np.arange(10.0), 6)
    days = np.repeat(np.arange(6), 10)
    for l0 in (0.0, 0.31, 0.5, 1.0):
        assert assured_statistic(scores, l0, days, 5, 0.95) == order_statistic(scores, l0)


@pytest.mark.parametrize("l0", [0.3, 0.5, 0.7])
def test_it_is_enough_in_as_many_draws_of_days_as_is_asked(l0):
    scores, days = some_days(0, 3)
    blocks = [scores[days == day] for day in range(3)]
    # 3 days, 6 to come: draws of two. All nine, each as likely.
    pairs = [np.concatenate([a, b]) for a in blocks for b in blocks]
    for probability in (0.2, 0.5, 0.85):
        found = assured_statistic(scores, l0, days, 6, probability, draws=20_000)
        assert found in scores
        held = np.mean([decide(pair, found).mean() >= l0 for pair in pairs])
        lower = scores[scores < found].max()
        not_yet = np.mean([decide(pair, lower).mean() >= l0 for pair in pairs])
        assert not_yet - 0.02 <= probability <= held + 0.02


@pytest.mark.parametrize("ahead", [1, 5])
def test_the_share_holds_on_new_days_as_often_as_is_said(ahead):
    held = {0.5: 0, 0.8: 0}
    for seed in range(150):
        scores, days = some_days(seed, 12)
        known = days < 6
        to_come = scores[(days >= 6) & (days < 6 + ahead)]
        for probability in held:
            found = assured_statistic(scores[known], 0.5, days[known], ahead, probability, 200)
            held[probability] += decide(to_come, found).mean() >= 0.5
    assert 0.4 < held[0.5] / 150 < 0.65
    assert 0.7 < held[0.8] / 150 < 0.9


@given(st.integers(0, 50), shares, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_more_certainty_never_has_a_lower_threshold(seed, l0, one, other):
    scores, days = some_days(seed, 4, slots=10)
    low, high = (
        assured_statistic(scores, l0, days, 5, probability, draws=50)
        for probability in sorted((one, other))
    )
    assert low <= high


def test_a_margin_that_makes_no_sense_is_refused():
    scores, days = some_days(0, 3)
    for ahead, probability in ((0, 0.9), (1, 0.0), (1, 1.0)):
        with pytest.raises(ParamsError, match="probability"):
            assured_statistic(scores, 0.5, days, ahead, probability)
    with pytest.raises(ModelError, match="one for each"):
        assured_statistic(scores, 0.5, days[1:], 5, 0.9)
    with pytest.raises(ModelError, match="NaN"):
        assured_statistic([nan, 1.0], 0.5, [0, 1], 5, 0.9)
    with pytest.raises(ParamsError, match="L0"):
        assured_statistic(scores, 1.5, days, 5, 0.9)
