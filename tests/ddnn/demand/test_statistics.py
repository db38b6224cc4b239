import numpy as np
import pytest

from ddnn.demand import statistics as stat


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_noise_power_finds_the_law(rng: np.random.Generator) -> None:
    levels = np.geomspace(10, 1000, 40)
    values = levels + 0.3 * levels**0.7 * rng.standard_normal((4000, 40))
    exponent, factor = stat.noise_power(values)
    assert exponent == pytest.approx(0.7, abs=0.02)
    assert factor == pytest.approx(0.3, rel=0.1)


def test_profile_is_relative_to_each_square() -> None:
    day = np.repeat(np.r_[np.full(12, 1.0), np.full(12, 3.0)], 6)
    values = np.outer(np.tile(day, 3), [1.0, 50.0])
    profile = stat.hourly_profile(values, 144, np.array([0, 1, 2]))
    assert profile.shape == (3, 24, 2)
    np.testing.assert_allclose(profile[:, [0, 23]], [[[0.5] * 2, [1.5] * 2]] * 3)


def test_departures_are_what_the_rhythm_leaves(rng: np.random.Generator) -> None:
    rhythm = np.exp(np.sin(2 * np.pi * np.arange(144) / 144))
    values = np.tile(rhythm, 6)[:, None] * [2.0, 7.0]
    kinds = np.array([0, 0, 0, 1, 1, 2])
    np.testing.assert_allclose(stat.departures(values, 144, kinds), 0, atol=1e-12)


def test_correlation_by_distance_takes_each_pair_once(rng: np.random.Generator) -> None:
    shared, own = rng.standard_normal((2, 5000))
    series = np.stack([shared, shared, own], axis=1)
    positions = np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    near, far = stat.correlation_by_distance(series, positions, (0.5, 1.5, 2.5))
    assert near == pytest.approx(0.5, abs=0.03)
    assert far == pytest.approx(0, abs=0.05)


def test_correlation_on_a_block_agrees_with_the_matrix(rng: np.random.Generator) -> None:
    series = rng.standard_normal((50, 4, 4)).cumsum(axis=2).reshape(50, 16)
    matrix = np.corrcoef(series.T).reshape(4, 4, 4, 4)
    right = np.mean([matrix[i, j, i, j + 1] for i in range(4) for j in range(3)])
    down = np.mean([matrix[i, j, i + 1, j] for i in range(3) for j in range(4)])
    assert stat.correlation_on_block(series, 4, 4, 1) == pytest.approx((right + down) / 2)


def test_a_constant_square_correlates_with_nothing() -> None:
    assert stat.autocorrelation(np.ones((10, 1)), 1) == 0


def test_kurtosis_tells_bursts_from_gaussian_noise(rng: np.random.Generator) -> None:
    gaussian = rng.standard_normal((20000, 3))
    assert stat.excess_kurtosis(gaussian) == pytest.approx(0, abs=0.2)
    gaussian[::100] += 10
    assert stat.excess_kurtosis(gaussian) > 5


def test_spikes_are_counted_by_day(rng: np.random.Generator) -> None:
    values = np.exp(0.05 * rng.standard_normal((144 * 10, 4)))
    values[70::144] *= 4
    assert stat.spike_rate(values, 144) == pytest.approx(1, abs=0.05)
