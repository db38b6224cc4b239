"""Raw Milano day files: tab separated, a row per square, slot and country code, no header.

Columns: square id, slot start (epoch ms, UTC), country code, SMS-in, SMS-out, call-in, call-out,
internet. An empty field is no activity, and a row without any activity is not written. So a
square's demand is the sum over its country codes; a square without a row in a slot that others
have counts 0; a slot without any row at all is a gap (the collection failed, not the whole city's
demand); and a square without one row in a whole day file is refused: files are sorted by square,
and a cut one looks like this.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ddnn.demand.repair import Rows
from ddnn.demand.series import Floats
from ddnn.demand.stamps import Row, Seconds, iso, to_seconds
from ddnn.demand.text_file import TextFile, check_file
from ddnn.errors import DemandError

Ids = npt.NDArray[np.int64]
COLUMNS = ("square", "time", "country", "SMS-in", "SMS-out", "call-in", "call-out", "internet")
_USED = ("square", "time", "country", "internet")


@dataclass(frozen=True)
class _Day:
    """What one file holds: sums over country codes."""

    path: Path
    times: Seconds
    """(R,), in order."""
    squares: Ids
    """(S,), in order: those with a row in the file."""
    activity: Floats
    """(R, S)."""


def day_files(folder: Path) -> list[Path]:
    """List the day files of a folder, ``*.txt`` and ``*.tsv``, by name.

    Raises:
        DemandError: The folder is missing, or none is in it.
    """
    if not folder.is_dir():
        raise DemandError(f"{folder}: no such folder; check download.milano_raw.folder")
    files = sorted(path for path in folder.iterdir() if path.suffix in (".txt", ".tsv"))
    if not files:
        raise DemandError(f"{folder}: no day file (*.txt or *.tsv) in it; fetch them first")
    return files


def read_folder(folder: Path, squares: Sequence[int] | None) -> tuple[Rows, list[str]]:
    """Read the internet activity of all day files of a folder.

    Args:
        folder: Where the day files are.
        squares: Ids of the wanted squares, in the order of the series; None: all, by id.

    Returns:
        Rows, one series per square, and warnings.

    Raises:
        DemandError: A file is faulty, a slot is in two files, or a square is not in all of them.
    """
    if squares is not None and len(set(squares)) < len(squares):
        raise DemandError("download.milano_raw.squares: a square occurs twice; name it once")
    days = [_read_day(path, squares) for path in day_files(folder)]
    days.sort(key=lambda day: int(day.times[0]))
    _check_slots_once(days)
    wanted = _common_squares(days, squares)
    values = np.concatenate([d.activity[:, np.searchsorted(d.squares, wanted)] for d in days])
    times = np.concatenate([day.times for day in days])

    def row(index: int) -> str:
        ends = np.cumsum([len(day.times) for day in days])
        day = days[int(np.searchsorted(ends, index, side="right"))]
        return f"{day.path}: slot {iso(times[index])}"

    names = tuple(str(square) for square in wanted)
    return Rows(times, values, names, row), _warnings(days)


def _read_day(path: Path, squares: Sequence[int] | None) -> _Day:
    check_file(path)
    file = TextFile(path, "\t", COLUMNS, frozenset(), header=False, used=_USED, quoted=False)
    table = file.read()

    def row(index: int) -> str:
        return f"{path}: row {file.line(index)}"

    times = to_seconds(table.column("time"), row)
    ids, country = (_whole_numbers(table, name, row) for name in ("square", "country"))
    internet = table.column("internet").fill_null(0.0).to_numpy()
    _check_activity(internet, row)
    kept = np.arange(len(ids)) if squares is None else np.flatnonzero(np.isin(ids, squares))
    # A slot is there when any square has a row in it, wanted or not.
    slots, slot_of = np.unique(times, return_inverse=True)
    present, square_of = np.unique(ids[kept], return_inverse=True)
    cell = slot_of[kept] * len(present) + square_of
    _check_rows_once(cell, country, kept, row)
    sums: Floats = np.zeros((len(slots), len(present)))
    np.add.at(sums.reshape(-1), cell, internet[kept])
    return _Day(path, slots, present, sums)


def _whole_numbers(table: pa.Table, name: str, row: Row) -> Ids:
    numbers = table.column(name).to_numpy()  # an empty field is NaN here
    wrong = ~(np.abs(numbers) < 2**53) | (np.trunc(numbers) != numbers)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise DemandError(
            f"{row(index)}, column {name!r}: {numbers[index]:g} is no whole number; "
            "fetch the file again"
        )
    return np.asarray(numbers, dtype=np.int64)


def _check_activity(internet: Floats, row: Row) -> None:
    wrong = ~((internet >= 0) & (internet < np.inf))
    if wrong.any():
        index = int(np.argmax(wrong))
        raise DemandError(
            f"{row(index)}, column 'internet': demand is negative or infinite "
            f"({internet[index]:g}); correct it, or leave the field empty"
        )


def _check_rows_once(cell: Ids, country: Ids, kept: Ids, row: Row) -> None:
    keys = pd.DataFrame({"cell": cell, "country": country[kept]})
    repeated = keys.duplicated().to_numpy()
    if repeated.any():
        raise DemandError(
            f"{row(int(kept[np.argmax(repeated)]))}: square, slot and country code repeat those of "
            "an earlier row; keep one of them"
        )


def _check_slots_once(days: Sequence[_Day]) -> None:
    for before, after in pairwise(days):
        common = np.intersect1d(before.times, after.times)
        if len(common):
            raise DemandError(
                f"{after.path}: slot {iso(common[0])} is in {before.path.name} as well; keep one "
                "of the two files"
            )
        if before.times[-1] > after.times[0]:
            raise DemandError(
                f"{after.path}: its slots lie among those of {before.path.name}; give one file "
                "for each day"
            )


def _common_squares(days: Sequence[_Day], squares: Sequence[int] | None) -> Ids:
    wanted = np.unique(np.concatenate([day.squares for day in days]))
    if squares is not None:
        wanted = np.asarray(squares, dtype=np.int64)
    for day in days:
        absent = wanted[~np.isin(wanted, day.squares)]
        if len(absent):
            raise DemandError(
                f"{day.path}: no row for square {absent[0]}: a cut file, or no such square; fetch "
                "the file again, or name other squares in download.milano_raw.squares"
            )
    return wanted


def _warnings(days: Sequence[_Day]) -> list[str]:
    return [
        f"{day.path.name}: the last line has no line break at its end; the file may be cut"
        for day in days
        if not _ends_with_line_break(day.path)
    ]


def _ends_with_line_break(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"
