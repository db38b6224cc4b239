"""Time stamps: ISO 8601 or epoch, brought to regular slots in epoch seconds (UTC)."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ddnn.errors import DemandError

Seconds = npt.NDArray[np.int64]
Row = Callable[[int], str]
"""Names a row by its index, for a message: ``data.csv: row 7``."""

# Stricter than pandas, which takes `now`, `2013` or `20131101` for a time as well.
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s*([Zz]|[+-]\d{2}(:?\d{2})?)?)?$"
_NUMBER = r"^[+-]?\d+(\.\d*)?$"
# 1973 to 2100, so that 20131101 (a date without dashes) is not read as a second of 1970.
_EPOCH_S = (1e8, 4.2e9)
_EPOCH_MS = (1e11, 4.2e12)
_WAY_OUT = "write ISO stamps (2013-11-01T00:00:00Z), epoch seconds or epoch milliseconds"


def iso(seconds: int) -> str:
    """Write epoch seconds as an ISO stamp in UTC."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s"


def looks_like_stamp(text: str) -> bool:
    """Tell whether a cell is a time stamp, as where a file has no header."""
    if re.match(_ISO, text.strip()):
        return True
    try:
        number = float(text)
    except ValueError:
        return False
    return _EPOCH_S[0] <= number < _EPOCH_MS[1]


def to_seconds(column: pa.ChunkedArray, row: Row) -> Seconds:
    """Bring a column of time stamps to epoch seconds (UTC).

    Args:
        column: Stamps with or without offset (none: UTC), dates, text, or epoch numbers.
        row: Names a row.

    Raises:
        DemandError: A stamp is missing, no stamp, or between two seconds.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if column.null_count:
        first = int(pc.index(pc.is_null(column), True).as_py())
        raise DemandError(f"{row(first)}: the time stamp is missing; {_WAY_OUT}")
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _from_ticks(column, row)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _from_epoch(column.cast(pa.float64(), safe=False).to_numpy(), row)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _from_text(column.cast(pa.string()), row)
    raise DemandError(f"{row(0)}: the time column holds {kind}; {_WAY_OUT}")


def slot_length(times: Seconds, row: Row) -> int:
    """Infer the slot length, the median step, from times that must be in order and regular.

    Raises:
        DemandError: Fewer than two rows; a stamp repeats, goes back, or lies between two slots.
    """
    if len(times) < 2:
        raise DemandError(f"{row(0)}: one slot only: its length is unknown; bring longer demand")
    steps = np.diff(times)
    if (steps <= 0).any():
        index = int(np.argmax(steps <= 0)) + 1
        stamp = iso(times[index])
        if steps[index - 1] == 0:
            raise DemandError(f"{row(index)}: the time stamp {stamp} repeats; keep one row a slot")
        raise DemandError(
            f"{row(index)}: the time stamp {stamp} is earlier than the one before it; sort by "
            "time (a stamp without an offset is UTC: local time goes back in autumn)"
        )
    slot = int(np.partition(steps, (len(steps) - 1) // 2)[(len(steps) - 1) // 2])
    if (steps % slot).any():
        index = int(np.argmax(steps % slot != 0)) + 1
        raise DemandError(
            f"{row(index)}: the time stamp {iso(times[index])} comes {steps[index - 1]} s after "
            f"the one before it, no multiple of the slot of {slot} s; bring it to regular slots"
        )
    return slot


def _from_ticks(column: pa.ChunkedArray, row: Row) -> Seconds:
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms"))
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[column.type.unit]
    return _whole(column.cast(pa.int64()).to_numpy(), per_second, row)


def _from_epoch(numbers: npt.NDArray[np.float64], row: Row) -> Seconds:
    low, high = _EPOCH_S if numbers[0] < _EPOCH_MS[0] else _EPOCH_MS
    wrong = ~((numbers >= low) & (numbers < high))
    if wrong.any():
        index = int(np.argmax(wrong))
        raise DemandError(
            f"{row(index)}: {numbers[index]:.17g} is no epoch time in "
            f"{'seconds' if high == _EPOCH_S[1] else 'milliseconds'}; {_WAY_OUT}"
        )
    scale = 1000 if high == _EPOCH_S[1] else 1
    return _whole(np.rint(numbers * scale).astype(np.int64), 1000, row)


def _from_text(column: pa.ChunkedArray, row: Row) -> Seconds:
    column = pc.utf8_trim_whitespace(column)
    numeric = pc.match_substring_regex(column, _NUMBER).to_numpy()
    if numeric[0]:  # what the first row is, all must be
        _refuse(~numeric, column, row)
        return _from_epoch(column.cast(pa.float64()).to_numpy(), row)
    stamp = pc.match_substring_regex(column, _ISO).to_numpy()
    _refuse(~stamp, column, row)
    times: Any = pd.to_datetime(
        pd.Series(column.to_numpy()), format="ISO8601", utc=True, errors="coerce"
    )
    _refuse(times.isna().to_numpy(), column, row)  # the 31st of November
    return _whole(times.dt.as_unit("us").astype("int64").to_numpy(), 10**6, row)


def _refuse(wrong: npt.NDArray[np.bool_], column: pa.ChunkedArray, row: Row) -> None:
    if wrong.any():
        index = int(np.argmax(wrong))
        cell = column[index].as_py()
        said = f"{cell[:40]!r} is no time stamp" if cell else "the time stamp is missing"
        raise DemandError(f"{row(index)}: {said}; {_WAY_OUT}")


def _whole(ticks: Seconds, per_second: int, row: Row) -> Seconds:
    wrong = ticks % per_second != 0
    if wrong.any():
        index = int(np.argmax(wrong))
        raise DemandError(
            f"{row(index)}: the time stamp lies between two seconds; slots start at whole seconds"
        )
    return ticks // per_second
