import numpy as np
import pytest

from ddnn import grid as plain
from ddnn.grid import blocked
from ddnn.grid.blocked import placement
from ddnn.grid.placement import pairwise

MARGIN = 1.01  # of the original's lowest stress: its starts by chance are others


def related(vnfs, seed=0):
    """Distances between series whose phases and speeds change across the plane."""
    rng = np.random.default_rng(seed)
    spots, hours = rng.uniform(0, 1, (vnfs, 2)), np.arange(400)[:, None]
    values = np.sin(hours / 20 + 4 * spots[:, 0]) + np.sin(hours / 31 + 4 * spots[:, 1])
    return blocked.shape_based_distance(values + rng.normal(0, 0.2, values.shape), 0)


def unrelated(vnfs, seed=0):
    upper = np.triu(np.random.default_rng(seed).uniform(0, 2, (vnfs, vnfs)), 1)
    return (upper + upper.T).astype(np.float32)


@pytest.mark.parametrize("distances", [related(60), unrelated(60), unrelated(5)])
def test_the_stress_is_as_low_as_the_originals(distances):
    positions, left = blocked.place(distances, 0)
    _, original = plain.place(distances.astype(np.float64), 0)
    assert left <= MARGIN * original
    assert left == pytest.approx(plain.stress(positions, distances), rel=1e-5)


def folded(vnfs):
    """Distances of series for which starts by chance beat the classical scaling."""
    rng = np.random.default_rng(vnfs)
    spots, hours = rng.uniform(0, 1, (2, vnfs)), np.arange(600)[:, None]
    values = np.sin(hours / 20 + 9 * spots[0]) + np.sin(hours / 31 + 9 * spots[1])
    return blocked.shape_based_distance(values + rng.normal(0, 0.3, values.shape), 0)


@pytest.mark.parametrize("sample", [150, 1000])
def test_a_start_by_chance_is_taken_where_it_is_lower(monkeypatch, sample):
    distances = folded(600)
    monkeypatch.setattr(placement, "_SAMPLE", sample)
    tried = blocked.place(distances, 0)[1]
    monkeypatch.setattr(placement, "_coarse_start", lambda *_: [])
    assert tried < 0.99 * blocked.place(distances, 0)[1]


def test_points_of_the_plane_are_recovered():
    points = np.random.default_rng(0).normal(size=(300, 2)) * [3, 1]
    positions, left = blocked.place(pairwise(points).astype(np.float32), 0)
    np.testing.assert_allclose(pairwise(positions), pairwise(points), atol=0.02)
    assert left < 1e-6 * (pairwise(points) ** 2).sum()
    assert np.ptp(positions[:, 0]) > np.ptp(positions[:, 1])


def test_the_gradient_is_that_of_the_stress():
    import torch

    distances = torch.from_numpy(related(30))
    rng = np.random.default_rng(1)
    positions, step = rng.normal(size=(2, 30, 2))
    ahead, behind = (placement._stress(positions + s * step, distances)[0] for s in (1e-2, -1e-2))
    slope = placement._stress(positions, distances)[1] @ step.ravel()
    assert slope == pytest.approx((ahead - behind) / 2e-2, rel=1e-2)


def test_vnfs_in_one_point_have_a_finite_gradient():
    import torch

    total, gradient = placement._stress(np.ones((4, 2)), torch.from_numpy(unrelated(4)))
    assert total == pytest.approx((unrelated(4) ** 2).sum(), rel=1e-6)
    assert not gradient.any()


@pytest.mark.parametrize("pairs", [1, 150, 10**6])
def test_blocks_do_not_change_the_stress(monkeypatch, pairs):
    distances = related(40)
    positions = np.random.default_rng(3).normal(size=(40, 2))
    whole = blocked.normalised_stress(positions, distances)
    monkeypatch.setattr(placement, "_BLOCK", pairs)
    assert blocked.normalised_stress(positions, distances) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("distances", [related(70), unrelated(70), np.zeros((3, 3), np.float32)])
def test_the_normalised_stress_is_the_originals(distances):
    positions = np.random.default_rng(3).normal(size=(len(distances), 2))
    expected = plain.normalised_stress(positions, distances.astype(np.float64))
    assert blocked.normalised_stress(positions, distances) == pytest.approx(expected, abs=1e-5)
    assert blocked.normalised_stress(positions * 0, distances) == (1.0 if distances.any() else 0.0)


def test_the_same_seed_gives_the_same_bytes():
    distances = related(50)
    assert blocked.place(distances, 4)[0].tobytes() == blocked.place(distances, 4)[0].tobytes()


def test_series_all_alike_lie_in_one_point():
    positions, left = blocked.place(np.zeros((4, 4), np.float32), 0)
    assert not positions.any()
    assert left == 0


def test_distances_that_are_not_finite_are_refused():
    distances = unrelated(6)
    distances[1, 2] = np.nan
    with pytest.raises(ValueError, match="finite"):
        blocked.place(distances, 0)
