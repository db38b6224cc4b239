# ruff: noqa: PD011  (values are a Demand's, not a data frame's)
import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ddnn.demand import Demand, load_matrix
from ddnn.errors import DemandError
from ddnn.params import GapParams, SelectParams

START = 1383264000  # 2013-11-01T00:00:00Z


def load(path: Path, policy: str = "interpolate", longest: int = 3) -> Demand:
    gaps = GapParams(policy=policy, longest=longest)
    return load_matrix(path, gaps=gaps, name=None, unit="GB", timezone="UTC")[0]


def table(rows: int = 6) -> list[list[str]]:
    """Cells of a good file: 10-minute slots, series a and b."""
    stamps = [f"2013-11-01T{slot // 6:02d}:{slot % 6}0:00Z" for slot in range(rows)]
    return [["time", "a", "b"]] + [[t, f"{i}.5", f"{10 + i}"] for i, t in enumerate(stamps)]


def text(cells: list[list[str]]) -> str:
    return "".join(",".join(row) + "\n" for row in cells)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_csv_is_read_with_its_names_units_and_times(tmp_path: Path) -> None:
    demand = load(write(tmp_path / "my file.csv", text(table())))
    assert demand.values.tolist() == [[i + 0.5, i + 10.0] for i in range(6)]
    assert (demand.series, demand.unit, demand.name) == (("a", "b"), "GB", "my-file")
    assert (demand.start, demand.slot_seconds) == (START, 600)


@pytest.mark.parametrize(
    "stamp",
    [
        "2013-11-01 00:{m:02d}",
        "2013-11-01T00:{m:02d}:00",
        "2013-11-01T01:{m:02d}:00+01:00",
        "2013-11-01T00:{m:02d}:00.000Z",
        '"2013-11-01 00:{m:02d}:00+0000"',
        "{s}",
        "{s}.0",
        "{s}000",
    ],
)
def test_time_stamps_in_every_form(tmp_path: Path, stamp: str) -> None:
    rows = [stamp.format(m=10 * i, s=START + 600 * i) + f",{i}" for i in range(4)]
    demand = load(write(tmp_path / "d.csv", "when,a\n" + "\n".join(rows)))
    assert demand.times.tolist() == [START + 600 * i for i in range(4)]


@pytest.mark.parametrize(("header", "series"), [("a,Time,b", ("a", "b")), (",a,b", ("a", "b"))])
def test_time_column_by_name_or_the_first(
    tmp_path: Path, header: str, series: tuple[str, ...]
) -> None:
    place = header.split(",").index("Time") if "Time" in header else 0
    rows = []
    for day in range(1, 4):
        cells = [str(day), str(day)]
        cells.insert(place, f"2013-11-0{day}")
        rows.append(",".join(cells))
    demand = load(write(tmp_path / "d.csv", "\n".join([header, *rows])))
    assert (demand.series, demand.slot_seconds) == (series, 86400)
    assert demand.values.tolist() == [[1, 1], [2, 2], [3, 3]]


def test_byte_order_mark_windows_line_ends_quotes_and_blank_lines(tmp_path: Path) -> None:
    cells = table()
    cells[0] = ["time", '"a"', '"b, c"']
    content = "\ufeff" + text(cells).replace("\n", "\r\n") + "\r\n\r\n"
    assert load(write(tmp_path / "d.csv", content)).series == ("a", "b, c")


def frame() -> pd.DataFrame:
    index = pd.date_range("2013-11-01", periods=6, freq="10min", tz="UTC")
    return pd.DataFrame({"a": np.arange(6.0), "b": np.arange(6)}, index=index)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f,
        lambda f: f.rename_axis("slot"),
        lambda f: f.rename_axis("slot").reset_index(),
        lambda f: f.tz_convert("Europe/Rome"),
        lambda f: f.tz_localize(None),
        lambda f: f.set_index(START + 600 * np.arange(6)).rename_axis("s"),
        lambda f: f.set_index(f.index.strftime("%Y-%m-%dT%H:%M:%SZ")).rename_axis("s"),
    ],
)
def test_parquet_with_every_kind_of_time(tmp_path: Path, change) -> None:
    change(frame()).to_parquet(tmp_path / "d.parquet")
    demand = load(tmp_path / "d.parquet")
    assert demand.series == ("a", "b")
    assert (demand.start, demand.slot_seconds) == (START, 600)
    assert demand.values.tolist() == [[i, i] for i in range(6)]


def test_parquet_empty_cells_are_gaps(tmp_path: Path) -> None:
    holed = frame()
    holed.loc[holed.index[2], "a"] = np.nan
    holed.to_parquet(tmp_path / "d.parquet")
    assert load(tmp_path / "d.parquet").values[2, 0] == 2


def changed(row: int, column: int, cell: str) -> str:
    cells = table()
    cells[row - 1][column] = cell
    return text(cells)


def row_replaced(row: int, line: str) -> str:
    lines = text(table()).splitlines()
    lines[row - 1] = line
    return "\n".join(lines) + "\n"


