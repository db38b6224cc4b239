"""Laws of every alternative."""

import json

import numpy as np
import pytest

from ddnn.alternatives.roster import NAMES, SEEDED, Roster, from_json, to_json
from ddnn.cost import sla_cost
from ddnn.errors import ArtefactError

COST = sla_cost(3.0)
TEST = range(27 * 24, 30 * 24)


@pytest.fixture(scope="module")
def fitted(roster):
    return {name: roster.fit(name, COST) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_target_is_allocated_for_from_the_slots_before_it(fitted, values, name):
    among_many = fitted[name].allocate(values, TEST)
    assert among_many.shape == (len(TEST), 3)
    for row in (0, 1, 30, 71):
        target = TEST.start + row
        alone = fitted[name].allocate(values[:target], range(target, target + 1))
        np.testing.assert_allclose(alone[0], among_many[row], rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_dearer_violation_asks_for_more(roster, fitted, values, name):
    dear = roster.fit(name, sla_cost(30.0)).allocate(values, TEST)
    assert (dear >= fitted[name].allocate(values, TEST) - 1e-9).all()


@pytest.mark.parametrize("name", NAMES)
def test_json_round_trip(fitted, values, name):
    stored = json.loads(json.dumps(to_json(fitted[name]), allow_nan=False))
    found = from_json(stored).allocate(values, TEST)
    np.testing.assert_array_equal(found, fitted[name].allocate(values, TEST))


@pytest.mark.parametrize("name", NAMES)
def test_other_vnfs_are_refused(fitted, values, name):
    with pytest.raises(ValueError, match="VNFs"):
        fitted[name].allocate(values[:, :2], TEST)


def test_what_learns_a_rhythm_is_cheaper_than_the_last_value(fitted, values):
    costs = {
        name: COST(found.allocate(values, TEST), values[TEST.start : TEST.stop]).mean()
        for name, found in fitted.items()
    }
    for name in ("same_slot_day", "ridge_constant", "ridge_decision", "boosting_best"):
        assert costs[name] < costs["last_value_headroom"]


def test_a_predictor_is_fitted_once_for_all_costs(roster):
    rules = [roster.fit("ridge_decision", sla_cost(c_u)) for c_u in (1.0, 2.0)]
    assert rules[0].predictor is rules[1].predictor


def test_the_seed_changes_those_that_are_named(past, fitted, values):
    other = Roster(past, seed=1)
    for name in NAMES:
        y = other.fit(name, COST).allocate(values, TEST)
        same = np.array_equal(y, fitted[name].allocate(values, TEST))
        assert same == (name not in SEEDED)


def test_a_name_that_there_is_not_is_refused(past):
    with pytest.raises(ValueError, match="no alternative 'oracle'; there are last_value_headroom"):
        Roster(past).fit("oracle", COST)


@pytest.mark.parametrize("values", [{}, {"kind": "oracle"}, {"kind": ["decided"]}])
def test_json_of_another_kind_is_refused(values):
    with pytest.raises(ArtefactError, match="no kind of alternative"):
        from_json(values)
