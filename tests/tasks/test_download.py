import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.dataverse_server import DOI, Dataverse
from benchmarks.milano_days import day_name, write_day
from ddnn.arithmetic import Arithmetic
from ddnn.demand import read_demand
from ddnn.demand.day_file import read_strictly
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


# sha256 of what the stage gave before `download.select` was there: results of long computations
# are found by these bytes. Those of Parquet are one release's of pyarrow.
BEFORE = {
    "city": {
        "demand.json": "6a2901d1c53867b1b5905535fd12af3f41126a7f3bb9a97b1c50fdf67329043f",
        "demand.parquet": "8d81025ba76d62cdf4cca5af13a981344f4564002c718889adb51457a576135c",
        "quality.json": "be19ca7a2addcb2705465b0c6cc5391d432d63cb854569a0ba8f08b0bfa0d814",
    },
    "matrix": {
        "demand.json": "bd3dd3c354e6543f26bb1e845377eb6962666e7b6b0e3d6cdb688d5a0b869bdd",
        "demand.parquet": "e55ae67e65a1085c9240bdb940b4712c2e062e281e06fb10cf78014fa6a33855",
        "quality.json": "be8f36c39077509d5dfab2ef56bc87e1b0912442a2835d58517f3103e0441469",
    },
}


@pytest.mark.parametrize("source", BEFORE)
def test_without_a_selection_not_a_byte_is_other_than_before(tmp_path: Path, source: str) -> None:
    if source == "city":
        made = stage(tmp_path / "out", download__city={"squares": 3, "days": 1, "seed": 5})
    else:
        path = tmp_path / "mine.csv"
        path.write_text("time,a,b\n2024-05-01,1,2\n2024-05-02,,4\n2024-05-03,3,6\n")
        made = matrix_stage(tmp_path / "out", path)
    assert made.params.download.select is None
    download.run(made)
    for name, digest in BEFORE[source].items():
        if name != "demand.parquet" or pa.__version__ == "25.0.1":
            content = (tmp_path / "out" / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest, name


def test_a_selection_of_a_files_series(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("time,a,b,c\n2024-05-01,1,2,x\n2024-05-02,3,4,x\n")
    made = stage(
        tmp_path / "out",
        download__source="matrix",
        download__matrix__path=str(path),
        download__select={"squares": ["b", "a"]},
    )
    download.run(made)
    demand = read_demand(tmp_path / "out")
    assert demand.series == ("b", "a")
    assert demand.values.tolist() == [[2, 1], [4, 3]]  # and c is not even looked at
    assert demand.name.startswith("mine-2series-")


def test_one_setting_fetches_the_city_and_draws_the_papers_squares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DDNN_HOME", str(tmp_path / "home"))
    published = tmp_path / "published"
    published.mkdir()
    for day in range(2):
        write_day(published / day_name(day), day, squares=120)
    params = load_params(PARAMS)
    paper = params.paper.demands["milano49"]
    with Dataverse(published) as server:
        place = {"download.milano.server": server.url, "download.milano.doi": DOI}
        params = load_params(PARAMS, {**paper, **place})
        for name in ("one", "two"):
            out = tmp_path / name
            out.mkdir()
            download.run(Stage(params, {}, out, out, Arithmetic(1, "float32", "contiguous", "any")))
        requests = len(server.asked)
    assert requests == 2  # the second run needed no network
    demand = read_demand(tmp_path / "one")
    assert (demand.vnfs, demand.slots, demand.name) == (49, 288, "milano49")
    numbers = [int(name) for name in demand.series]
    assert numbers == sorted(numbers)
    assert numbers != list(range(1, 50))
    expected = read_strictly(published / day_name(1)).activity[:, [n - 1 for n in numbers]]
    assert np.array_equal(demand.values[144:], expected)
    quality = json.loads((tmp_path / "one" / "quality.json").read_text())
    assert quality["milano"]["host"] == "dataverse"
    assert [file["name"] for file in quality["milano"]["files"]] == [day_name(0), day_name(1)]
    assert quality["milano"]["time_zone"]["days_from_midnight_to_midnight"] == 2
    for name in ("demand.parquet", "demand.json", "quality.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert f"download: {day_name(0)} is here" in capsys.readouterr().err
