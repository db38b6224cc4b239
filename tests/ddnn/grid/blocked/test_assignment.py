import tracemalloc

import numpy as np
import pytest

from ddnn import grid as plain
from ddnn.grid import Grid, blocked, fit_to_grid, grid_shape, random_grid
from ddnn.grid.assignment import cell_centres


def distances_of(vnfs):
    upper = np.triu(np.random.default_rng(vnfs).uniform(0, 2, (vnfs, vnfs)), 1)
    return (upper + upper.T).astype(np.float32)


@pytest.mark.parametrize("vnfs", [1, 2, 23, 49, 700])
def test_every_vnf_gets_a_cell_of_its_own_at_the_originals_cost(vnfs):
    rows, columns = grid_shape(vnfs)
    positions = np.random.default_rng(vnfs).normal(size=(vnfs, 2))
    positions = fit_to_grid(positions, rows, columns)
    cells = blocked.assign(positions, rows, columns)
    assert Grid(rows, columns, cells).mask.sum() == vnfs
    centres = cell_centres(rows, columns)
    costs = [
        ((positions - centres[each]) ** 2).sum()
        for each in (cells, plain.assign(positions, rows, columns))
    ]
    assert costs[0] == pytest.approx(costs[1])


@pytest.mark.parametrize("vnfs", [1, 2, 3, 11, 23, 49])
def test_the_quality_is_the_originals(vnfs):
    distances = distances_of(vnfs)
    grid = random_grid(vnfs, np.random.default_rng(0))
    found, expected = (way.quality(grid, distances) for way in (blocked, plain))
    assert found.stress == pytest.approx(expected.stress, abs=1e-5)
    assert found.neighbour_correlation == pytest.approx(expected.neighbour_correlation, abs=1e-5)
    found, expected = (
        way.random_quality(distances, np.random.default_rng(7)) for way in (blocked, plain)
    )
    assert found.stress == pytest.approx(expected.stress, abs=1e-5)
    assert found.neighbour_correlation == pytest.approx(expected.neighbour_correlation, abs=1e-5)


def test_the_costs_are_held_once():
    vnfs = 600
    positions = fit_to_grid(np.random.default_rng(0).normal(size=(vnfs, 2)), *grid_shape(vnfs))
    blocked.assign(positions, *grid_shape(vnfs))  # its imports
    tracemalloc.start()
    blocked.assign(positions, *grid_shape(vnfs))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * 8 * vnfs * np.prod(grid_shape(vnfs))
