from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddnn.cost import sla_cost
from ddnn.decision import DecisionRule, Predicted, allocate_within
from tests.ddnn.decision.dummies import (
    COSTS,
    FUNCTIONS,
    make_predicted,
    make_shape,
    mesh,
    quantiles,
    skewed_shape,
    summed,
)

shares = st.floats(1e-3, 1.2)
"""Caps, in shares of what the rule would allocate without one."""


def total(y):
    return np.maximum(y, 0).sum(axis=-1)


def best_within(cost, shape, predicted, cap):
    """Least expected cost over all combinations of a mesh, for 3 VNFs, y >= 0 and sum(y) <= cap."""
    y = np.concatenate([np.zeros((1, 3)), mesh(shape, predicted, between=3)])
    costs = summed(cost, shape, predicted, y)
    allowed = [np.flatnonzero(y[:, vnf] >= 0) for vnf in range(3)]
    grid = [y[rows, vnf] for vnf, rows in enumerate(allowed)]
    paid = [costs[rows, vnf] for vnf, rows in enumerate(allowed)]
    sums = np.add.outer(np.add.outer(grid[0], grid[1]), grid[2])
    return np.add.outer(np.add.outer(paid[0], paid[1]), paid[2])[sums <= cap].min()


@pytest.mark.parametrize("name", COSTS)
@settings(deadline=None, max_examples=12)
@given(values=quantiles, share=shares, seed=st.integers(0, 99))
def test_nothing_within_the_cap_is_cheaper_by_more_than_the_bound(name, values, share, seed):
    cost, shape, predicted = (
        COSTS[name],
        make_shape(values, seed=seed),
        make_predicted(3, seed=seed),
    )
    rule = DecisionRule(shape, cost)
    cap = share * total(rule.allocate(predicted)) + 1e-4
    found = allocate_within(rule, predicted, cap)
    expected = summed(cost, shape, predicted, found.y).sum()
    assert found.expected_cost == pytest.approx(expected, rel=1e-9, abs=1e-12)
    best = best_within(cost, shape, predicted, cap)
    slack = 0 if found.price > 0 else 1e-4  # of the margin, where the cap is no matter
    assert found.expected_cost - best <= found.gap_bound + slack + 1e-9 * best
    assert found.gap_bound >= 0


@pytest.mark.parametrize("name", [*COSTS, *FUNCTIONS])
@settings(deadline=None, max_examples=12)
@given(values=quantiles, share=shares, seed=st.integers(0, 99))
def test_the_cap_is_never_exceeded(name, values, share, seed):
    rule = DecisionRule(make_shape(values, seed=seed), (COSTS | FUNCTIONS)[name])
    predicted = make_predicted(3, seed=seed)
    cap = share * total(rule.allocate(predicted)) + 1e-4
    y = allocate_within(rule, predicted, cap).y
    assert (y >= 0).all()
    assert y.sum() <= cap
    narrow = y.astype(np.float32)
    np.testing.assert_array_equal(narrow, y)
    assert narrow.sum() <= cap


@pytest.mark.parametrize("name", COSTS)
def test_the_price_rises_and_the_cost_too_when_the_cap_falls(name):
    rule, predicted = DecisionRule(skewed_shape(), COSTS[name]), make_predicted(3)
    free = total(rule.allocate(predicted))
    found = [allocate_within(rule, predicted, free * share) for share in np.linspace(1.1, 0.05, 20)]
    price = np.array([each.price for each in found])
    least = np.array([each.expected_cost - each.gap_bound for each in found])
    assert (np.diff(price) >= -1e-3 * price[1:]).all()
    assert (np.diff(least[price > 0]) >= -1e-6 * least[price > 0][1:]).all()
    assert price[0] == 0 < price[-1]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("c_u", [0.5, 1.0, 20.0])
