"""What most stages start from: demand, its split by days, scaled, on its grid, with its cost."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ddnn.cost import AllocationCost, from_params
from ddnn.demand import Demand, Scaling, Split, read_demand, split_by_days, windows
from ddnn.errors import ArtefactError, DemandError
from ddnn.grid import Grid
from ddnn.params import Params
from tasks.stage import Stage


@dataclass(frozen=True)
class Prepared:
    """Demand and all that every learning or judging stage needs with it."""

    demand: Demand
    split: Split
    scaling: Scaling
    """Of the stage grid: learned on training days only."""
    grid: Grid
    cost: AllocationCost
    """Hard cost, on scaled demand."""
    values_scaled: npt.NDArray[np.float64]
    """(T, M), in full scales of each VNF."""
    N: int
    """Past slots that a decision sees."""

    def windows(self, targets: range) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Cut scaled windows D (K, N, M) and the demand d (K, M) that the ``targets`` meet."""
        return windows(self.values_scaled, targets, self.N)


def prepare(stage: Stage) -> Prepared:
    """Read the outputs of ``download`` and ``grid``, and derive the rest.

    Reads the settings ``split``, ``setting.N`` and those of the cost, no others.

    Raises:
        ArtefactError: An output is missing or damaged, or the two do not fit.
        DemandError: The demand is too short for the split.
        ParamsError: A cost has one number per VNF, but not as many as there are.
    """
    demand, split = read_and_split(stage.inputs["download"], stage.params)
    scaling = Scaling.from_json(_read_json(stage.inputs["grid"] / "scaling.json"))
    grid = Grid.from_json(_read_json(stage.inputs["grid"] / "grid.json"))
    if not len(scaling.span) == len(grid.cells) == demand.vnfs:
        raise ArtefactError(
            f"{stage.inputs['grid']}: a grid of {len(grid.cells)} VNFs for demand of "
            f"{demand.vnfs}; run the stage grid again"
        )
    return Prepared(
        demand=demand,
        split=split,
        scaling=scaling,
        grid=grid,
        cost=from_params(stage.params.setting, demand.vnfs),
        values_scaled=scaling.scale(demand.values),
        N=stage.params.setting.N,
    )


def read_and_split(folder: Path, params: Params) -> tuple[Demand, Split]:
    """Read stored demand and split it by days; all that the stage grid starts from.

    Reads the settings ``split`` and ``setting.N``, no others.

    Raises:
        ArtefactError: The stored demand is missing or damaged.
        DemandError: It is too short for N or for the split.
    """
    demand = read_demand(folder)
    days = params.split
    try:
        split = split_by_days(
            demand.slots,
            demand.slot_seconds,
            params.setting.N,
            days.test_days,
            days.validation_days,
            days.calibration_days,
            days.paper_test_slots,
        )
    except DemandError as error:
        raise DemandError(f"demand {demand.name}: {error}") from error
    return demand, split


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{path}: cannot be read ({error}); run its stage again") from error
    if not isinstance(values, dict):
        raise ArtefactError(f"{path}: holds no JSON object; run its stage again")
    return values
