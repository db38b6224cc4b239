"""Allocations as the user's file: CSV or Parquet, in place only when it is whole."""

import csv
import itertools
import math
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ddnn.errors import ModelError, ParamsError
from ddnn.runtime.allocate import Allocation

ISO = "%Y-%m-%dT%H:%M:%SZ"
COLUMNS = ("time", "exit")
"""Columns before those of the series."""

_MINUTE, _DAY = 60, 86_400
_HEAD = 10_000  # characters of a row in which its time stamp is looked for
_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}(?:([T ])\d{2}:\d{2}(:\d{2})?(?:\.\d+)?\s*(.*))?")


def check_place(out: Path, demand: Path) -> None:
    """Refuse, before any work, a place where the table cannot be written.

    Raises:
        ParamsError: Another suffix than .csv or .parquet, no such folder, a folder in the file's
            place, or the demand file itself.
    """
    if out.suffix.lower() not in _WRITERS:
        raise ParamsError(f"--out {out}: end the name in .csv or .parquet")
    if not out.parent.is_dir():
        raise ParamsError(f"--out {out}: there is no folder {out.parent}; make it first")
    if out.is_dir():
        raise ParamsError(f"--out {out}: is a folder; name a file in it")
    if out.exists() and demand.exists() and out.samefile(demand):
        raise ParamsError(f"--out {out}: is the demand file itself; name another file")


def check_series(series: tuple[str, ...]) -> None:
    """Refuse series that bear the name of one of the table's own columns.

    Raises:
        ModelError: One does.
    """
    for name in COLUMNS:
        if name in series:
            raise ModelError(
                f"a series is named {name!r}, as is a column of the allocations; rename the series "
                "and train again"
            )


def write_table(allocation: Allocation, out: Path, time_format: str = ISO) -> None:
    """Write one row per slot: ``time``, ``exit`` (local or remote), one column per series.

    Whatever goes wrong, ``out`` is either the file that was there before or the whole new one.

    Args:
        allocation: What to write.
        out: CSV or Parquet, by its suffix.
        time_format: Of the CSV's time stamps; in Parquet they are time stamps in UTC.

    Raises:
        ParamsError: The file cannot be written.
    """
    draft = out.with_name(f".{out.name}.{os.getpid()}.draft")
    try:
        try:
            _WRITERS[out.suffix.lower()](allocation, draft, time_format)
            _sync(draft)
            draft.replace(out)
        finally:
            draft.unlink(missing_ok=True)
        _sync(out.parent)
    except OSError as error:
        raise ParamsError(f"--out {out}: cannot be written ({error.strerror or error})") from error


def time_format(demand: Path, start: int, slot_seconds: int) -> str:
    """Tell how a CSV writes its time stamps, as far as the same can be said of times in UTC.

    The first row gives the style; what it leaves out (seconds, the time of day) is left out only
    where every slot starts on a whole minute or a whole day.

    Args:
        demand: The file.
        start: Its first slot, epoch seconds.
        slot_seconds: Length of a slot.

    Returns:
        A format for strftime; that of ``2013-11-01T00:00:00Z`` for other offsets, epoch numbers
        and Parquet.
    """
    try:
        with demand.open(encoding="utf-8-sig", newline="") as file:
            lines = [line[:_HEAD] for line in itertools.islice(file, 1, 2)]
    except (OSError, UnicodeDecodeError):  # Parquet
        return ISO
    for cell in next(csv.reader(lines), []):
        if found := _STAMP.fullmatch(cell.strip()):
            return _format_of(found, math.gcd(start, slot_seconds))
    return ISO


def _format_of(stamp: re.Match[str], step: int) -> str:
    """Give the stamp's format, for times that are multiples of ``step`` seconds."""
    separator, seconds, offset = stamp.groups()
    if separator is None:
        return "%Y-%m-%d" if step % _DAY == 0 else "%Y-%m-%d %H:%M:%S"
    seconds = seconds or step % _MINUTE
    suffix = offset if offset in ("", "+00:00", "+0000", "+00") else "Z"
    return f"%Y-%m-%d{separator}%H:%M{':%S' if seconds else ''}{suffix}"


def _write_csv(allocation: Allocation, path: Path, time_format: str) -> None:
    times = pd.to_datetime(allocation.times, unit="s", utc=True).strftime(time_format)
    columns = {"time": times, "exit": _exits(allocation), **_amounts(allocation)}
    pd.DataFrame(columns).to_csv(path, index=False, lineterminator="\n")


def _write_parquet(allocation: Allocation, path: Path, time_format: str) -> None:
    times = pa.array(allocation.times * 1000, type=pa.timestamp("ms", tz="UTC"))
    columns = {"time": times, "exit": pa.array(_exits(allocation)), **_amounts(allocation)}
    pq.write_table(pa.table(columns), path)


def _exits(allocation: Allocation) -> NDArray[np.str_]:
    return np.where(allocation.local, "local", "remote")


def _amounts(allocation: Allocation) -> dict[str, NDArray[np.float64]]:
    return dict(zip(allocation.series, allocation.amounts.T, strict=True))


_WRITERS: dict[str, Callable[[Allocation, Path, str], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".pq": _write_parquet,
}


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
