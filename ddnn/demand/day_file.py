"""One raw Milano day file: tab separated, a row per square, slot and country code, no header.

Columns: square id, slot start (epoch ms, UTC), country code, SMS-in, SMS-out, call-in, call-out,
internet. An empty field is no activity, and a row without any activity is not written. So a
square's demand is the sum over its country codes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from ddnn.demand.day_blocks import COLUMNS, USED, Day, Ids, read_blocks
from ddnn.demand.series import Floats
from ddnn.demand.stamps import Row, to_seconds
from ddnn.demand.text_file import TextFile, check_file
from ddnn.errors import DemandError


def read_day(path: Path, squares: Sequence[int] | None = None) -> Day:
    """Read the internet activity of one day file.

    Args:
        path: The file.
        squares: Ids of the wanted squares; None: all.

    Returns:
        Sums over country codes, of those wanted squares that have a row.

    Raises:
        DemandError: The file is faulty; the message names the row.
    """
    check_file(path)
    day = read_blocks(path)
    if day is None:
        return read_strictly(path, squares)
    if squares is None:
        return day
    kept = np.isin(day.squares, squares)
    return Day(path, day.times, day.squares[kept], day.activity[:, kept], day.rows)


def read_strictly(path: Path, squares: Sequence[int] | None = None) -> Day:
    """Read as :func:`read_day` does, slowly: each row can be named.

    Raises:
        DemandError: The file is faulty; the message names the row.
    """
    file = TextFile(path, "\t", COLUMNS, frozenset(), header=False, used=USED, quoted=False)
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
    return Day(path, slots, present, sums, len(ids))


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
