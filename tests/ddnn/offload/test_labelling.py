from itertools import product
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.offload import algorithm_1, hard_labels

shares = st.integers(0, 20).map(lambda i: i / 20)


@st.composite
def costs(draw, unique):
    # Integers: sums are exact, so that the brute force can ask for equality.
    benefit = draw(st.lists(st.integers(-9, 9), min_size=1, max_size=8, unique=unique))
    remote = draw(st.lists(st.integers(0, 9), min_size=len(benefit), max_size=len(benefit)))
    return np.array(remote) + np.array(benefit), np.array(remote)


def cost_of(local_cost, remote_cost, local):
    return int(np.where(local, local_cost, remote_cost).sum())


def optimum(local_cost, remote_cost, least_local):
    """Problem (11) by trying every allocation of the samples to the exits."""
    return min(
        cost_of(local_cost, remote_cost, np.array(local, dtype=bool))
        for local in product((False, True), repeat=len(local_cost))
        if sum(local) >= least_local
    )


@given(costs(unique=True), shares)
def test_the_corrected_critical_benefit_solves_problem_11(pair, l0):
    easy = ~hard_labels(pair[0] - pair[1], algorithm_1(*pair, l0, "corrected"))
    assert easy.mean() >= l0
    assert cost_of(*pair, easy) == optimum(*pair, l0 * len(easy) - 1e-9)


@given(costs(unique=False), shares)
def test_with_ties_it_solves_it_for_the_share_that_it_reaches(pair, l0):
    easy = ~hard_labels(pair[0] - pair[1], algorithm_1(*pair, l0, "corrected"))
    assert easy.mean() >= l0
    assert cost_of(*pair, easy) == optimum(*pair, easy.sum())


@given(costs(unique=False), shares)
def test_the_literal_one_costs_at_least_as_much_and_keeps_fewer_local(pair, l0):
    benefit = pair[0] - pair[1]
    literal = ~hard_labels(benefit, algorithm_1(*pair, l0, "literal"))
    corrected = ~hard_labels(benefit, algorithm_1(*pair, l0, "corrected"))
    assert literal.mean() >= l0
    assert not (literal & ~corrected).any()
    assert cost_of(*pair, literal) >= cost_of(*pair, corrected)


def test_a_negative_critical_benefit_leaves_what_the_edge_does_better_in_the_cloud():
    local_cost, remote_cost = np.array([1.0, 2.0, 5.0]), np.array([4.0, 4.0, 4.0])
    assert algorithm_1(local_cost, remote_cost, 0.3, "literal") == -3.0
    assert algorithm_1(local_cost, remote_cost, 0.3, "corrected") == 0.0
    hard = hard_labels(local_cost - remote_cost, -3.0)
    assert cost_of(local_cost, remote_cost, ~hard) == 9
    assert optimum(local_cost, remote_cost, 1) == 7


@pytest.mark.parametrize(("critical", "wanted"), [("literal", -inf), ("corrected", 0.0)])
def test_nothing_needs_to_be_local_at_l0_zero(critical, wanted):
    assert algorithm_1([3.0, 1.0], [2.0, 2.0], 0.0, critical) == wanted


def test_everything_is_easy_at_l0_one():
    value = algorithm_1([3.0, 1.0], [2.0, 2.0], 1.0, "literal")
    assert not hard_labels([1.0, -1.0], value).any()


def test_a_benefit_equal_to_the_critical_one_is_easy():
    assert hard_labels([0.5, 0.6], 0.5).tolist() == [False, True]
