"""The regular grid on which the networks see the VNFs, as pixels of an image."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ArtefactError


def grid_shape(vnfs: int) -> tuple[int, int]:
    """Rows and columns for so many VNFs: ceil(sqrt(M)) columns, ceil(M / columns) rows."""
    if vnfs < 1:
        raise ValueError(f"a grid needs at least one VNF, not {vnfs}")
    root = math.isqrt(vnfs)
    columns = root if root * root == vnfs else root + 1
    return -(-vnfs // columns), columns


@dataclass(frozen=True, eq=False)
class Grid:
    """Where each VNF lies on the grid; cells without a VNF are empty.

    Raises:
        ValueError: Two VNFs share a cell, or a cell is not on the grid.
    """

    rows: int
    columns: int
    cells: NDArray[np.int64]
    """(M,): flat index, ``row * columns + column``, of each VNF's cell."""

    def __post_init__(self) -> None:
        cells = np.array(self.cells, dtype=np.int64)
        if cells.ndim != 1 or cells.size == 0 or np.unique(cells).size != cells.size:
            raise ValueError("cells: expected one cell of its own for each VNF")
        if cells.min() < 0 or cells.max() >= self.rows * self.columns:
            raise ValueError(f"cells: one lies outside the {self.rows} x {self.columns} grid")
        cells.setflags(write=False)
        object.__setattr__(self, "cells", cells)

    @classmethod
    def in_order(cls, vnfs: int) -> Self:
        """Give the grid that is filled row by row in the order of the VNFs."""
        return cls(*grid_shape(vnfs), np.arange(vnfs))

    @property
    def vnfs(self) -> int:
        """M."""
        return self.cells.size

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(rows, columns): true where a VNF lies."""
        mask = np.zeros(self.rows * self.columns, dtype=np.bool_)
        mask[self.cells] = True
        return mask.reshape(self.rows, self.columns)

    def to_volume(self, values: NDArray[Any]) -> NDArray[Any]:
        """Lay values (..., M) in VNF order on the grid: (..., rows, columns), empty cells 0.

        Raises:
            ValueError: The last axis is not M long.
        """
        if values.shape[-1] != self.vnfs:
            raise ValueError(f"values of {values.shape[-1]} VNFs on a grid of {self.vnfs}")
        flat = np.zeros((*values.shape[:-1], self.rows * self.columns), dtype=values.dtype)
        flat[..., self.cells] = values
        return flat.reshape(*values.shape[:-1], self.rows, self.columns)

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file: ``{rows, columns, cells}``."""
        return {"rows": self.rows, "columns": self.columns, "cells": self.cells.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of a grid.
        """
        try:
            cells = np.array([int(cell) for cell in values["cells"]], dtype=np.int64)
            return cls(int(values["rows"]), int(values["columns"]), cells)
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not a grid ({error}); make the grid again") from error
