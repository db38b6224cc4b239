from dataclasses import fields

import numpy as np
import pytest
import torch

from ddnn.cost import sla_cost
from ddnn.errors import ModelError
from ddnn.offload.samples import EdgeSamples, gather, observe


def test_both_exits_are_run_without_dropout_and_priced(exits, samples):
    exits.train()
    again = gather(exits, samples.demand, samples.target, samples.slots, sla_cost(0.3))
    with torch.no_grad():
        local, remote = exits.eval()(torch.from_numpy(samples.demand))
    np.testing.assert_allclose(again.local, local.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(again.remote, remote.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(again.local_cost, sla_cost(0.3)(again.local, samples.target))
    np.testing.assert_array_equal(again.benefit, again.local_cost - again.remote_cost)


def test_the_latent_variable_is_kept_on_demand(exits, samples, samples_of):
    assert samples.latent is not None
    with torch.no_grad():
        local = exits.local(torch.from_numpy(samples.latent)).numpy()
    np.testing.assert_allclose(local, samples.local, rtol=1e-5, atol=1e-6)
    assert samples_of(exits, count=4, keep_latent=False).latent is None


def test_many_samples_are_run_in_parts(exits, samples_of):
    many = samples_of(exits, count=600)
    few = gather(exits, many.demand[550:], many.target[550:], many.slots[550:], sla_cost(0.3))
    assert len(many) == 600
    np.testing.assert_allclose(many.remote[550:], few.remote, rtol=1e-5, atol=1e-6)


def test_the_edge_sees_no_outcome(exits, samples):
    seen = observe(exits, samples.demand, samples.slots)
    np.testing.assert_array_equal(seen.local, samples.local)
    names = {field.name for field in fields(EdgeSamples)}
    assert names == {"slots", "demand", "local", "latent"}


def test_read_only_windows_are_taken(exits, samples):
    frozen = samples.demand.copy()
    frozen.flags.writeable = False
    assert len(observe(exits, frozen, samples.slots)) == len(samples)


def test_counts_that_differ_are_refused(exits, samples):
    with pytest.raises(ModelError, match="120 windows, 119 slots"):
        observe(exits, samples.demand, samples.slots[1:])
    with pytest.raises(ModelError, match="7 targets"):
        gather(exits, samples.demand, samples.target[:7], samples.slots, sla_cost(0.3))
    with pytest.raises(ModelError, match="0 windows"):
        observe(exits, samples.demand[:0], samples.slots[:0])
