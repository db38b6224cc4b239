"""Which site serves which square: the reason why neighbours move together.

Milano's activity is counted per cell site and shared out to the squares by the area that a site
covers. Two squares under one site have the same noise and the same bursts; from two sites they have
nothing in common but the city. The synthetic city is made in the same way.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from ddnn.demand.city.streams import stream

Array = NDArray[np.float64]

SIDE = 100
"""Rows and columns of the whole city, in squares."""
CENTRE = (49.0, 57.0)
"""Row and column where sites are densest and demand is highest."""
BLOCK = (43.0, 47.0)
"""Row and column of the middle of a small city: not the very centre, as the real 25 squares."""
MARGIN = 6.0  # squares around the city that have sites too, so that its edge is nothing special

# Sites per square: PEAK at the centre, FLOOR far out.
PEAK, FLOOR, REACH = 0.9, 0.02, 14.0

POINTS = 6  # a square's area is judged by POINTS x POINTS places in it


@dataclass(frozen=True)
class Coverage:
    """Squares, sites and the share of each site in each square's area."""

    squares: NDArray[np.int64]
    """Ids as Milano's: ``row * 100 + column + 1``; shape ``(M,)``."""
    sites: NDArray[np.int64]
    """Names of the sites that serve any of the squares; shape ``(S,)``."""
    positions: Array
    """Row and column of each site; shape ``(S, 2)``."""
    shares: csr_array
    """Shape ``(M, S)``; rows sum to one."""


def radius(positions: Array) -> Array:
    """Give the distance from the city's centre, in squares: ``(..., 2) -> (...)``."""
    rows, columns = positions[..., 0] - CENTRE[0], positions[..., 1] - CENTRE[1]
    distances: Array = np.sqrt(rows * rows + columns * columns)
    return distances


def block(squares: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lay out squares row by row on a block of ``ceil(sqrt(squares))`` columns.

    Returns:
        Row and column of each square in the whole city.
    """
    columns = int(np.ceil(np.sqrt(squares)))
    rows = -(-squares // columns)
    first_row = _first(BLOCK[0], rows)
    first_column = _first(BLOCK[1], columns)
    place = np.arange(squares)
    return first_row + place // columns, first_column + place % columns


def cover(squares: int, seed: int) -> Coverage:
    """Place the sites and give each of them the places in each square that are nearest to it."""
    rows, columns = block(squares)
    names, positions = _place_sites(seed)
    offsets = (np.arange(POINTS) + 0.5) / POINTS - 0.5
    down, right = (offset.ravel() for offset in np.meshgrid(offsets, offsets, indexing="ij"))
    points = np.stack([rows[:, None] + down, columns[:, None] + right], axis=-1)
    nearest = cKDTree(positions).query(points)[1]  # (M, POINTS^2)
    used, column = np.unique(nearest, return_inverse=True)
    row = np.repeat(np.arange(squares), POINTS * POINTS)
    weight = np.full(row.size, 1.0 / (POINTS * POINTS))
    shares = csr_array((weight, (row, column.ravel())), shape=(squares, used.size))
    shares.sum_duplicates()
    return Coverage(rows * SIDE + columns + 1, names[used], positions[used], shares)


def _place_sites(seed: int) -> tuple[NDArray[np.int64], Array]:
    random = stream(seed, "sites")
    side = SIDE + 2 * MARGIN
    candidates = random.random((int(PEAK * side * side), 3))
    positions = candidates[:, :2] * side - MARGIN - 0.5
    density = FLOOR + (PEAK - FLOOR) * np.exp(-radius(positions) / REACH)
    names = np.flatnonzero(candidates[:, 2] < density / PEAK)
    return names, positions[names]


def _first(middle: float, length: int) -> int:
    return int(np.clip(round(middle - (length - 1) / 2), 0, SIDE - length))
