from dataclasses import replace

import numpy as np
import pytest
import torch

from ddnn.errors import ModelError
from ddnn.nets import load_exits, save_exits
from ddnn.offload.samples import EdgeSamples
from ddnn.offload.uncertainty import UncertaintyRule


def rule(exits, passes=10, ddof=1, seed=3):
    return UncertaintyRule(exits, passes, ddof, seed)


def chosen(samples, index):
    return EdgeSamples(samples.slots[index], samples.demand[index], samples.local[index], None)


def test_a_score_is_the_largest_variance_over_vnfs(exits, samples):
    part = chosen(samples, np.arange(1))
    uncertainty = rule(exits, passes=4)
    with torch.no_grad():
        y = exits.edge_masked(
            torch.from_numpy(np.repeat(part.demand, 4, axis=0)), uncertainty.masks(part.slots)
        )
    assert len(np.unique(y.numpy()[:, 0])) == 4
    wanted = y.double().numpy().var(axis=0, ddof=1).max()
    assert uncertainty.score(part)[0] == pytest.approx(wanted)


def test_every_variance_is_positive_also_after_a_round_trip(exits, samples, tmp_path):
    scores = rule(exits).score(samples)
    assert (scores > 0).all()
    save_exits(exits, tmp_path)
    np.testing.assert_array_equal(rule(load_exits(tmp_path)).score(samples), scores)


def test_a_score_depends_neither_on_the_order_nor_on_the_batch(exits, samples):
    scores = rule(exits).score(samples)
    order = np.random.default_rng(0).permutation(len(samples))
    np.testing.assert_allclose(rule(exits).score(chosen(samples, order)), scores[order], rtol=1e-4)
    alone = [rule(exits).score(chosen(samples, np.array([k])))[0] for k in (0, 60, 119)]
    np.testing.assert_allclose(alone, scores[[0, 60, 119]], rtol=1e-4)


def test_the_two_passes_are_the_first_two_of_the_ten(exits, samples):
    slots = samples.slots[:3]
    two, ten = rule(exits, passes=2).masks(slots), rule(exits, passes=10).masks(slots)
    for few, many in zip(two, ten, strict=True):
        shape = many.shape[1:]
        torch.testing.assert_close(
            few.reshape(3, 2, *shape), many.reshape(3, 10, *shape)[:, :2], rtol=0, atol=0
        )


def test_masks_fit_the_network_and_keep_the_right_share(exits, samples):
    masks = rule(exits).masks(samples.slots)
    assert [tuple(mask.shape[1:]) for mask in masks] == exits.mask_shapes
    for mask in masks:
        assert set(mask.unique().tolist()) == {0.0, 1.0}
        assert float(mask.mean()) == pytest.approx(1 - exits.dropout, abs=0.02)
    assert not torch.equal(masks[0][0], masks[0][1])


def test_the_seed_and_the_slot_change_the_masks(exits, samples):
    scores = rule(exits).score(samples)
    assert (rule(exits, seed=4).score(samples) != scores).all()
    later = replace(samples, slots=samples.slots + 1)
    assert (rule(exits).score(later) != scores).all()


def test_the_divisor_of_the_variance_is_as_asked(exits, samples):
    ratio = rule(exits, passes=2, ddof=1).score(samples) / rule(exits, passes=2, ddof=0).score(
        samples
    )
    np.testing.assert_allclose(ratio, 2.0)


def test_nothing_of_torch_changes(exits, samples):
    before = torch.random.get_rng_state()
    rule(exits).score(samples)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not exits.training


def test_a_network_that_cannot_waver_is_refused(exits, exits_with):
    with pytest.raises(ModelError, match=r"train\.dropout above 0"):
        rule(exits_with(dropout=0.0))
    with pytest.raises(ModelError, match="local exit"):
        rule(exits_with(preset="deepcog_original"))
    with pytest.raises(ModelError, match="two passes"):
        rule(exits, passes=1)