def test_the_gap_is_small_with_many_vnfs(share, c_u):
    rule, predicted = DecisionRule(skewed_shape(49), sla_cost(c_u)), make_predicted(49)
    cap = share * total(rule.allocate(predicted))
    found = allocate_within(rule, predicted, cap)
    assert found.gap_bound <= 0.025 * found.expected_cost
    assert cap * 0.99 <= found.y.sum() <= cap


def test_enough_capacity_has_no_price():
    rule, predicted = DecisionRule(skewed_shape(), sla_cost(1.0)), make_predicted(4, 3)
    y = rule.allocate(predicted)
    found = allocate_within(rule, predicted, 2 * total(y).max())
    assert (found.price == 0).all()
    assert (found.gap_bound == 0).all()
    where = y > 0
    np.testing.assert_allclose(found.y[where], y[where], rtol=1e-6)
    assert found.y.dtype == np.float64


def test_each_slot_has_its_own_cap_and_answer():
    rule, predicted = DecisionRule(skewed_shape(), sla_cost(2.0)), make_predicted(4, 3)
    caps = np.array([0.1, 0.5, 1.0, 9.0])
    found = allocate_within(rule, predicted, caps)
    for slot, cap in enumerate(caps):
        one = Predicted(predicted.location[slot], predicted.spread[slot])
        alone = allocate_within(rule, one, cap)
        assert alone.price.shape == ()
        for name in ("y", "price", "expected_cost", "gap_bound"):
            np.testing.assert_array_equal(getattr(found, name)[slot], getattr(alone, name))


def test_the_dearest_violations_are_avoided_first():
    rule = DecisionRule(skewed_shape(), sla_cost([0.5, 1.0, 50.0]))
    predicted = Predicted(np.full(3, 0.5), np.full(3, 0.05))
    found = allocate_within(rule, predicted, 0.8)
    missed = rule.expected_cost(found.y, predicted) / [0.5, 1.0, 50.0]
    assert missed[2] < 0.05
    assert missed[0] > 0.9


def test_units_weigh_the_capacity():
    rule, predicted = DecisionRule(skewed_shape(), sla_cost(1.0)), make_predicted(3)
    whole = allocate_within(rule, predicted, 1.0)
    kilo = allocate_within(rule, predicted, 1000.0, units=1000.0)
    np.testing.assert_allclose(kilo.y, whole.y, rtol=1e-5)
    assert kilo.price == pytest.approx(whole.price / 1000)
    units = np.array([1.0, 10.0, 0.1])
    found = allocate_within(rule, predicted, 2.0, units=units)
    assert found.price > 0
    assert 1.5 < units @ found.y <= 2.0


@pytest.mark.parametrize("cap", [0.0, -1.0, np.nan, np.inf, [1.0, 0.0]])
def test_a_cap_that_is_none_is_refused(cap):
    rule = DecisionRule(make_shape([0.0, 1.0]), sla_cost(1.0))
    with pytest.raises(ValueError, match="finite and above 0"):
        allocate_within(rule, make_predicted(2, 3), cap)


@pytest.mark.parametrize("units", [0.0, [1.0, 1.0, np.inf]])
def test_units_that_are_none_are_refused(units):
    rule = DecisionRule(make_shape([0.0, 1.0]), sla_cost(1.0))
    with pytest.raises(ValueError, match="finite capacity"):
        allocate_within(rule, make_predicted(3), 1.0, units=units)


@pytest.mark.parametrize(("vnfs", "seconds"), [(49, 0.02), (10_000, 2.0)])
def test_a_cap_takes_little_time(vnfs, seconds):
    # On a machine at rest 2 ms and 0.2 s.
    rule, predicted = DecisionRule(skewed_shape(vnfs), sla_cost(1.0)), make_predicted(vnfs)
    cap = 0.8 * total(rule.allocate(predicted))
    times = []
    for _ in range(3):
        start = perf_counter()
        found = allocate_within(rule, predicted, cap)
        times.append(perf_counter() - start)
    assert min(times) < seconds
    assert found.gap_bound < (0.025 if vnfs == 49 else 5e-5) * found.expected_cost
