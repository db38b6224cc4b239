"""Where Milano's squares lie: 100 x 100 squares of about 235 m, ids growing east, then north.

The published polygons (Barlacchi et al., Scientific Data 2015, doi:10.1038/sdata.2015.55) are a
regular grid in a projected plane; a polynomial of second degree gives their corners to 4 cm.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ddnn.demand.day_blocks import Ids
from ddnn.demand.series import Floats

SIDE = 100
SQUARES = SIDE * SIDE

# Degrees (WGS 84) of the node (u, v), both from -1 to 1 west to east and south to north;
# coefficients of 1, v, v^2, u, u v, u^2: fitted to the 40,000 published corners.
_LONGITUDE = (9.16180843, 3.02542667e-4, 8.40443285e-7, 0.150295866, 2.81014486e-4, -8.40453804e-7)
_LATITUDE = (
    45.4623370,
    0.105763501,
    -9.84443414e-7,
    -2.12900709e-4,
    -7.80818916e-7,
    -9.88758449e-5,
)


def corners(squares: Sequence[int] | Ids) -> Floats:
    """Give the corners of squares.

    Args:
        squares: M ids, 1 to 10,000.

    Returns:
        (M, 4, 2) longitude and latitude in degrees: north west, north east, south east, south west.
    """
    column, row = _place(squares)
    x = np.stack([column, column + 1, column + 1, column], axis=1)
    y = np.stack([row + 1, row + 1, row, row], axis=1)
    return _degrees(x, y)


def centres(squares: Sequence[int] | Ids) -> Floats:
    """Give the centres of M squares, (M, 2) longitude and latitude in degrees."""
    column, row = _place(squares)
    return _degrees(column + 0.5, row + 0.5)


def places(squares: Sequence[int] | Ids) -> Floats:
    """Give column and row of M squares' centres in the grid, (M, 2): east, then north."""
    return np.stack(_place(squares), axis=1) + 0.5


def block(one: int, other: int) -> list[int]:
    """List the squares of the rectangle that has two squares at opposite corners, by id."""
    (a, b), (c, d) = (divmod(square - 1, SIDE) for square in (one, other))
    rows, columns = range(min(a, c), max(a, c) + 1), range(min(b, d), max(b, d) + 1)
    return [row * SIDE + column + 1 for row in rows for column in columns]


def inside(points: Floats, rings: Sequence[Floats]) -> npt.NDArray[np.bool_]:
    """Tell which points lie inside a polygon: within an odd number of its rings.

    Args:
        points: (K, 2).
        rings: Closed rings, (R, 2) each: the outline, then its holes.
    """
    within = np.zeros(len(points), dtype=bool)
    x, y = points[:, 0], points[:, 1]
    for ring in rings:
        for (x1, y1), (x2, y2) in pairwise(ring):
            if y1 == y2:
                continue
            between = (y1 > y) != (y2 > y)
            within ^= between & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return within


def _place(squares: Sequence[int] | Ids) -> tuple[Floats, Floats]:
    row, column = np.divmod(np.asarray(squares, dtype=np.int64) - 1, SIDE)
    return column.astype(np.float64), row.astype(np.float64)


def _degrees(x: Floats, y: Floats) -> Floats:
    u, v = 2 * x / SIDE - 1, 2 * y / SIDE - 1
    terms = np.stack([np.ones_like(u), v, v * v, u, u * v, u * u], axis=-1)
    degrees: Floats = np.stack([terms @ _LONGITUDE, terms @ _LATITUDE], axis=-1)
    return degrees
