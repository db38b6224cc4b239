"""From positions in the plane to cells of the regular grid, and what that gains over chance."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.grid.grid import Grid, grid_shape
from ddnn.grid.placement import Floats, normalised_stress

RANDOM_PLACEMENTS = 50
"""Random placements that the ablation averages over."""


@dataclass(frozen=True)
class Quality:
    """How well the cells of a grid respect the distances between the VNFs."""

    stress: float
    """:func:`ddnn.grid.placement.normalised_stress` of the cells."""
    neighbour_correlation: float | None
    """Mean of 1 - distance over VNFs in adjacent cells; None where no two are adjacent."""

    def to_json(self) -> dict[str, float | None]:
        """Give plain values for a JSON file."""
        return asdict(self)


def cell_centres(rows: int, columns: int) -> Floats:
    """Points (rows * columns, 2) of the regular grid: x is the column, y the row."""
    y, x = np.divmod(np.arange(rows * columns), columns)
    return np.stack([x, y], axis=1).astype(np.float64)


def fit_to_grid(positions: Floats, rows: int, columns: int) -> Floats:
    """Bring positions (M, 2) to the place and size of the regular grid.

    Moved and scaled, by one factor for both axes, to the grid's centre and its mean squared
    distance from there. The extremes would be the wrong measure: one VNF unlike all others
    would crowd the rest into a few cells. Turning is not needed: the longest axis comes first.
    """
    centres = cell_centres(rows, columns)
    middle = centres.mean(axis=0)
    centred = positions - positions.mean(axis=0)
    spread = float((centred**2).sum(axis=1).mean())
    target = float(((centres - middle) ** 2).sum(axis=1).mean())
    factor = math.sqrt(target / spread) if spread > 0 else 0.0
    return np.asarray(centred * factor + middle)


def assign(positions: Floats, rows: int, columns: int) -> NDArray[np.int64]:
    """Cells (M,) at the least sum of squared distances, by the Hungarian method.

    Any cells may stay empty: those that are cheapest to leave out.

    Args:
        positions: (M, 2), already brought to the grid by :func:`fit_to_grid`.
        rows: Of the grid.
        columns: Of the grid; rows * columns >= M.
    """
    from scipy.optimize import linear_sum_assignment  # here: see ddnn.grid.placement.place

    offsets = positions[:, None, :] - cell_centres(rows, columns)[None, :, :]
    _, cells = linear_sum_assignment((offsets**2).sum(axis=-1))
    return np.asarray(cells, dtype=np.int64)


def random_grid(vnfs: int, rng: np.random.Generator) -> Grid:
    """Give a grid with each VNF in a random cell."""
    rows, columns = grid_shape(vnfs)
    return Grid(rows, columns, rng.permutation(rows * columns)[:vnfs])


def quality(grid: Grid, distances: Floats) -> Quality:
    """Measure a grid against the distances (M, M) between its VNFs."""
    centres = cell_centres(grid.rows, grid.columns)[grid.cells]
    steps = np.abs(centres[:, None, :] - centres[None, :, :]).sum(axis=-1)
    adjacent = steps == 1
    correlation = float((1.0 - distances[adjacent]).mean()) if adjacent.any() else None
    return Quality(normalised_stress(centres, distances), correlation)


def random_quality(
    distances: NDArray[Any],
    rng: np.random.Generator,
    judge: Callable[[Grid, NDArray[Any]], Quality] = quality,
) -> Quality:
    """Mean quality of :data:`RANDOM_PLACEMENTS` random grids for the same VNFs."""
    found = [judge(random_grid(len(distances), rng), distances) for _ in range(RANDOM_PLACEMENTS)]
    known = [each.neighbour_correlation for each in found if each.neighbour_correlation is not None]
    return Quality(
        float(np.mean([each.stress for each in found])), float(np.mean(known)) if known else None
    )
