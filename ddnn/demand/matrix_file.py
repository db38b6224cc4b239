"""A matrix file of the user's own, CSV or Parquet: a column of time stamps, a column per series."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ddnn.demand.repair import Indices, Rows
from ddnn.demand.selection import choose
from ddnn.demand.series import TIME, Floats
from ddnn.demand.stamps import looks_like_stamp, to_seconds
from ddnn.demand.text_file import TextFile, check_file, check_text, shown
from ddnn.errors import DemandError
from ddnn.params import SelectParams

TIME_NAMES = (TIME, "time_utc", "timestamp", "datetime", "date_time", "date")
"""Names of the time column, in any case, wherever it stands; else the first column is it."""

_PARQUET_MAGIC = b"PAR1"


def read_matrix(path: Path, select: SelectParams | None = None) -> Rows:
    """Read a matrix file; Parquet is told from CSV by its content, not by its name.

    Args:
        path: The file: R rows, a time column and M series, values in any unit.
        select: The series; None: all. Columns that are not chosen are neither read nor checked.

    Returns:
        R rows of M series, not yet checked for order, gaps or the range of the values.

    Raises:
        DemandError: The file cannot be read as such a matrix; the message names the place.
    """
    check_file(path)
    with path.open("rb") as file:
        magic = file.read(len(_PARQUET_MAGIC))
    if magic == _PARQUET_MAGIC or path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path, select)
    return _read_csv(path, select)


def write_matrix(path: Path, rows: Rows, columns: Indices) -> None:
    """Write some columns of a matrix as Parquet, as they are: gaps stay gaps."""
    times = pa.array(rows.times * 1000, type=pa.timestamp("ms", tz="UTC"))
    values = [pa.array(rows.values[:, column], from_pandas=True) for column in columns]
    names = [TIME, *(rows.series[column] for column in columns)]
    pq.write_table(pa.Table.from_arrays([times, *values], names=names), path, compression="zstd")


def _read_csv(path: Path, select: SelectParams | None) -> Rows:
    check_text(path)
    names = _header(path)
    place = _named_time_column(names) or 0
    time = names[place]
    series = names[:place] + names[place + 1 :]
    if looks_like_stamp(time):
        raise DemandError(
            f"{path}: row 1 is demand where the column names should be; add a header line: "
            "time, then a name for each series"
        )
    _check_names(path, series, time)
    used = None
    if select is not None:
        series = choose(select, series)
        used = [time, *series]
    file = TextFile(path, ",", names, text=frozenset([time]), header=True, used=used)
    table = file.read()

    def row(index: int) -> str:
        return f"{path}: row {file.line(index)}"

    return _rows(table, time, series, row)


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline()
    except UnicodeDecodeError as error:
        raise DemandError(
            f"{path}: row 1 is not text in UTF-8: a binary or damaged file, or another encoding; "
            "give CSV in UTF-8 or Parquet"
        ) from error
    names = [name.strip() for name in next(csv.reader([line]), [])]
    if len(names) < 2:
        others = [sign for sign in (";", "\t", "|") if sign in line]
        hint = f"separate fields with commas, not {shown(others[0])}" if others else "add one"
        raise DemandError(f"{path}: row 1 names no series beside the time column; {hint}")
    return names


def _check_names(path: Path, series: Sequence[str], time: str) -> None:
    seen = {time, TIME}  # demand.parquet's time column bears that name
    for name in series:
        if not name:
            raise DemandError(
                f"{path}: row 1, column {_position(series, '')}: the series has no name; "
                "give each one a name of its own"
            )
        if name in seen:
            raise DemandError(
                f"{path}: row 1, column {shown(name)}: the name occurs twice; give each series a "
                "name of its own"
            )
        seen.add(name)


def _position(series: Sequence[str], name: str) -> str:
    before = series[series.index(name) - 1] if series.index(name) else None
    return f"after {shown(before)}" if before else "of the first series"


def _named_time_column(names: Sequence[str]) -> int | None:
    lower = [name.lower() for name in names]
    return next((lower.index(name) for name in TIME_NAMES if name in lower), None)


def _read_parquet(path: Path, select: SelectParams | None) -> Rows:
    try:
        columns = None if select is None else _chosen_columns(pq.read_schema(path), select)
        table = pq.read_table(path, columns=columns, memory_map=False, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise DemandError(
            f"{path}: cannot be read as Parquet ({' '.join(str(error).split())}): a cut or damaged "
            "file, or another format; fetch or export it again"
        ) from error
    table = _with_range_index(table)
    if table.num_columns < 2:
        raise DemandError(f"{path}: a time column but no series in it; add one")
    time = _parquet_time_column(table.schema)
    series = [name for name in table.column_names if name != time]
    if table.num_columns - len(series) > 1:
        raise DemandError(f"{path}: column {shown(time)} occurs twice; keep one time column")
    series = choose(select, series)
    _check_names(path, series, time)
    _check_types(path, table.schema, series)
    if not table.num_rows:
        raise DemandError(f"{path}: no rows of demand in it; fetch or export it again")
    return _rows(table, time, series, lambda index: f"{path}: row {index + 1}")


def _chosen_columns(schema: pa.Schema, select: SelectParams) -> list[str] | None:
    """Name the columns that need be read, or None where only the whole table tells."""
    names: list[str] = list(schema.names)
    if len(set(names)) < len(names) or any(isinstance(one, dict) for one in _pandas_index(schema)):
        return None
    time = _parquet_time_column(schema)
    return [time, *choose(select, [name for name in names if name != time])]


def _parquet_time_column(schema: pa.Schema) -> str:
    names: list[str] = list(schema.names)
    named = _named_time_column(names)
    if named is not None:
        return names[named]
    stamped: list[str] = [field.name for field in schema if pa.types.is_temporal(field.type)]
    index = [name for name in _pandas_index(schema) if isinstance(name, str) and name in names]
    return (stamped + index + names)[0]


def _pandas_index(schema: pa.Schema) -> list[Any]:
    try:
        return list(schema.pandas_metadata["index_columns"])
    except (ValueError, TypeError, KeyError):  # no metadata, or none that pandas wrote
        return []


def _with_range_index(table: pa.Table) -> pa.Table:
    """Add the index that pandas keeps as metadata only: evenly spaced numbers, as epochs are."""
    index = _pandas_index(table.schema)
    if len(index) != 1 or not isinstance(index[0], dict) or index[0].get("kind") != "range":
        return table
    start, step = index[0].get("start"), index[0].get("step")
    # A plain 0, 1, 2... only counts the rows.
    if not (isinstance(start, int) and isinstance(step, int) and looks_like_stamp(str(start))):
        return table
    numbers = pa.array(start + step * np.arange(table.num_rows, dtype=np.int64))
    return table.append_column(TIME, numbers)


def _check_types(path: Path, schema: pa.Schema, series: Sequence[str]) -> None:
    for name in series:
        kind = schema.field(name).type
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if not (number or pa.types.is_decimal(kind) or pa.types.is_null(kind)):
            raise DemandError(
                f"{path}: row 1, column {shown(name)}: it holds {kind}, not numbers; write numbers "
                "there, or take the column out"
            )


def _rows(table: pa.Table, time: str, series: Sequence[str], row: Callable[[int], str]) -> Rows:
    times = to_seconds(table.column(time), row)
    values: Floats = np.empty((table.num_rows, len(series)))
    for index, name in enumerate(series):
        values[:, index] = table.column(name).cast(pa.float64(), safe=False).to_numpy()
    return Rows(times, values, tuple(series), row)
