import subprocess
import sys
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.errors import ModelError, ParamsError
from ddnn.offload import decide, order_statistic, threshold_to_json

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
