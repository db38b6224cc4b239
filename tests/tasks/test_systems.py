from dataclasses import replace

import numpy as np
import pytest
import torch

from ddnn.arithmetic import Arithmetic
from ddnn.cost.hard import sla_cost
from ddnn.demand import Scaling
from tasks.prepared import prepare
from tasks.registry import BY_NAME
from tasks.stage import Stage
from tasks.systems import Systems


class _Headroom:
    def allocate(self, D):
        return np.full((len(D), D.shape[2]), -9.0)


def _below(z):
    return torch.full((len(z), 5), -9.0)


@pytest.fixture
def systems(pipeline):
    inputs = {name: pipeline.root / name for name in BY_NAME["evaluate"].inputs}
    stage = Stage(
        pipeline.params,
        inputs,
        pipeline.root,
        pipeline.root,
        Arithmetic(1, "float32", "contiguous", "any"),
    )
    return Systems(stage, prepare(stage))


def test_what_is_judged_is_never_below_zero_in_units(systems):
    # The smallest demand of the training days is 1 unit and y falls below 0 units, demand to 0.
    prepared = systems.prepared
    scaling = Scaling(np.full(5, 1.0), np.full(5, 3.0))
    values = prepared.values_scaled.copy()
    test = prepared.split.test
    values[test.start : test.stop] = scaling.scale(np.zeros(5))
    systems.prepared = replace(prepared, scaling=scaling, values_scaled=values, cost=sla_cost(1.0))
    systems.headroom = _Headroom()
    with pytest.MonkeyPatch.context() as patch:
        for exits in (systems.exits, systems.deepcog):
            patch.setattr(exits, "local", _below)
            patch.setattr(exits, "remote", _below)
        days = systems.on(test)
    assert (days.samples.local == -9).all()  # what rules read
    for name, y in days.allocations.items():
        assert scaling.unscale(y) == pytest.approx(0, abs=1e-6), name
        assert days.outcomes[name].violations.max() == 0, name
        assert days.outcomes[name].cost == pytest.approx(0), name
    assert (days.samples.local_cost == days.outcomes["local"].cost).all()
    assert (days.samples.remote_cost == days.outcomes["remote"].cost).all()
