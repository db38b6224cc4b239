import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddnn.cost import AllocationCost, PenaltyForm, sla_cost, squared_error
from ddnn.decision import DecisionRule, Predicted
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

ROOT = Path(__file__).parents[3]


def excess(cost, shape, predicted, between):
    """How much more than the best of a mesh each allocation costs, in shares of the best's cost."""
    y = DecisionRule(shape, cost).allocate(predicted)
    best = summed(cost, shape, predicted, mesh(shape, predicted, between)).min(axis=0)
    found = summed(cost, shape, predicted, y)
    # The margin of 1e-6 full scales costs as much times c_o, or the slope of the dearest here.
    return (found - best - 3e-5) / np.maximum(best, 1e-9)


@pytest.mark.parametrize("name", COSTS)
@settings(deadline=None, max_examples=15)
@given(values=quantiles, seed=st.integers(0, 99))
def test_nothing_costs_less(name, values, seed):
    shape = make_shape(values, seed=seed)
    assert excess(COSTS[name], shape, make_predicted(4, 3, seed=seed), between=25).max() < 1e-4


@pytest.mark.parametrize("name", COSTS | FUNCTIONS)
def test_nothing_costs_less_where_quantiles_are_all_but_equal(name):
    shape = make_shape([0.0, 0.0, 5e-37, 1.0, 1.0 + 1e-15, 3.0, 3.0])
    assert excess((COSTS | FUNCTIONS)[name], shape, make_predicted(3), between=25).max() < 1e-4


@pytest.mark.parametrize("name", COSTS)
def test_nothing_costs_less_on_a_long_shape(name):
    assert excess(COSTS[name], skewed_shape(), make_predicted(3, 3), between=2).max() < 1e-4


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(deadline=None, max_examples=5)
@given(values=quantiles, seed=st.integers(0, 99))
def test_nothing_costs_less_for_any_function(name, values, seed):
    shape = make_shape(values, seed=seed)
    assert excess(FUNCTIONS[name], shape, make_predicted(3, seed=seed), between=25).max() < 1e-4


