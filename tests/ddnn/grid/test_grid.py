import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.errors import ArtefactError
from ddnn.grid import Grid, grid_shape


@given(st.integers(1, 5000))
def test_shape_holds_all_vnfs_and_no_empty_row_or_column(vnfs):
    rows, columns = grid_shape(vnfs)
    assert (columns - 1) ** 2 < vnfs <= columns**2
    assert (rows - 1) * columns < vnfs <= rows * columns


def test_no_grid_without_a_vnf():
    with pytest.raises(ValueError, match="at least one"):
        grid_shape(0)


@pytest.mark.parametrize("vnfs", [1, 2, 3, 5, 25, 49])
def test_the_volume_holds_each_vnf_once_and_zero_elsewhere(vnfs):
    rows, columns = grid_shape(vnfs)
    cells = np.random.default_rng(vnfs).permutation(rows * columns)[:vnfs]
    grid = Grid(rows, columns, cells)
    values = np.random.default_rng(0).uniform(1, 2, (4, 6, vnfs)).astype(np.float32)
    volume = grid.to_volume(values)
    assert volume.shape == (4, 6, rows, columns)
    assert volume.dtype == np.float32
    assert grid.mask.sum() == vnfs
    assert not volume[..., ~grid.mask].any()
    row, column = np.divmod(cells, columns)
    np.testing.assert_array_equal(volume[..., row, column], values)


def test_json_round_trip():
    grid = Grid(2, 3, np.array([4, 0, 5, 2, 1]))
    again = Grid.from_json(json.loads(json.dumps(grid.to_json())))
    assert (again.rows, again.columns) == (2, 3)
    np.testing.assert_array_equal(again.cells, grid.cells)


@pytest.mark.parametrize(
    "damage",
    [{"rows": None}, {"cells": [0, 0]}, {"cells": [9]}, {"cells": []}, {"cells": 3}],
)
def test_damaged_json_is_refused(damage):
    with pytest.raises(ArtefactError, match="not a grid"):
        Grid.from_json(Grid.in_order(4).to_json() | damage)


def test_values_of_other_vnfs_are_refused():
    with pytest.raises(ValueError, match="3 VNFs on a grid of 4"):
        Grid.in_order(4).to_volume(np.zeros((2, 3)))


def test_a_grid_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        Grid.in_order(4).cells[0] = 3


def test_numpy_is_all_that_a_grid_and_a_cost_need():
    code = (
        "import sys, ddnn.grid, ddnn.cost.hard, ddnn.alternatives;"
        "print(sorted({'scipy', 'sklearn', 'torch', 'pydantic', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
