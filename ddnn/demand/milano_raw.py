"""A folder of raw Milano day files, as day_file.py reads them.

A square without a row in a slot that others have counts 0; a slot without any row at all is a gap
(the collection failed, not the whole city's demand); and a square without one row in a whole day
file is refused: files are sorted by square, and a cut one looks like this.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from ddnn.demand.day_blocks import Day, Ids
from ddnn.demand.day_file import read_day
from ddnn.demand.repair import Rows
from ddnn.demand.selection import draw, listed
from ddnn.demand.stamps import Seconds, iso
from ddnn.errors import DemandError
from ddnn.params import SelectParams


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


def read_folder(
    folder: Path, squares: Sequence[int] | None, select: SelectParams | None = None
) -> tuple[Rows, list[str]]:
    """Read the internet activity of all day files of a folder.

    Args:
        folder: Where the day files are.
        squares: Ids of the wanted squares, in the order of the series; None: all, by id.
        select: Another way to name them.

    Returns:
        Rows, one series per square, and warnings.

    Raises:
        DemandError: A file is faulty, a slot is in two files, or a square is not in all of them.
    """
    if squares is not None and len(set(squares)) < len(squares):
        raise DemandError("download.milano_raw.squares: a square occurs twice; name it once")
    if select is not None:
        squares = _selected(folder, select)
    days = [read_day(path, squares) for path in day_files(folder)]
    days.sort(key=lambda day: int(day.times[0]))
    check_slots_once(days)
    wanted = _common_squares(days, squares)
    values = np.concatenate([d.activity[:, np.searchsorted(d.squares, wanted)] for d in days])
    times = np.concatenate([day.times for day in days])

    def row(index: int) -> str:
        ends = np.cumsum([len(day.times) for day in days])
        day = days[int(np.searchsorted(ends, index, side="right"))]
        return f"{day.path}: slot {iso(times[index])}"

    names = tuple(str(square) for square in wanted)
    return Rows(times, values, names, row), _warnings(days)


def _selected(folder: Path, select: SelectParams) -> list[int]:
    if select.random is None:
        names = listed(select)
    else:  # from the squares that every day has, so all files are looked through first
        everywhere = read_day(day_files(folder)[0]).squares
        for path in day_files(folder)[1:]:
            everywhere = np.intersect1d(everywhere, read_day(path).squares)
        names = draw(select.random, select.seed, [str(square) for square in everywhere])
    try:
        return [int(name) for name in names]
    except ValueError as error:
        raise DemandError(f"download.select: {error}; Milano's squares have numbers") from error


class _WithSlots(Protocol):
    @property
    def path(self) -> Path: ...
    @property
    def times(self) -> Seconds: ...


def check_slots_once(days: Sequence[_WithSlots]) -> None:
    """Refuse days, in order of their first slots, that share slots or lie among each other.

    Raises:
        DemandError: Names both files.
    """
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


def _common_squares(days: Sequence[Day], squares: Sequence[int] | None) -> Ids:
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


def _warnings(days: Sequence[Day]) -> list[str]:
    return [
        f"{day.path.name}: the last line has no line break at its end; the file may be cut"
        for day in days
        if not _ends_with_line_break(day.path)
    ]


def _ends_with_line_break(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"
