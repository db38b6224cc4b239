import json
from dataclasses import replace

import numpy as np
import pytest

from ddnn.alternatives.autoscaler import Autoscaler
from ddnn.cost import sla_cost
from ddnn.errors import ArtefactError

TRIED = np.linspace(0.3, 1.5, 2401)[:, None]


def cost_of(past, utilisation, cost):
    """Cost (M,) on the validation days."""
    last = past.values[past.validation.start - 1 : past.validation.stop - 1] - past.zero
    y = past.zero + last / utilisation
    return cost.per_vnf(y, past.demand(past.validation)).sum(axis=0)


@pytest.mark.parametrize("c_u", [0.5, 1.0, 10.0])
def test_no_other_target_is_cheaper(past, c_u):
    cost = sla_cost(c_u)
    own = Autoscaler.fit(past, cost)
    tried = np.array([cost_of(past, each, cost) for each in TRIED])
    # The margin over a demand that is just met costs a millionth of each slot's allocation.
    assert (cost_of(past, own.utilisation, cost) <= tried.min(axis=0) + 1e-3).all()
    same = Autoscaler.fit(past, cost, per_vnf=False)
    assert np.ptp(same.utilisation) == 0
    assert cost_of(past, same.utilisation, cost).sum() <= tried.sum(axis=1).min() + 3e-3


def test_the_last_demand_uses_the_target_share_of_the_capacity(past):
    scaler = Autoscaler(np.array([0.5, 0.8, 1.0]), past.zero)
    capacity = scaler.allocate(past.values, range(10, 20)) - past.zero  # in units of the demand
    np.testing.assert_allclose((past.values[9:19] - past.zero) / capacity, [[0.5, 0.8, 1.0]] * 10)


def test_demand_that_was_zero_needs_no_multiple(past):
    values = past.values.copy()
    values[::3] = past.zero
    found = Autoscaler.fit(replace(past, values=values), sla_cost(1.0))
    assert np.isfinite(found.utilisation).all()
    assert (found.utilisation > 0).all()


def test_damaged_json_is_refused(past):
    stored = json.loads(json.dumps(Autoscaler.fit(past, sla_cost(1.0)).to_json()))
    changes = ({"utilisation": [0.5]}, {"utilisation": [0.5, 0, 1]}, {"zero": "x"}, {"zero": []})
    for change in changes:
        with pytest.raises(ArtefactError, match="not an autoscaler"):
            Autoscaler.from_json(stored | change)
