import numpy as np
import pytest

from ddnn.alternatives.decided import ConstantMultiple, Decided
from ddnn.cost import AllocationCost, PenaltyForm, sla_cost
from ddnn.errors import ArtefactError, ParamsError


@pytest.fixture(scope="module")
def learned(roster):
    """A predictor with what was predicted for days left out, and what they met."""
    predictor, predicted = roster.predictor("ridge")
    return predictor, predicted, roster.past.demand(roster.past.days)


@pytest.mark.parametrize("c_u", [0.5, 10.0])
def test_no_other_multiple_is_cheaper(learned, c_u):
    _, predicted, demand = learned
    cost = sla_cost(c_u)
    found = ConstantMultiple.fit(*learned, cost)
    tried = [cost(predicted.location + k * predicted.spread, demand).sum() for k in TRIED]
    own = cost(predicted.location + found.multiple * predicted.spread, demand).sum()
    assert own <= min(tried) + 1e-4


TRIED = np.linspace(-3, 12, 1501)


def test_it_allocates_location_and_the_multiple_of_the_spread(roster, learned):
    predictor = learned[0]
    predicted = predictor.predict(roster.past.values, roster.past.validation)
    found = ConstantMultiple(predictor, 1.5).allocate(roster.past.values, roster.past.validation)
    np.testing.assert_array_equal(found, predicted.location + 1.5 * predicted.spread)


def test_the_rule_allocates_what_costs_least(roster, learned):
    predicted = learned[0].predict(roster.past.values, roster.past.validation)
    found = Decided.fit(*learned, sla_cost(2.0))
    y = found.allocate(roster.past.values, roster.past.validation)
    np.testing.assert_array_equal(y, found.rule.allocate(predicted))
    own = found.rule.expected_cost(y, predicted)
    for shift in (-0.05, -0.01, 0.01, 0.05):
        assert (own <= found.rule.expected_cost(y + shift, predicted) + 1e-5).all()


def test_any_named_penalty_comes_back_from_json(learned):
    cost = AllocationCost(PenaltyForm("power", 3.0, 1.5), PenaltyForm("linear", (1.0, 2.0, 3.0)))
    stored = Decided.fit(*learned, cost).to_json()
    assert Decided.from_json(stored).cost == cost


def test_a_penalty_without_a_name_cannot_be_stored(learned):
    cost = AllocationCost(np.sqrt, PenaltyForm("linear"))
    with pytest.raises(ParamsError, match="without a name"):
        Decided.fit(*learned, cost).to_json()


@pytest.mark.parametrize("change", [{"multiple": "x"}, {"multiple": 1e999}, {"predictor": {}}])
def test_a_damaged_multiple_is_refused(learned, change):
    stored = ConstantMultiple.fit(*learned, sla_cost(1.0)).to_json()
    with pytest.raises(ArtefactError, match="not a multiple"):
        ConstantMultiple.from_json(stored | change)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": {}},
        {"under": {"form": "cubic", "weight": 1.0, "exponent": None}},
        {"over": {"form": "linear", "weight": [1.0, 2.0], "exponent": None}},
        {"predictor": {"kind": "oracle"}},
    ],
)
def test_a_damaged_decision_is_refused(learned, change):
    stored = Decided.fit(*learned, sla_cost(1.0)).to_json()
    with pytest.raises(ArtefactError, match="fit"):
        Decided.from_json(stored | change)
