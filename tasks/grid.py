"""Stage ``grid``: the scaling of the demand, and where the VNFs lie on the regular grid.

Both learn on the slots before the validation days, and see no others.
"""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from ddnn import grid as plain
from ddnn.demand import Scaling
from ddnn.grid import RANDOM_PLACEMENTS, Grid, blocked, fit_to_grid, grid_shape, random_grid
from ddnn.params import GridParams
from tasks.prepared import read_and_split
from tasks.stage import Stage


def run(stage: Stage) -> None:
    """Write scaling.json, grid.json, placement.json and distances.safetensors (M, M)."""
    demand, split = read_and_split(stage.inputs["download"], stage.params)
    learned = demand.values[: split.learn_slots.stop]
    scaling = Scaling.fit(learned)
    # Shapes may be shifted against each other by part of a day; at longer shifts only chance
    # alignments of week days are left, which no window of a few slots will ever see.
    max_lag = round(demand.slots_per_day)
    way = blocked if demand.vnfs > blocked.MANY else plain
    distances = way.shape_based_distance(scaling.scale(learned), max_lag)
    grid, facts = _place(distances, stage.params.grid, way)
    facts |= {"series": list(demand.series), "max_lag_slots": max_lag}
    _write_json(stage.out / "scaling.json", scaling.to_json())
    _write_json(stage.out / "grid.json", grid.to_json())
    _write_json(stage.out / "placement.json", facts)
    save_file({"distances": distances}, stage.out / "distances.safetensors")


def _place(
    distances: np.ndarray, params: GridParams, way: ModuleType
) -> tuple[Grid, dict[str, Any]]:
    """Choose the grid, and give what placement.json says of it and of the way there."""
    vnfs = len(distances)
    rows, columns = grid_shape(vnfs)
    positions, stress = way.place(distances, params.seed)
    on_grid = fit_to_grid(positions, rows, columns)
    if params.placement == "random":
        grid = random_grid(vnfs, np.random.default_rng([params.seed, 0]))
    else:
        grid = Grid(rows, columns, way.assign(on_grid, rows, columns))
    by_chance = way.random_quality(distances, np.random.default_rng([params.seed, 1]))
    return grid, {
        "placement": params.placement,
        "positions": positions.tolist(),  # x, y in units of the distance
        "positions_on_grid": on_grid.tolist(),  # x, y in columns and rows, before the assignment
        "cells": [list(divmod(int(cell), columns)) for cell in grid.cells],  # row, column
        "rows": rows,
        "columns": columns,
        "eq12": {
            "stress": stress,
            "normalised_stress": way.normalised_stress(positions, distances),
        },
        "on_grid": way.quality(grid, distances).to_json(),
        "random": {**by_chance.to_json(), "placements": RANDOM_PLACEMENTS},
    }


def _write_json(path: Path, values: dict[str, Any]) -> None:
    text = json.dumps(values, sort_keys=True, indent=2, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
