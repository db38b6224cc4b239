import json
from pathlib import Path
from typing import Any

import pytest

from ddnn.arithmetic import Arithmetic
from ddnn.demand import read_demand
from ddnn.errors import DemandError
from ddnn.params import load_params
from tasks import download
from tasks.stage import Stage

PARAMS = Path(__file__).parents[2] / "params.yaml"


def stage(out: Path, **overrides: Any) -> Stage:
    out.mkdir()
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    params = load_params(PARAMS, dotted)
    return Stage(params, {}, out, out, Arithmetic(1, "float32", "contiguous", "any"))


def matrix_stage(out: Path, path: Path) -> Stage:
    return stage(out, download__source="matrix", download__matrix__path=str(path))


def test_own_file_becomes_stored_demand_the_same_each_time(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("time,a,b\n2024-05-01,1,2\n2024-05-02,,4\n2024-05-03,3,6\n")
    for name in ("one", "two"):
        download.run(matrix_stage(tmp_path / name, path))
    demand = read_demand(tmp_path / "one")
    assert demand.values.tolist() == [[1, 2], [1, 4], [3, 6]]  # days: no value of a later one
    quality = json.loads((tmp_path / "one" / "quality.json").read_text())
    assert quality["gaps"]["repaired_by"] == {"previous": 1}
    names = sorted(each.name for each in (tmp_path / "one").iterdir())
    assert names == ["demand.json", "demand.parquet", "quality.json"]
    for name in names:
        first = (tmp_path / "one" / name).read_bytes()
        assert first == (tmp_path / "two" / name).read_bytes()
        assert str(tmp_path).encode() not in first


def test_city_becomes_stored_demand(tmp_path: Path) -> None:
    out = tmp_path / "out"
    download.run(stage(out, download__city={"squares": 3, "days": 1, "seed": 5}))
    assert read_demand(out).name == "city3"
    assert json.loads((out / "quality.json").read_text())["source"] == "city"


def test_refused_demand_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("time,a\n2024-05-01,1\n2024-05-02,-1\n")
    with pytest.raises(DemandError, match="row 3, column 'a'"):
        download.run(matrix_stage(tmp_path / "out", path))
    assert not list((tmp_path / "out").iterdir())