@settings(deadline=None, max_examples=50)
@given(values=quantiles, c_u=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_eq3_never_lands_in_a_costly_middle(values, c_u, seed):
    # Two lumps far apart: where the minimiser jumps from one to the other, nothing lies between.
    shape = make_shape([*values, *(v + 100 for v in values)], seed=seed)
    spread = np.geomspace(1e-3, 3, 300)
    predicted = Predicted(np.zeros((100, 3)), spread.reshape(100, 3))
    z = DecisionRule(shape, sla_cost(c_u)).allocate(predicted) / predicted.spread
    assert np.abs(z[..., None] - shape.values).min(axis=-1).max() < 1e-2
    assert excess(sla_cost(c_u), shape, predicted, between=0).max() < 1e-9


@pytest.mark.parametrize("name", [*COSTS, *FUNCTIONS])
def test_expected_cost_is_the_sum_over_quantiles(name):
    cost = (COSTS | FUNCTIONS)[name]
    shape, predicted = skewed_shape(points=50), make_predicted(4, 3)
    y = np.random.default_rng(0).uniform(-0.5, 2, (4, 3))
    found = DecisionRule(shape, cost).expected_cost(y, predicted)
    np.testing.assert_allclose(found, summed(cost, shape, predicted, y), rtol=1e-9, atol=1e-12)


def test_eq1_takes_the_mean_and_linear_costs_a_quantile():
    shape, predicted = skewed_shape(), make_predicted(5, 3)
    mean = DecisionRule(shape, squared_error()).allocate(predicted)
    expected = predicted.location + predicted.spread * (shape.values @ shape.mass)
    np.testing.assert_allclose(mean, expected, atol=2e-6)

    cost = AllocationCost(PenaltyForm("linear", 9.0), PenaltyForm("linear", 1.0))
    y = DecisionRule(shape, cost).allocate(predicted)
    z = (y - 1e-6 - predicted.location) / predicted.spread
    level = shape.values[np.cumsum(shape.mass).searchsorted(0.9)]
    np.testing.assert_allclose(z, np.full((5, 3), level), atol=1e-9)


def test_an_allocation_reaches_its_quantile_in_float32_too():
    # Demand is exactly location + 2 spreads, half of the time; a miss would cost 50.
    shape = make_shape([0.0, 2.0])
    predicted = Predicted(np.array([0.1, 0.7, 1.3]) / 3, np.array([0.1, 1 / 30, 1 / 7]))
    y = DecisionRule(shape, sla_cost(50.0)).allocate(predicted)
    demand = predicted.location + 2 * predicted.spread
    assert (y.astype(np.float32) >= demand.astype(np.float32)).all()
    assert DecisionRule(shape, sla_cost(50.0)).expected_cost(y, predicted).max() < 0.5


def test_a_dearer_violation_never_takes_capacity_away():
    shape, predicted = skewed_shape(), make_predicted(50, 3)
    y = [DecisionRule(shape, sla_cost(c_u)).allocate(predicted) for c_u in np.geomspace(0.1, 99, 9)]
    assert (np.diff(y, axis=0) >= 0).all()


def test_a_spike_of_the_spread_is_bounded():
    shape = skewed_shape()
    spread = np.array([1e-3, 1.0, 1e9])  # the caps are 1
    y = DecisionRule(shape, sla_cost(1e12)).allocate(Predicted(np.zeros(3), spread))
    np.testing.assert_allclose(y, np.minimum(spread, 1) * shape.values[-1], atol=2e-6)


def test_one_weight_per_vnf_equals_one_rule_per_vnf():
    shape, predicted = skewed_shape(), make_predicted(20, 3)
    y = DecisionRule(shape, sla_cost([0.5, 5.0, 50.0], [1.0, 2.0, 3.0])).allocate(predicted)
    for vnf, (c_u, c_o) in enumerate([(0.5, 1.0), (5.0, 2.0), (50.0, 3.0)]):
        alone = DecisionRule(shape, sla_cost(c_u, c_o)).allocate(predicted)
        np.testing.assert_array_equal(y[:, vnf], alone[:, vnf])


def test_what_costs_nothing_is_not_spared():
    shape, predicted = skewed_shape(), make_predicted(3)
    top = predicted.location + predicted.spread * shape.values[-1]
    bottom = predicted.location + predicted.spread * shape.values[0]
    free_over = DecisionRule(shape, sla_cost(1.0, 0.0)).allocate(predicted)
    np.testing.assert_allclose(free_over, top, atol=2e-6)
    free_under = DecisionRule(shape, sla_cost(0.0, 1.0)).allocate(predicted)
    np.testing.assert_allclose(free_under, bottom, atol=2e-6)
    assert np.isfinite(DecisionRule(shape, sla_cost(0.0, 0.0)).allocate(predicted)).all()


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        (sla_cost([1.0, 2.0]), "2 weights for 3 VNFs"),
        (sla_cost(-1.0), "0 or more"),
        (sla_cost(np.inf), "0 or more"),
        (AllocationCost(PenaltyForm("power", 1.0, -1.0), PenaltyForm("linear")), "0 or more"),
    ],
)
def test_costs_that_make_no_sense_are_refused(cost, message):
    with pytest.raises(ValueError, match=message):
        DecisionRule(make_shape([0.0, 1.0]), cost)


def test_another_number_of_vnfs_is_refused():
    rule = DecisionRule(make_shape([0.0, 1.0]), sla_cost(1.0))
    for decide in (rule.allocate, lambda predicted: rule.expected_cost(0.0, predicted)):
        with pytest.raises(ValueError, match="4 VNFs"):
            decide(make_predicted(4))


def test_a_decision_of_49_vnfs_takes_no_time():
    rule, predicted = DecisionRule(skewed_shape(49), sla_cost(1.0)), make_predicted(49)
    assert _fastest(lambda: rule.allocate(predicted)) < 5e-4  # 0.02 ms on a machine at rest


def _fastest(call):
    times = []
    for _ in range(50):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def test_an_edge_node_decides_with_numpy_alone():
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import ddnn.decision\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - sys.stdlib_module_names))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "['ddnn', 'numpy']"
