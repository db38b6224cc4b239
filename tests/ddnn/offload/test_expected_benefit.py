"""The expected benefit against its definition, summed over quantiles one by one."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ddnn.cost import AllocationCost, PenaltyForm, sla_cost, squared_error
from ddnn.decision import DecisionRule, Predicted
from ddnn.errors import ArtefactError
from ddnn.offload.expected_benefit import ExpectedBenefit
from ddnn.offload.known import Known
from tests.ddnn.offload.knowing import SHAPE, make_known, remote_distribution

COSTS = {
    "eq3": sla_cost(2.0),
    "eq3_per_vnf": sla_cost([0.5, 1.0, 20.0], [1.0, 3.0, 0.2]),
    "eq1": squared_error(),
    "newsvendor": AllocationCost(PenaltyForm("linear", 5.0), PenaltyForm("linear", 1.0)),
    "function": AllocationCost(lambda x: np.minimum(8 * x, 1.0), PenaltyForm("linear", 1.0)),
}


def summed(cost: AllocationCost, told: Predicted, local: np.ndarray, remote: np.ndarray):
    """Expected benefit (K,), by its definition."""
    total = np.zeros(told.location.shape[:-1])
    for z, mass in zip(SHAPE.values, SHAPE.mass, strict=True):
        demand = told.location + told.spread * z
        total += mass * (cost(local, demand) - cost(remote, demand))
    return total


def of_allocations(cost: AllocationCost) -> tuple[Known, ExpectedBenefit]:
    known = make_known()
    remote = known.local + 0.1 * np.random.default_rng(5).normal(size=known.local.shape)
    return known, ExpectedBenefit.fit(known, remote, SHAPE, cost)


def of_distributions(cost: AllocationCost) -> tuple[Known, ExpectedBenefit]:
    known = make_known()
    return known, ExpectedBenefit.fit(known, remote_distribution(known), SHAPE, cost)


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
def test_it_is_the_expectation_under_what_the_edge_predicts(cost: AllocationCost) -> None:
    known, gate = of_allocations(cost)
    remote = gate.student.allocations(known)
    expected = summed(cost, known.predicted, known.local, remote)
    np.testing.assert_allclose(gate.score(known), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
def test_it_is_the_expectation_under_what_the_remote_exit_may_say(cost: AllocationCost) -> None:
    known, gate = of_distributions(cost)
    told = gate.student.distribution(known)
    remote = DecisionRule(SHAPE, cost).allocate(told)
    expected = summed(cost, told, known.local, remote).mean(axis=0)
    np.testing.assert_allclose(gate.score(known), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
def test_a_cloud_that_decides_for_itself_is_never_expected_to_cost_more(cost) -> None:
    known, gate = of_distributions(cost)
    assert gate.score(known).min() > -1e-3


def test_the_same_fit_serves_every_cost() -> None:
    for make in (of_allocations, of_distributions):
        for cost in COSTS.values():
            known, gate = make(cost)
            other = make(sla_cost(1.0))[1].priced(cost)
            assert (gate.score(known) == other.score(known)).all()


def test_a_cloud_that_says_what_the_edge_says_is_worth_nothing() -> None:
    known = make_known()
    cost = sla_cost(2.0)
    local = DecisionRule(SHAPE, cost).allocate(known.predicted)
    known = replace(known, local=local)
    for remote in (known.predicted, local):
        gate = ExpectedBenefit.fit(known, remote, SHAPE, cost)
        np.testing.assert_allclose(gate.score(known), 0, atol=1e-6)


def test_it_ranks_by_the_true_benefit_where_the_prediction_is_true() -> None:
    known = make_known(decisions=4000)
    rng = np.random.default_rng(2)
    z = rng.choice(SHAPE.values, p=SHAPE.mass, size=known.local.shape)
    demand = known.predicted.location + known.predicted.spread * z
    remote = known.predicted.location + 1.0 * known.predicted.spread  # hardly ever violated
    cost = sla_cost(1.0)
    benefit = cost(known.local, demand) - cost(remote, demand)
    score = ExpectedBenefit.fit(known, remote, SHAPE, cost).score(known)
    half = np.argsort(score)
    easy, hard = benefit[half[:2000]].mean(), benefit[half[2000:]].mean()
    assert hard - easy > 0.2
    assert score.mean() == pytest.approx(benefit.mean(), abs=0.02)


def test_a_decision_alone_scores_as_among_others() -> None:
    for make in (of_allocations, of_distributions):
        known, gate = make(sla_cost(1.0))
        alone = np.concatenate([gate.score(known.part(slice(k, k + 1))) for k in range(9)])
        np.testing.assert_allclose(alone, gate.score(known)[:9], rtol=1e-9, atol=1e-12)


def test_it_survives_json() -> None:
    for make in (of_allocations, of_distributions):
        known, gate = make(sla_cost(1.0))
        values = json.loads(json.dumps(gate.to_json()))
        again = ExpectedBenefit.from_json(values, gate.cost)
        assert (again.score(known) == gate.score(known)).all()


@pytest.mark.parametrize("part", ["student", "shape"])
def test_what_is_no_gate_is_refused(part: str) -> None:
    _, gate = of_allocations(sla_cost(1.0))
    for damage in (None, {}, {"step": 3}):
        with pytest.raises(ArtefactError):
            ExpectedBenefit.from_json(gate.to_json() | {part: damage}, gate.cost)
    values = gate.to_json()
    del values[part]
    with pytest.raises(ArtefactError, match="expected benefit"):
        ExpectedBenefit.from_json(values, gate.cost)


def test_parts_of_different_vnfs_are_refused() -> None:
    _, gate = of_allocations(sla_cost(1.0))
    shape = gate.shape.to_json() | {"spread_cap": [1.0, 1.0]}
    with pytest.raises(ArtefactError, match="different VNFs"):
        ExpectedBenefit.from_json(gate.to_json() | {"shape": shape}, gate.cost)
