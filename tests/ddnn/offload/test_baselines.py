from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ddnn.errors import ModelError
from ddnn.offload import decide, order_statistic
from ddnn.offload.baselines import CloudRule, EdgeRule, OracleRule, RandomRule
from ddnn.offload.draws import slot_generator
from ddnn.offload.samples import EdgeSamples, Samples

KS = st.integers(1, 30)


def known(local_cost, remote_cost):
    count = len(local_cost)
    empty = np.zeros((count, 1), dtype=np.float32)
    return Samples(
        slots=np.arange(count),
        demand=empty[:, None],
        local=empty,
        latent=None,
        target=empty,
        remote=empty,
        local_cost=np.asarray(local_cost, dtype=np.float64),
        remote_cost=np.asarray(remote_cost, dtype=np.float64),
    )


@st.composite
def outcomes(draw):
    count = draw(KS)
    costs = arrays(np.int64, count, elements=st.integers(0, 50))
    return known(draw(costs), draw(costs))


def mean_cost(samples, local):
    return np.where(local, samples.local_cost, samples.remote_cost).mean()


def oracle_curve(samples):
    """Cost at each share k / K; equal benefits are split as a curve at equal L does."""
    order = np.sort(samples.benefit, kind="stable")
    return (samples.remote_cost.sum() + np.concatenate([[0], np.cumsum(order)])) / len(order)


@given(outcomes())
def test_the_oracle_is_convex_between_cloud_and_edge(samples):
    curve = oracle_curve(samples)
    assert curve[0] == samples.remote_cost.mean()
    assert curve[-1] == pytest.approx(samples.local_cost.mean())
    assert (np.diff(curve, 2) >= -1e-9).all()
    cheapest = (samples.benefit < 0).sum()
    assert curve[cheapest] == pytest.approx(curve.min())


@given(outcomes())
def test_the_literal_oracle_lies_on_that_curve_at_the_share_it_reaches(samples):
    oracle = OracleRule("literal")
    curve = oracle_curve(samples)
    for k in range(len(samples) + 1):
        l0 = k / len(samples)
        local = decide(oracle.score(samples), oracle.threshold(samples, l0))
        assert local.sum() >= k
        assert mean_cost(samples, local) == pytest.approx(curve[local.sum()])
        if len(np.unique(samples.benefit)) == len(samples):
            assert local.sum() == k


@given(outcomes(), st.floats(0, 1), st.integers(0, 2**32))
def test_no_rule_beats_the_oracle_at_equal_share(samples, l0, seed):
    scores = RandomRule(seed).score(samples)
    local = decide(scores, order_statistic(scores, l0))
    assert mean_cost(samples, local) >= oracle_curve(samples)[local.sum()] - 1e-9


@given(outcomes(), st.floats(0, 1))
def test_the_corrected_oracle_is_never_dearer_than_the_literal_one(samples, l0):
    costs = {}
    for critical in ("literal", "corrected"):
        oracle = OracleRule(critical)
        local = decide(oracle.score(samples), oracle.threshold(samples, l0))
        assert local.mean() >= l0
        costs[critical] = mean_cost(samples, local)
    assert costs["corrected"] <= costs["literal"] + 1e-9
    assert costs["corrected"] <= samples.remote_cost.mean() + 1e-9 or l0 > 0


def test_the_oracle_does_not_decide_what_has_not_happened(samples):
    unknown = EdgeSamples(samples.slots, samples.demand, samples.local, samples.latent)
    with pytest.raises(ModelError, match="true costs"):
        OracleRule().score(unknown)


@pytest.mark.parametrize("l0", [0.0, 0.4, 1.0])
def test_cloud_and_edge_do_not_ask_for_the_share(samples, l0):
    cloud, edge = CloudRule(), EdgeRule()
    assert not decide(cloud.score(samples), cloud.threshold(l0)).any()
    assert decide(edge.score(samples), edge.threshold(l0)).all()


@pytest.mark.parametrize("l0", [0.0, 0.3, 0.7, 1.0])
def test_random_keeps_its_share_whatever_the_sample(l0):
    many = known(np.zeros(20_000), np.zeros(20_000))
    rule = RandomRule(seed=5)
    share = decide(rule.score(many), rule.threshold(l0)).mean()
    assert share == pytest.approx(l0, abs=4 * np.sqrt(l0 * (1 - l0) / 20_000))


def test_random_depends_on_seed_and_slot_alone(samples):
    rule = RandomRule(seed=5)
    scores = rule.score(samples)
    turned = replace(samples, slots=samples.slots[::-1])
    np.testing.assert_array_equal(rule.score(turned), scores[::-1])
    assert (RandomRule(seed=6).score(samples) != scores).all()


def test_the_parts_and_streams_of_a_slot_differ():
    keys = [(0, 1, 7, 0), (0, 1, 7, 1), (0, 2, 7, 0), (1, 1, 7, 0), (0, 1, 8, 0)]
    drawn = {slot_generator(*key).random() for key in keys}
    assert len(drawn) == len(keys)
    assert slot_generator(2**80, 1, 7).random() < 1  # any seed that params allow
