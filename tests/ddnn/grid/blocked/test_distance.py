import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddnn import grid as plain
from ddnn.grid import blocked
from ddnn.grid.blocked import distance

BOUND = 5e-6  # that the docstring states


def busy(slots, vnfs, seed=0):
    """Days of 144 slots with a shape, an hour and noise of their own."""
    rng = np.random.default_rng(seed)
    hour = np.arange(slots)[:, None] / 144 * 2 * np.pi
    wave = np.sin(hour + rng.uniform(0, 6, vnfs)) + np.sin(2 * hour + rng.uniform(0, 6, vnfs))
    return np.exp(wave) * rng.gamma(4.0, 20.0, (slots, vnfs))


@pytest.mark.parametrize("max_lag", [0, 1, 20, 144])
@pytest.mark.parametrize("vnfs", [1, 2, 63, 64, 65, 130])
def test_is_the_exact_distance_within_the_stated_error(vnfs, max_lag):
    values = busy(576, vnfs)
    found = blocked.shape_based_distance(values, max_lag)
    assert found.dtype == np.float32
    exact = plain.shape_based_distance(values, max_lag)
    np.testing.assert_allclose(found, exact, rtol=0, atol=BOUND)
    np.testing.assert_array_equal(found, found.T)
    assert not np.diag(found).any()


def test_is_exact_over_the_slots_that_it_is_meant_for():
    values = busy(3600, 20)
    exact = plain.shape_based_distance(values, 144)
    assert np.abs(blocked.shape_based_distance(values, 144) - exact).max() < BOUND


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(0, 400), st.integers(0, 2**32 - 1))
def test_is_exact_at_any_length_and_any_lag(slots, max_lag, seed):
    values = np.random.default_rng(seed).gamma(0.5, 10.0, (slots, 3))
    exact = plain.shape_based_distance(values, max_lag)
    found = blocked.shape_based_distance(values, max_lag)
    np.testing.assert_allclose(found, exact, rtol=0, atol=BOUND)


@pytest.mark.parametrize("turn", [1, -1])
def test_the_longest_lag_counts_and_the_next_one_does_not(turn):
    values = np.zeros((500, 2))
    values[250, 0] = values[250 + 30 * turn, 1] = 1.0
    assert blocked.shape_based_distance(values, 30)[0, 1] == pytest.approx(0, abs=0.01)
    assert blocked.shape_based_distance(values, 29)[0, 1] > 0.99


def test_less_than_a_day_is_shifted_as_far_as_it_goes():
    values = busy(100, 5)
    whole = blocked.shape_based_distance(values, 99)
    np.testing.assert_array_equal(blocked.shape_based_distance(values, 144), whole)


@pytest.mark.parametrize("size", [1, 7, 200])
def test_blocks_do_not_change_the_result(monkeypatch, size):
    values = busy(300, 40)
    whole = blocked.shape_based_distance(values, 20)
    monkeypatch.setattr(distance, "BLOCK", size)
    np.testing.assert_allclose(blocked.shape_based_distance(values, 20), whole, rtol=0, atol=1e-6)


def test_the_same_demand_gives_the_same_bytes():
    values = busy(500, 80)
    first, second = (blocked.shape_based_distance(values, 20) for _ in range(2))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("level", [0.0, 0.1, 1e9])
def test_a_constant_series_is_at_distance_one(level):
    values = busy(200, 3)
    values[:, 1] = level
    np.testing.assert_array_equal(blocked.shape_based_distance(values, 9)[1], [1.0, 0.0, 1.0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_demand_that_is_not_finite_is_refused(value):
    values = busy(200, 3)
    values[17, 2] = value
    with pytest.raises(ValueError, match="finite"):
        blocked.shape_based_distance(values, 9)


def test_no_slots_and_no_lag_are_refused():
    with pytest.raises(ValueError, match="one slot or more"):
        blocked.shape_based_distance(np.zeros((0, 3)), 9)
    with pytest.raises(ValueError, match="at least 0 slots"):
        blocked.shape_based_distance(busy(200, 3), -1)


def test_numpy_holds_little_besides_the_result():
    values = busy(300, 1000)
    tracemalloc.start()
    blocked.shape_based_distance(values, 5)
    peak = tracemalloc.get_traced_memory()[1]  # numpy's; torch's is seen by the benchmark alone
    tracemalloc.stop()
    assert peak < 1.5 * 4 * 1000**2
