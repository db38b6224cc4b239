"""Demand in VNF order, laid on the grid as the volume that 3D convolutions read."""

import torch
from torch import Tensor
from torch.nn import functional

from ddnn.grid import Grid


def cell_sources(grid: Grid) -> Tensor:
    """Index of the VNF in each cell; an empty cell points one past the last, where zeros are."""
    source = torch.full((grid.rows * grid.columns,), grid.vnfs, dtype=torch.int64)
    source[torch.tensor(grid.cells.tolist())] = torch.arange(grid.vnfs)
    return source


def to_volume(D: Tensor, sources: Tensor, grid: Grid) -> Tensor:
    """Place demand (batch, N, M) on the grid: (batch, 1, N, rows, columns), empty cells 0.

    Args:
        D: Demand.
        sources: What :func:`cell_sources` gives for the grid, kept where D is.
        grid: Where each VNF sits.
    """
    cells = functional.pad(D, (0, 1)).index_select(2, sources)
    return cells.reshape(-1, 1, D.shape[1], grid.rows, grid.columns)
