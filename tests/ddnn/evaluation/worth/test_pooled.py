"""Pooled means are those of all slots; draws hold whole days of each window."""

import numpy as np
import pytest

from ddnn.evaluation.worth.pooled import Pool, geometric_mean
from ddnn.params import BootstrapParams

BOOTSTRAP = BootstrapParams(samples=300, block_days=1, level=0.9)


def test_the_mean_is_that_of_all_slots_and_seeds():
    rng = np.random.default_rng(0)
    costs = {(window, seed): rng.uniform(1, 2, 48) for window in (0, 5) for seed in (0, 1, 2)}
    value, draws = Pool.of({0: 48, 5: 48}, 24, BOOTSTRAP, (0, 1, 2)).mean(costs)
    assert value == pytest.approx(np.mean(list(costs.values())))
    assert draws.shape == (300,)
    assert draws.min() < value < draws.max()


def test_draws_mix_days_within_a_window_and_never_windows():
    # Each window has one level: no draw of days within it can move the mean.
    costs = {(window, None): np.full(72, float(window)) for window in (1, 2, 9)}
    value, draws = Pool.of(dict.fromkeys((1, 2, 9), 72), 24, BOOTSTRAP, ()).mean(costs)
    assert value == pytest.approx(4.0)
    np.testing.assert_allclose(draws, 4.0)


def test_seeds_are_drawn_too():
    costs = {(0, seed): np.full(24, float(seed)) for seed in (0, 1)}
    value, draws = Pool.of({0: 24}, 24, BOOTSTRAP, (0, 1)).mean(costs)
    assert value == pytest.approx(0.5)
    assert set(draws.tolist()) == {0.0, 0.5, 1.0}


def test_the_same_draws_serve_both_sides_of_a_ratio():
    rng = np.random.default_rng(1)
    reference = {(window, None): rng.uniform(1, 5, 120) for window in (0, 5, 10)}
    costs = {(w, s): 0.9 * reference[w, None] for w in (0, 5, 10) for s in (3, 4)}
    pool = Pool.of(dict.fromkeys((0, 5, 10), 120), 24, BOOTSTRAP, (3, 4))
    value, draws = pool.ratio(costs, reference)
    np.testing.assert_allclose([value, *draws], 0.9)


def test_a_geometric_mean_is_of_values_and_of_draws():
    value, draws = geometric_mean([(2.0, np.array([1.0, 4.0])), (8.0, np.array([4.0, 4.0]))])
    assert value == pytest.approx(4.0)
    np.testing.assert_allclose(draws, [2.0, 4.0])