HEADER, GOOD = "time,a,b\n", text(table())
BAD = {
    "empty": ("", "is empty"),
    "only a header": (HEADER, "no rows of demand"),
    "a header without line break": (HEADER[:-1], "no rows of demand"),
    "quote left open": (changed(4, 1, '"1'), "row 4: a double quote is left open"),
    "binary": (b"PK\x03\x04\x00\x00 zip", "line 1 is not text"),
    "binary further down": (GOOD.encode() + b"\x00\x01", "line 8 is not text"),
    "other encoding": ("time,stra\xdfe\n".encode("latin-1"), "row 1 is not text in UTF-8"),
    "cut in the last row": (GOOD[:-4], "the last row 7 has 2 fields, expected 3"),
    "cut in the last stamp": (GOOD[:-12], "the last row 7 has 1 fields, expected 3"),
    "too few fields": (row_replaced(4, "2013-11-01T00:20:00Z,1"), "row 4 has 2 fields"),
    "too many fields": (row_replaced(4, "2013-11-01T00:20:00Z,1,2,3"), "row 4 has 4 fields"),
    "unsorted": (changed(5, 0, "2013-11-01T00:00:00Z"), "row 5: .*earlier than the one before"),
    "duplicate stamp": (changed(5, 0, "2013-11-01T00:20:00Z"), "row 5: .*00:20:00Z repeats"),
    "irregular": (changed(5, 0, "2013-11-01T00:31:00Z"), "row 5: .*660 s after.* slot of 600 s"),
    "part of a second": (changed(3, 0, "2013-11-01T00:10:00.5Z"), "row 3: .*between two seconds"),
    "no stamp": (changed(4, 0, "yesterday"), "row 4: 'yesterday' is no time stamp"),
    "the word now": (changed(4, 0, "now"), "row 4: 'now' is no time stamp"),
    "no such day": (changed(4, 0, "2013-11-31T00:30:00Z"), "row 4: .* is no time stamp"),
    "stamp missing": (changed(4, 0, ""), "row 4: the time stamp is missing"),
    "date as a number": ("time,a\n20131101,1\n20131102,1\n", "row 2: 20131101 is no epoch time"),
    "microseconds": (f"time,a\n{START}000000,1\n", "row 2: .* is no epoch time"),
    "text among epochs": (f"time,a\n{START},1\nx,1\n", "row 3: 'x' is no time stamp"),
    "infinite": (changed(4, 2, "inf"), "row 4, column 'b': demand is infinite|'inf' is not a"),
    "overflowing": (changed(4, 2, "1e999"), "row 4, column 'b': demand is infinite"),
    "negative": (changed(4, 2, "-0.5"), r"row 4, column 'b': demand is negative \(-0.5\)"),
    "text": (changed(4, 1, "many"), "row 4, column 'a': 'many' is not a number"),
    "nan": (changed(4, 1, "nan"), "row 4, column 'a': 'nan' is not a number"),
    "NaN in quotes": (changed(4, 1, '"NaN"'), "row 4, column 'a': 'NaN' is not a number"),
    "null": (changed(4, 1, "NULL"), "row 4, column 'a': 'NULL' is not a number"),
    "a blank": (changed(4, 1, " "), "row 4, column 'a': ' ' is not a number"),
    "decimal comma": (changed(4, 1, '"1,5"'), "row 4, column 'a': '1,5' is not a number"),
    "duplicate names": (GOOD.replace("a,b", "a,a", 1), "row 1, column 'a': the name occurs twice"),
    "time twice": (GOOD.replace("a,b", "a,time", 1), "row 1, column 'time': .* occurs twice"),
    "empty name": (GOOD.replace("a,b", "a,", 1), "row 1, column after 'a': .* no name"),
    "no series": ("time\n2013-11-01\n", "row 1 names no series"),
    "semicolons": (GOOD.replace(",", ";"), "separate fields with commas, not ';'"),
    "blank first line": ("\n" + GOOD, "row 1 names no series"),
    "no header": (text(table()[1:]), "row 1 is demand where the column names should be"),
    "one slot": (text(table(1)), "row 2: one slot only"),
    "missing slots": (text(table(9)[:3] + table(9)[7:]), "row 4: 4 slots are missing before it"),
    "centuries missing": (changed(7, 0, "2313-11-01T00:00:00Z"), "row 7: .* slots are missing"),
    "blank line before the fault": (
        changed(3, 2, "-1").replace("time,a,b\n", "time,a,b\n\n\n"),
        "row 5, column 'b': demand is negative",
    ),
    "whole column empty": (
        "time,a,b\n" + "".join(f"{row[0]},1,\n" for row in table()[1:]),
        "column 'b': the whole column is empty",
    ),
}


@pytest.mark.parametrize(("content", "said"), BAD.values(), ids=BAD.keys())
def test_bad_files_are_refused_in_one_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    path = write(tmp_path / "d.csv", content)
    with pytest.raises(DemandError, match=said) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) - len(str(path)) < 280


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DemandError, match=r"absent\.csv: no such file"):
        load(tmp_path / "absent.csv")
    with pytest.raises(DemandError, match="is a folder"):
        load(tmp_path)


