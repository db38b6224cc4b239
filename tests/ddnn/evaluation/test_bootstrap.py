import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.evaluation import Resampler
from ddnn.params import BootstrapParams


def over(slots, per_day=24.0, block_days=1, seed=0, level=0.95):
    params = BootstrapParams(samples=500, block_days=block_days, level=level)
    return Resampler.over_days(slots, per_day, params, seed)


@given(st.integers(1, 300), st.floats(1, 50), st.integers(1, 3))
def test_blocks_are_whole_days_counted_from_the_newest_slot(slots, per_day, days):
    resampler = over(slots, per_day, days)
    sizes = np.bincount(resampler.block)
    assert (np.diff(resampler.block) >= 0).all()
    assert (sizes > 0).all()
    assert (sizes[1:] >= np.floor(per_day * days)).all()
    assert (resampler.counts.sum(axis=1) == resampler.blocks).all()


def test_one_day_gives_no_interval():
    found = over(24).mean(np.arange(24.0))
    assert (found.value, found.low, found.high) == (11.5, None, None)
    assert not found.above_one
    assert not found.below_one


def test_what_all_share_falls_out_of_a_ratio():
    level = np.repeat(np.random.default_rng(0).uniform(1, 100, 10), 24)
    found = over(240).ratio(1.1 * level, level)
    assert (found.value, found.low, found.high) == pytest.approx((1.1, 1.1, 1.1))
    assert found.above_one


def test_means_are_those_of_the_drawn_slots():
    resampler, values = over(100), np.random.default_rng(0).normal(size=100)
    weights = np.concatenate(list(resampler.weights()))
    assert resampler.means(values) == pytest.approx(weights @ values / weights.sum(axis=1))


def test_a_higher_level_is_wider():
    values = np.random.default_rng(0).normal(size=24 * 20)
    narrow, wide = (over(480, level=level).mean(values) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_draws_follow_from_the_seed():
    assert np.array_equal(over(240, seed=3).counts, over(240, seed=3).counts)
    assert not np.array_equal(over(240, seed=3).counts, over(240, seed=4).counts)


def test_a_reference_without_cost_gives_no_ratio():
    found = over(48).ratio(np.ones(48), np.zeros(48))
    assert np.isnan(found.value)
    assert found.low is None
