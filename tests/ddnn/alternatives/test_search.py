import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ddnn.alternatives.search import best_constant, best_headroom
from ddnn.cost import sla_cost, squared_error

pairs = arrays(np.float64, (2, 20, 2), elements=st.integers(0, 40).map(lambda n: n / 40))
weights = st.floats(0.125, 20, width=32)


@settings(deadline=None, max_examples=40)
@given(pairs, weights)
def test_no_headroom_is_cheaper_under_eq3(pair, c_u):
    reference, demand = pair
    cost = sla_cost(c_u)
    found = cost.per_vnf(reference + best_headroom(reference, demand, cost), demand).mean(axis=0)
    tried = np.concatenate([np.linspace(-1, 1, 41)[:, None] * [1, 1], demand - reference]) + 1e-12
    least = np.min([cost.per_vnf(reference + h, demand).mean(axis=0) for h in tried], axis=0)
    assert (found <= least + 1e-5).all()


@settings(deadline=None, max_examples=30)
@given(pairs, weights, st.sampled_from([sla_cost, lambda c_u: squared_error()]))
def test_no_multiple_is_cheaper(pair, c_u, make_cost):
    spread, demand = pair[0] + 0.1, pair[1]
    cost = make_cost(c_u)

    def cost_at(multiples):
        return cost.per_vnf(multiples * spread, demand).sum(axis=0)

    found = cost_at(best_constant(demand / spread, cost_at))
    tried = np.concatenate([np.linspace(0, 10, 201)[:, None] * [1, 1], demand / spread]) + 1e-12
    least = np.min([cost_at(each) for each in tried], axis=0)
    assert (found <= least + 1e-4).all()


def test_one_of_many_is_found():
    met = np.random.default_rng(0).standard_normal((50_000, 1))
    cost = sla_cost(10.0)

    def cost_at(constant):
        return np.atleast_1d(cost.per_vnf(constant, met).mean())

    found = cost_at(best_constant(met, cost_at))[0]
    exact = np.sort(met, axis=0)
    rise = np.cumsum(np.arange(1, 50_000)[:, None] * np.diff(exact, axis=0), axis=0) / 50_000
    costs = rise[:, 0] + 10 * (1 - np.arange(2, 50_001) / 50_000)
    assert found == pytest.approx(costs.min(), abs=1e-4)


def test_no_demand_is_refused():
    with pytest.raises(ValueError, match="needs demand"):
        best_constant(np.empty((0, 1)), np.abs)