def test_long_gap_names_its_first_row(tmp_path: Path) -> None:
    cells = table(9)
    for row in range(3, 7):
        cells[row][1] = ""
    path = write(tmp_path / "d.csv", text(cells))
    with pytest.raises(DemandError, match=r"row 4, column 'a': 4 slots in a row .*00:20:00Z"):
        load(path)
    assert load(path, longest=4).values[:, 0].tolist() == [i + 0.5 for i in range(9)]


def parquet(path: Path, **columns: object) -> Path:
    times = pa.array(1000 * (START + 600 * np.arange(4)), pa.timestamp("ms", tz="UTC"))
    pq.write_table(pa.table({"time": times, **columns}), path)
    return path


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"a": ["1", "2", "3", "4"]}, "row 1, column 'a': it holds string"),
        ({"a": [[1.0]] * 4}, "row 1, column 'a': it holds list"),
        ({"a": [1.0, -1.0, 0.0, 0.0]}, "row 2, column 'a': demand is negative"),
        ({"a": [1.0, np.inf, 0.0, 0.0]}, "row 2, column 'a': demand is infinite"),
        ({"": [1.0, 1.0, 0.0, 0.0]}, "no name"),
        ({}, "no series"),
    ],
)
def test_bad_parquet_is_refused(tmp_path: Path, columns: dict[str, object], said: str) -> None:
    path = parquet(tmp_path / "d.parquet", **columns)
    with pytest.raises(DemandError, match=said) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_cut_and_false_parquet_are_refused(tmp_path: Path) -> None:
    whole = parquet(tmp_path / "d.parquet", a=[1.0, 2.0, 3.0, 4.0]).read_bytes()
    for wrong in (whole[:-20], whole[: len(whole) // 2], b"time,a\n2013-11-01,1\n"):
        path = write(tmp_path / "d.parquet", wrong)
        with pytest.raises(DemandError, match=r"d\.parquet: cannot be read as Parquet"):
            load(path)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_chosen_series_are_read_and_no_others(tmp_path: Path, suffix: str) -> None:
    names = [f"s{index}" for index in range(20)]
    columns: dict[str, object] = {name: [index, index + 0.5] for index, name in enumerate(names)}
    data = pd.DataFrame({"time": [START, START + 600], **columns, "text": ["no", "number"]})
    path = tmp_path / f"d.{suffix}"
    if suffix == "csv":
        data.to_csv(path, index=False)
    else:
        data.to_parquet(path, index=False)
    gaps = GapParams(policy="previous", longest=0)

    def chosen(**way: object) -> Demand:
        select = SelectParams.model_validate(way)
        return load_matrix(path, gaps=gaps, name=None, unit="", timezone="UTC", select=select)[0]

    demand = chosen(squares=["s7", "s3"])
    assert demand.series == ("s7", "s3")
    assert demand.values.tolist() == [[7, 3], [7.5, 3.5]]
    with pytest.raises(DemandError, match="no such series in this demand: s20"):
        chosen(squares=["s20"])
    with pytest.raises(DemandError, match="no such series in this demand: 1"):
        chosen(block=[1, 2])
    with pytest.raises(DemandError, match="22 series are wanted, but there are 21"):
        chosen(random=22)
    data.drop(columns="text").to_parquet(path, index=False)
    drawn = chosen(random=5, seed=1)
    assert drawn.vnfs == 5
    assert [int(name[1:]) for name in drawn.series] == drawn.values[0].tolist()
    assert set(drawn.series) < set(chosen(random=9, seed=1).series)


def test_series_are_chosen_beside_an_index_that_pandas_kept(tmp_path: Path) -> None:
    index = pd.RangeIndex(START, START + 1800, 600)
    pd.DataFrame({"a": [1.0, 2, 3], "b": [4.0, 5, 6]}, index=index).to_parquet(tmp_path / "d")
    gaps, select = GapParams(policy="previous", longest=0), SelectParams(squares=["b"])
    demand = load_matrix(
        tmp_path / "d", gaps=gaps, name=None, unit="", timezone="UTC", select=select
    )[0]
    assert (demand.series, demand.values.tolist()) == (("b",), [[4], [5], [6]])


def test_a_wide_file_is_read_fast_enough_to_be_used(tmp_path: Path) -> None:
    values = np.arange(30 * 2000, dtype=np.float64).reshape(30, 2000)
    lines = ["time," + ",".join(f"s{i}" for i in range(2000))]
    lines += [f"{START + 600 * i}," + ",".join(map(str, row)) for i, row in enumerate(values)]
    assert np.array_equal(load(write(tmp_path / "d.csv", "\n".join(lines))).values, values)


@pytest.mark.milano
def test_real_squares_are_read_as_they_stand(milano_dir: Path) -> None:
    path = milano_dir / "internet-10min-25squares-2013-11.csv"
    demand = load(path)
    with path.open() as file:
        header, *plain = csv.reader(file)
    assert demand.values.shape == (4320, 25)
    assert demand.series == tuple(header[1:])
    assert demand.values.tolist() == [[float(cell) for cell in row[1:]] for row in plain]
    assert (demand.start, demand.slot_seconds) == (1383260400, 600)
