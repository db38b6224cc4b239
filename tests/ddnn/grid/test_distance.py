import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ddnn.grid import distance, shape_based_distance

demand = st.tuples(st.integers(1, 24), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(0, 1000, width=32))
)


def naive_distance(x, y, max_lag):
    """1 - max NCC_c, shift by shift and slot by slot."""
    x, y = x - x.mean(), y - y.mean()
    slots, norm = len(x), np.sqrt((x**2).sum() * (y**2).sum())
    best = -np.inf
    for lag in range(-max_lag, max_lag + 1):
        total = sum(x[t] * y[t - lag] for t in range(slots) if 0 <= t - lag < slots)
        best = max(best, total / norm)
    return 1 - best


@pytest.mark.parametrize("max_lag", [None, 0, 3, 1000])
@pytest.mark.parametrize("slots", [2, 7, 40])
def test_agrees_with_the_definition(slots, max_lag):
    values = np.random.default_rng(slots).gamma(2.0, 50.0, (slots, 4))
    found = shape_based_distance(values, max_lag)
    lag = slots - 1 if max_lag is None else min(max_lag, slots - 1)
    for i, j in zip(*np.triu_indices(4, 1), strict=True):
        expected = naive_distance(values[:, i], values[:, j], lag)
        assert found[i, j] == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(demand, st.none() | st.integers(0, 30))
def test_is_a_distance_whatever_the_demand(values, max_lag):
    found = shape_based_distance(values, max_lag)
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 2)).all()
    np.testing.assert_array_equal(found, found.T)
    assert not np.diag(found).any()


@given(st.floats(0.001, 1e6), st.floats(0, 1e6))
def test_level_and_scale_do_not_matter(scale, level):
    values = np.random.default_rng(0).random((50, 3))
    found = shape_based_distance(values * scale + level)
    # Adding a level of 1e6 to changes of 0.001 costs seven digits of the sixteen.
    np.testing.assert_allclose(found, shape_based_distance(values), atol=1e-5)


def test_the_same_shape_later_is_near_if_the_lag_reaches_it():
    wave = np.exp(-0.5 * ((np.arange(200) - 80) / 6) ** 2)
    values = np.stack([wave, np.roll(wave, 30)], axis=1)
    assert shape_based_distance(values, 30)[0, 1] < 0.05
    assert shape_based_distance(values, 5)[0, 1] > 0.5


def test_opposite_shapes_at_no_lag_are_furthest():
    x = np.random.default_rng(1).random(300)
    assert shape_based_distance(np.stack([x, 1 - x], axis=1), 0)[0, 1] == pytest.approx(2.0)


@pytest.mark.parametrize("level", [0.0, 0.1, 1e9])
def test_a_constant_series_is_at_distance_one(level):
    values = np.random.default_rng(0).random((90, 3))
    values[:, 1] = level
    found = shape_based_distance(values)
    np.testing.assert_array_equal(found[1], [1.0, 0.0, 1.0])


def test_blocks_do_not_change_the_result(monkeypatch):
    values = np.random.default_rng(0).random((60, 9))
    whole = shape_based_distance(values)
    monkeypatch.setattr(distance, "_BLOCK", 256)
    np.testing.assert_array_equal(shape_based_distance(values), whole)


def test_demand_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        shape_based_distance(np.array([[1.0, np.nan], [2.0, 3.0]]))
