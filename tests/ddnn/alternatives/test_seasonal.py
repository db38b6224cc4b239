import json

import numpy as np
import pytest

from ddnn.alternatives import LastValueHeadroom
from ddnn.alternatives.seasonal import SlotHeadroom
from ddnn.cost import sla_cost
from ddnn.errors import ArtefactError

COST = sla_cost(2.0)


def test_the_last_value_is_that_of_the_stage(past):
    found = SlotHeadroom.fit(past, COST, 1)
    expected = LastValueHeadroom.fit(past.values, past.train, COST)
    np.testing.assert_array_equal(found.headroom, expected.headroom)
    targets = range(30, 40)
    windows = np.stack([past.values[target - 4 : target] for target in targets])
    np.testing.assert_array_equal(found.allocate(past.values, targets), expected.allocate(windows))


def test_no_headroom_over_a_day_ago_is_cheaper(past):
    found = SlotHeadroom.fit(past, COST, 24)
    slots = np.arange(24, past.train.stop)
    before, demand = past.values[slots - 24], past.values[slots]
    costs = [COST.per_vnf(before + h, demand).mean(axis=0) for h in np.linspace(-0.5, 0.5, 501)]
    cost = COST.per_vnf(before + found.headroom, demand).mean(axis=0)
    assert (cost <= np.min(costs, axis=0) + 1e-9).all()


def test_it_allocates_the_slot_a_day_ago(past):
    found = SlotHeadroom(24, np.array([0.1, 0.2, 0.3]))
    expected = past.values[26:28] + np.array([0.1, 0.2, 0.3])
    np.testing.assert_array_equal(found.allocate(past.values, range(50, 52)), expected)
    with pytest.raises(ValueError, match="no demand 24 slots before"):
        found.allocate(past.values, range(23, 25))


def test_training_days_that_are_too_few_are_refused(past):
    with pytest.raises(ValueError, match="more training days"):
        SlotHeadroom.fit(past, COST, past.train.stop)


def test_damaged_json_is_refused(past):
    stored = json.loads(json.dumps(SlotHeadroom.fit(past, COST, 24).to_json()))
    for change in ({"lag": 0}, {"lag": "day"}, {"headroom": []}):
        with pytest.raises(ArtefactError, match="not a headroom"):
            SlotHeadroom.from_json(stored | change)
