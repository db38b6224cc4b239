import numpy as np
import pytest

from ddnn.grid import normalised_stress, place, stress
from ddnn.grid.placement import pairwise, to_principal_axes

SIZES = [1, 2, 3, 5, 25, 49]


def random_distances(vnfs, seed=0):
    upper = np.triu(np.random.default_rng(seed).uniform(0, 2, (vnfs, vnfs)), 1)
    return upper + upper.T


@pytest.mark.parametrize("vnfs", SIZES)
def test_distances_of_points_in_the_plane_are_recovered(vnfs):
    points = np.random.default_rng(vnfs).normal(size=(vnfs, 2))
    positions, left = place(pairwise(points), seed=0)
    assert positions.shape == (vnfs, 2)
    assert left == pytest.approx(0, abs=1e-3)
    np.testing.assert_allclose(pairwise(positions), pairwise(points), atol=0.02)


@pytest.mark.parametrize("vnfs", [3, 5, 25, 49])
def test_no_small_move_lowers_the_stress(vnfs):
    distances = random_distances(vnfs)
    positions, least = place(distances, seed=0)
    assert least == pytest.approx(stress(positions, distances))
    rng = np.random.default_rng(1)
    for _ in range(50):
        moved = positions + rng.normal(scale=0.01, size=positions.shape)
        assert stress(moved, distances) >= least - 1e-6


def test_the_stress_is_eq_12():
    positions = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    distances = np.array([[0.0, 4.0, 1.0], [4.0, 0.0, 2.0], [1.0, 2.0, 0.0]])
    expected = 2 * ((5 - 4) ** 2 + 0 + (18**0.5 - 2) ** 2)
    assert stress(positions, distances) == pytest.approx(expected)


def test_the_normalised_stress_ignores_units_and_lies_in_zero_to_one():
    distances = random_distances(8)
    positions = np.random.default_rng(3).random((8, 2))
    found = normalised_stress(positions, distances)
    assert 0 < found < 1
    assert normalised_stress(positions * 40, distances) == pytest.approx(found)
    assert normalised_stress(positions, pairwise(positions)) == pytest.approx(0, abs=1e-12)
    assert normalised_stress(np.zeros((8, 2)), distances) == 1.0
    assert normalised_stress(np.zeros((1, 2)), np.zeros((1, 1))) == 0.0


@pytest.mark.parametrize("vnfs", SIZES)
def test_the_same_seed_gives_the_same_bytes(vnfs):
    distances = random_distances(vnfs)
    assert place(distances, 4)[0].tobytes() == place(distances, 4)[0].tobytes()


def test_rotation_and_reflection_are_fixed():
    points = np.random.default_rng(0).normal(size=(9, 2)) * [3, 1]
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    fixed = to_principal_axes(points)
    np.testing.assert_allclose(to_principal_axes(points @ turn + 7), fixed, atol=1e-9)
    np.testing.assert_allclose(to_principal_axes(points * [1, -1]), fixed, atol=1e-9)
    assert np.ptp(fixed[:, 0]) > np.ptp(fixed[:, 1])


def test_series_all_alike_lie_in_one_point():
    positions, left = place(np.zeros((4, 4)), 0)
    assert not positions.any()
    assert left == 0
