from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddnn.demand import load_demand, source_files
from ddnn.demand.sources import name_from
from ddnn.errors import DemandError
from ddnn.params import DownloadParams


def download(**changes: Any) -> DownloadParams:
    values: dict[str, Any] = {
        "source": "matrix",
        "name": None,
        "timezone": "Europe/Rome",
        "unit": "GB",
        "gaps": {"policy": "previous", "longest": 2},
        "city": {"squares": 4, "days": 2, "seed": 1},
        "matrix": {"path": None},
        "milano_raw": {"folder": None, "squares": None},
    }
    return DownloadParams.model_validate(values | changes)


def matrix(path: Path, cells: list[str]) -> DownloadParams:
    rows = [f"{1383260400 + 3600 * slot},{cell}" for slot, cell in enumerate(cells)]
    path.write_text("time,a,still\n" + "\n".join(rows) + "\n")
    return download(matrix={"path": path})


def test_matrix_file_with_its_report(tmp_path: Path) -> None:
    settings = matrix(tmp_path / "mine.csv", ["1,7", ",7", "3,7"])
    demand, report = load_demand(settings)
    assert demand.values.tolist() == [[1, 7], [1, 7], [3, 7]]
    assert (demand.name, demand.unit, demand.timezone) == ("mine", "GB", "Europe/Rome")
    assert report.constant == ("still",)
    assert len(report.warnings) == 1
    assert "still" in report.warnings[0]
    assert report.to_json(demand, settings.gaps) == {
        "source": "matrix",
        "name": "mine",
        "rows": 3,
        "slots": 3,
        "series": 2,
        "slot_seconds": 3600,
        "first_slot": "2013-10-31T23:00:00Z",
        "last_slot": "2013-11-01T01:00:00Z",
        "gaps": {
            "policy": "previous",
            "longest_allowed": 2,
            "longest_found": 1,
            "missing_slots": 0,
            "empty_cells": 1,
            "repaired_cells": 1,
            "repaired_by": {"previous": 1},
        },
        "constant_series": ["still"],
        "warnings": list(report.warnings),
    }
    assert source_files(settings) == [tmp_path / "mine.csv"]


def test_raw_folder(tmp_path: Path) -> None:
    for day in (2, 1):
        slots = range(2 * day, 2 * day + 2)
        lines = [f"5\t{(1383260400 + 600 * s) * 1000}\t39\t\t\t\t\t{s}\n" for s in slots]
        (tmp_path / f"{day}.tsv").write_text("".join(lines))
    settings = download(
        source="milano_raw", name="mi", milano_raw={"folder": tmp_path, "squares": [5]}
    )
    demand, report = load_demand(settings)
    assert demand.values.tolist() == [[2], [3], [4], [5]]
    assert (demand.name, demand.series, report.source) == ("mi", ("5",), "milano_raw")
    assert source_files(settings) == [tmp_path / "1.tsv", tmp_path / "2.tsv"]


def test_city_needs_no_file() -> None:
    demand, report = load_demand(download(source="city"))
    assert (demand.vnfs, demand.name, demand.unit) == (4, "city4", "GB")
    assert demand.slots == 2 * demand.slots_per_day
    assert report.repairs.cells == {}
    assert source_files(download(source="city")) == []
    again, _ = load_demand(download(source="city"))
    assert np.array_equal(again.values, demand.values)


def test_sources_that_are_not_there_are_refused(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    for settings in (
        download(matrix={"path": absent}),
        download(source="milano_raw", milano_raw={"folder": absent, "squares": None}),
    ):
        with pytest.raises(DemandError, match="absent: no such"):
            source_files(settings)
        with pytest.raises(DemandError, match="absent: no such"):
            load_demand(settings)


def test_the_bytes_of_a_polygon_decide_the_demand(tmp_path: Path) -> None:
    area = tmp_path / "area.geojson"
    settings = download(source="milano", select={"polygon": area})
    with pytest.raises(DemandError, match=r"area\.geojson: no such file"):
        source_files(settings)
    area.write_text("{}")
    assert source_files(settings) == [area]
    assert source_files(download(source="milano")) == []


def test_milano_needs_a_place_for_its_days() -> None:
    with pytest.raises(DemandError, match=r"download\.milano\.folder: not given"):
        load_demand(download(source="milano"))


@pytest.mark.parametrize(
    ("stem", "name"),
    [("a b (1)", "a-b-1"), ("plain-2.x", "plain-2.x"), ("_x", "x"), ("数据", "demand")],
)
def test_names_are_fit_for_folders_and_trackers(stem: str, name: str) -> None:
    assert name_from(stem) == name
