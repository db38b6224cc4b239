"""Thousands of VNFs to the cells of the regular grid, and what that gains over chance."""

import numpy as np
from numpy.typing import NDArray

from ddnn.grid import assignment
from ddnn.grid.assignment import Quality, cell_centres
from ddnn.grid.blocked.placement import Distances, normalised_stress
from ddnn.grid.grid import Grid
from ddnn.grid.placement import Floats


def assign(positions: Floats, rows: int, columns: int) -> NDArray[np.int64]:
    """Give :func:`ddnn.grid.assign`, as exact: cells (M,) at the least sum of squared distances.

    Its costs take 8 bytes for each VNF and cell, and nothing besides is that large.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    costs = cdist(positions, cell_centres(rows, columns), "sqeuclidean")
    return np.asarray(linear_sum_assignment(costs)[1], dtype=np.int64)


def quality(grid: Grid, distances: Distances) -> Quality:
    """Give :func:`ddnn.grid.quality`, within 1e-5 of it."""
    centres = cell_centres(grid.rows, grid.columns)[grid.cells]
    layout = np.full((grid.rows, grid.columns), -1)
    layout.flat[grid.cells] = np.arange(grid.vnfs)
    beside = np.stack([layout[:, :-1], layout[:, 1:]]).reshape(2, -1)
    below = np.stack([layout[:-1], layout[1:]]).reshape(2, -1)
    pairs = np.concatenate([beside, below], axis=1)
    first, second = pairs[:, (pairs >= 0).all(axis=0)]
    near = 1.0 - distances[first, second].astype(np.float64)
    return Quality(normalised_stress(centres, distances), float(near.mean()) if near.size else None)


def random_quality(distances: Distances, rng: np.random.Generator) -> Quality:
    """Give :func:`ddnn.grid.random_quality`, within 1e-5 of it."""
    return assignment.random_quality(distances, rng, quality)
