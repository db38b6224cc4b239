"""The table of allocations is written whole or not at all, in the file's own style of time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ddnn.errors import ModelError, ParamsError
from ddnn.runtime.allocate import Allocation
from ddnn.runtime.table import ISO, check_place, check_series, time_format, write_table


@pytest.fixture
def allocation() -> Allocation:
    return Allocation(
        times=np.array([1383260400, 1383261000]),
        local=np.array([True, False]),
        amounts=np.array([[0.1, 1 / 3], [1e9, 0.0]]),
        series=("4142", "north, east"),
    )


def test_a_csv_has_one_row_per_slot(allocation: Allocation, tmp_path: Path) -> None:
    write_table(allocation, tmp_path / "out.csv")

    assert (tmp_path / "out.csv").read_text() == (
        'time,exit,4142,"north, east"\n'
        "2013-10-31T23:00:00Z,local,0.1,0.3333333333333333\n"
        "2013-10-31T23:10:00Z,remote,1000000000.0,0.0\n"
    )


def test_parquet_holds_the_same(allocation: Allocation, tmp_path: Path) -> None:
    write_table(allocation, tmp_path / "out.parquet")

    table = pd.read_parquet(tmp_path / "out.parquet")
    assert list(table.columns) == ["time", "exit", "4142", "north, east"]
    assert table["time"].iloc[1] == pd.Timestamp("2013-10-31T23:10:00Z")
    np.testing.assert_array_equal(table.iloc[:, 2:].to_numpy(), allocation.amounts)


def test_a_failure_leaves_the_old_table_and_no_other_file(
    allocation: Allocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.csv"
    out.write_text("old")

    def fail(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ddnn.runtime.table._sync", fail)
    with pytest.raises(ParamsError, match=r"out\.csv: cannot be written \(No space left"):
        write_table(allocation, out)

    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("out.txt", r"end the name in \.csv or \.parquet"),
        ("nowhere/out.csv", "there is no folder"),
        ("folder.csv", "is a folder"),
        ("demand.csv", "is the demand file itself"),
    ],
)
def test_a_place_that_cannot_be_is_refused(tmp_path: Path, name: str, said: str) -> None:
    demand = tmp_path / "demand.csv"
    demand.write_text("time,a\n")
    (tmp_path / "folder.csv").mkdir()

    with pytest.raises(ParamsError, match=rf"--out .*{name}: .*{said}"):
        check_place(tmp_path / name, demand)


def test_a_series_named_as_a_column_of_the_table_is_refused() -> None:
    with pytest.raises(ModelError, match="a series is named 'exit'"):
        check_series(("a", "exit"))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("2013-10-31T23:00:00Z,1.5", ISO),
        ("2013-10-31 23:00:00,1.5", "%Y-%m-%d %H:%M:%S"),
        ("2013-10-31 23:00,1.5", "%Y-%m-%d %H:%M"),
        ("7,2013-10-31T23:00:00+00:00", "%Y-%m-%dT%H:%M:%S+00:00"),
        ("2013-10-31T23:00:00+01:00,1.5", ISO),
        ("2013-10-31,1.5", "%Y-%m-%d"),
        ("1383260400,1.5", ISO),
    ],
)
def test_times_are_written_as_the_demand_writes_them(
    tmp_path: Path, row: str, expected: str
) -> None:
    (tmp_path / "demand.csv").write_text(f"time,a\n{row}\n")

    assert time_format(tmp_path / "demand.csv", 1383264000, 86_400) == expected


@pytest.mark.parametrize(
    ("row", "start", "slot_seconds", "expected"),
    [
        ("2013-11-01", 1383264000, 3600, "%Y-%m-%d %H:%M:%S"),
        ("2013-11-01", 1383264000, 129_600, "%Y-%m-%d %H:%M:%S"),
        ("2013-11-01", 1383264000, 604_800, "%Y-%m-%d"),
        ("2013-11-01 00:00", 1383264000, 30, "%Y-%m-%d %H:%M:%S"),
        ("2013-11-01 00:00", 1383264030, 60, "%Y-%m-%d %H:%M:%S"),
        ("2013-11-01T00:00Z", 1383264000, 30, ISO),
        ("2013-11-01 00:00", 1383264000, 600, "%Y-%m-%d %H:%M"),
    ],
)
def test_no_two_slots_are_written_alike(
    tmp_path: Path, row: str, start: int, slot_seconds: int, expected: str
) -> None:
    (tmp_path / "demand.csv").write_text(f"time,a\n{row},1.5\n")

    assert time_format(tmp_path / "demand.csv", start, slot_seconds) == expected


def test_times_for_parquet_are_written_as_iso(tmp_path: Path) -> None:
    (tmp_path / "demand.parquet").write_bytes(b"PAR1\xff\x00\n\xfe")

    assert time_format(tmp_path / "demand.parquet", 1383264000, 86_400) == ISO
