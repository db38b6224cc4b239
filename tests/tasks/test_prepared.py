import json
from pathlib import Path

import numpy as np
import pytest

from ddnn.arithmetic import Arithmetic
from ddnn.demand import Scaling, write_demand
from ddnn.errors import ArtefactError, DemandError
from ddnn.grid import Grid
from ddnn.params import load_params
from tasks.prepared import prepare, read_and_split
from tasks.stage import Stage

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def stage(tmp_path: Path, make_demand) -> Stage:
    folders = {name: tmp_path / name for name in ("download", "grid")}
    for folder in folders.values():
        folder.mkdir()
    demand = make_demand()
    write_demand(demand, folders["download"])
    params = load_params(PARAMS)
    _, split = read_and_split(folders["download"], params)
    scaling = Scaling.fit(demand.values[: split.learn_slots.stop])
    write(folders["grid"], scaling, Grid.in_order(demand.vnfs))
    return Stage(params, folders, tmp_path, tmp_path, Arithmetic(1, "float32", "contiguous", "any"))


def write(folder: Path, scaling: Scaling, grid: Grid) -> None:
    (folder / "scaling.json").write_text(json.dumps(scaling.to_json()))
    (folder / "grid.json").write_text(json.dumps(grid.to_json()))


def test_all_that_stages_start_from(stage: Stage) -> None:
    prepared = prepare(stage)
    assert prepared.split.test == range(24 * 9, 24 * 14)
    learned = prepared.values_scaled[: prepared.split.learn_slots.stop]
    assert learned.min(axis=0).tolist() == [0] * 5
    assert learned.max(axis=0).tolist() == [1] * 5
    D, d = prepared.windows(prepared.split.test)
    assert (D.shape, d.shape) == ((120, 6, 5), (120, 5))
    assert np.array_equal(D[1, -1], d[0])
    assert prepared.cost(d, d).tolist() == [0] * 120


def test_other_grid_than_the_demands_is_refused(stage: Stage) -> None:
    write(stage.inputs["grid"], Scaling(np.zeros(4), np.ones(4)), Grid.in_order(4))
    with pytest.raises(ArtefactError, match="a grid of 4 VNFs for demand of 5"):
        prepare(stage)


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_damaged_grid_is_refused(stage: Stage, content: str | None) -> None:
    path = stage.inputs["grid"] / "grid.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(ArtefactError, match=r"grid\.json"):
        prepare(stage)


def test_short_demand_is_refused_by_name(stage: Stage, make_demand) -> None:
    write_demand(make_demand(slots=24 * 11), stage.inputs["download"])
    with pytest.raises(DemandError, match="demand tiny: 264 slots of 3600 s are too few"):
        prepare(stage)
