from itertools import permutations

import numpy as np
import pytest

from ddnn.grid import (
    Grid,
    assign,
    fit_to_grid,
    grid_shape,
    place,
    quality,
    random_grid,
    random_quality,
    shape_based_distance,
)
from ddnn.grid.assignment import cell_centres


@pytest.mark.parametrize("vnfs", [1, 2, 3, 5, 25, 49])
def test_every_vnf_gets_a_cell_of_its_own(vnfs):
    rows, columns = grid_shape(vnfs)
    positions = np.random.default_rng(vnfs).normal(size=(vnfs, 2))
    cells = assign(fit_to_grid(positions, rows, columns), rows, columns)
    assert Grid(rows, columns, cells).mask.sum() == vnfs


def test_points_on_the_grid_stay_where_they_are():
    rng = np.random.default_rng(0)
    cells = rng.permutation(12)[:10]
    points = cell_centres(3, 4)[cells] + rng.uniform(-0.2, 0.2, (10, 2))
    np.testing.assert_array_equal(assign(points, 3, 4), cells)


def test_the_assignment_is_the_cheapest_of_all():
    positions = np.random.default_rng(5).uniform(0, 2, (5, 2))
    centres = cell_centres(2, 3)

    def price(cells):
        return ((positions - centres[list(cells)]) ** 2).sum()

    best = min(price(cells) for cells in permutations(range(6), 5))
    assert price(assign(positions, 2, 3)) == pytest.approx(best)


def test_fitting_keeps_the_shape_and_takes_the_grids_place_and_size():
    positions = np.random.default_rng(0).normal(size=(20, 2))
    fitted = fit_to_grid(positions, 4, 5)
    np.testing.assert_allclose(fitted.mean(axis=0), [2.0, 1.5])
    assert ((fitted - [2.0, 1.5]) ** 2).sum(axis=1).mean() == pytest.approx((25 - 1 + 16 - 1) / 12)
    ratio = np.ptp(fitted, axis=0) / np.ptp(positions, axis=0)
    assert ratio[0] == pytest.approx(ratio[1])
    np.testing.assert_array_equal(fit_to_grid(np.zeros((2, 2)), 1, 2), [[0.5, 0], [0.5, 0]])


def test_a_known_neighbourhood_is_measured():
    # Three cells in a row: the pairs (0, 1) and (1, 2) are adjacent, (0, 2) is not.
    distances = np.array([[0.0, 0.1, 0.8], [0.1, 0.0, 0.3], [0.8, 0.3, 0.0]])
    found = quality(Grid(1, 3, np.array([0, 1, 2])), distances)
    assert found.neighbour_correlation == pytest.approx((0.9 + 0.7) / 2)


def test_without_neighbours_there_is_no_correlation():
    assert quality(Grid(1, 1, np.array([0])), np.zeros((1, 1))).neighbour_correlation is None
    found = random_quality(np.zeros((1, 1)), np.random.default_rng(0))
    assert found.to_json() == {"stress": 0.0, "neighbour_correlation": None}


@pytest.mark.parametrize("vnfs", [23, 25, 49])
def test_related_series_become_neighbours(vnfs):
    rng = np.random.default_rng(0)
    spots = rng.uniform(0, 1, (vnfs, 2))
    hours = np.arange(600)[:, None]
    # Series swing with phases and speeds that change slowly across the plane.
    values = np.sin(hours / 20 + 4 * spots[:, 0]) + np.sin(hours / 31 + 4 * spots[:, 1])
    distances = shape_based_distance(values + rng.normal(0, 0.2, values.shape), 0)
    rows, columns = grid_shape(vnfs)
    positions, _ = place(distances, 0)
    grid = Grid(rows, columns, assign(fit_to_grid(positions, rows, columns), rows, columns))
    ours, chance = quality(grid, distances), random_quality(distances, rng)
    assert ours.neighbour_correlation > chance.neighbour_correlation + 0.2
    assert ours.stress < chance.stress - 0.1


def test_random_grids_follow_their_generator():
    first, second = (random_grid(10, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.cells, second.cells)
    assert (first.rows, first.columns) == grid_shape(10)
