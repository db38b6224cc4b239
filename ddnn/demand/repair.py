"""From rows as they were read to demand without gaps: checks, and the repair of short gaps."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ddnn.demand.series import Floats
from ddnn.demand.stamps import Seconds, iso, slot_length
from ddnn.demand.windows import DAY_SECONDS
from ddnn.errors import DemandError

Policy = Literal["interpolate", "previous", "day_ago"]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Demand as read: one row per slot that the source has, NaN where a cell is empty."""

    times: Seconds
    """(R,), epoch seconds (UTC)."""
    values: Floats
    """(R, M)."""
    series: tuple[str, ...]
    row: Callable[[int], str]
    """Names a row by its index, for a message: ``data.csv: row 7``."""


@dataclass(frozen=True)
class Repairs:
    """What was missing, and how it was repaired."""

    missing_slots: int
    """Slots without a row."""
    empty_cells: int
    """Empty cells in rows that are there."""
    longest: int
    """The longest gap of a series, in slots."""
    cells: dict[str, int]
    """Cells repaired by each means: interpolated, previous, day_ago, next."""


@dataclass(frozen=True)
class _Gaps:
    """Runs of missing cells: series, first slot, first slot after it, each (G,)."""

    column: Indices
    start: Indices
    stop: Indices


def check_values(rows: Rows) -> None:
    """Refuse infinite and negative demand.

    Raises:
        DemandError: Names the first such row and its column.
    """
    for wrong, said in ((np.isinf(rows.values), "infinite"), (rows.values < 0, "negative")):
        if wrong.any():
            index, column = (int(place) for place in np.argwhere(wrong)[0])
            raise DemandError(
                f"{rows.row(index)}, column {rows.series[column]!r}: demand is {said} "
                f"({rows.values[index, column]:g}); correct it, or leave the cell empty"
            )


def repair(rows: Rows, policy: Policy, longest: int) -> tuple[Floats, int, Repairs]:
    """Lay the rows on regular slots and repair the short gaps.

    A repair never takes a later value across the border of a day, counted in 86400 s back from the
    last slot: where the split puts training and test apart, no training slot may come to depend
    on a test day. There the previous value serves.

    Args:
        rows: R rows of M series.
        policy: ``interpolate`` (between the values before and after), ``previous``, or ``day_ago``
            (the same time a day before; on the first day, the previous value).
        longest: The longest gap that is repaired, in slots.

    Returns:
        Values (T, M) without gaps, the slot length in seconds, and what was repaired.

    Raises:
        DemandError: Stamps are out of order or irregular, a value is infinite or negative, a gap
            is too long, or nothing is there to repair it from.
    """
    slot = slot_length(rows.times, rows.row)
    check_values(rows)
    place = (rows.times - rows.times[0]) // slot
    _check_missing_rows(rows, place, slot, longest)
    slots = int(place[-1]) + 1
    if slots == len(place):
        values = rows.values.copy()
    else:
        values = np.full((slots, len(rows.series)), np.nan)
        values[place] = rows.values
    gaps = _find_gaps(values)
    _check_gaps(rows, place, slot, gaps, longest)
    empty = int(np.isnan(rows.values).sum())
    cells = _fill(values, gaps, slot, policy, rows)
    length = int((gaps.stop - gaps.start).max(initial=0))
    return values, slot, Repairs(slots - len(place), empty, length, cells)


def _check_missing_rows(rows: Rows, place: Indices, slot: int, longest: int) -> None:
    # Before any array of T slots is made: one stamp of the year 2103 would make it enormous.
    missing = np.diff(place) - 1
    if (missing > longest).any():
        index = int(np.argmax(missing > longest))
        first, last = rows.times[index] + slot, rows.times[index + 1] - slot
        raise DemandError(
            f"{rows.row(index + 1)}: {missing[index]} slots are missing before it ({iso(first)} to "
            f"{iso(last)}); {_way_out(longest)}"
        )


def _find_gaps(values: Floats) -> _Gaps:
    missing = np.isnan(values)
    columns = np.flatnonzero(missing.any(axis=0))
    edges = np.zeros((len(columns), len(values) + 2), dtype=np.int8)
    edges[:, 1:-1] = missing[:, columns].T
    steps = np.diff(edges, axis=1)
    column, start = np.nonzero(steps == 1)
    _, stop = np.nonzero(steps == -1)
    return _Gaps(columns[column], start, stop)


def _check_gaps(rows: Rows, place: Indices, slot: int, gaps: _Gaps, longest: int) -> None:
    lengths = gaps.stop - gaps.start
    if not (lengths > longest).any():
        return
    candidates = np.flatnonzero(lengths > longest)
    gap = int(candidates[np.argmin(gaps.start[candidates])])
    start, name = int(gaps.start[gap]), rows.series[gaps.column[gap]]
    if lengths[gap] == place[-1] + 1:
        raise DemandError(f"{rows.row(0)}, column {name!r}: the whole column is empty; take it out")
    # A gap may begin in a slot without a row: name the first row that is there.
    index = int(np.searchsorted(place, start))
    raise DemandError(
        f"{rows.row(index)}, column {name!r}: {lengths[gap]} slots in a row are empty (from "
        f"{iso(rows.times[0] + start * slot)}); {_way_out(longest)}"
    )


def _way_out(longest: int) -> str:
    return (
        f"fill them, start after them, or raise download.gaps.longest, the longest gap that is "
        f"repaired ({longest} slots)"
    )


def _fill(values: Floats, gaps: _Gaps, slot: int, policy: Policy, rows: Rows) -> dict[str, int]:
    if not len(gaps.start):
        return {}
    lengths = gaps.stop - gaps.start
    run = np.repeat(np.arange(len(lengths)), lengths)
    offset = np.arange(len(run)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    cell, column = gaps.start[run] + offset, gaps.column[run]
    before, after = gaps.start[run] - 1, gaps.stop[run]
    slots = len(values)
    day = (slots - 1 - np.arange(slots + 1)) * slot // DAY_SECONDS
    usable = (after < slots) & (day[np.minimum(after, slots - 1)] == day[cell])
    means = np.where(before >= 0, "previous", np.where(usable, "next", "none")).astype("U12")
    if policy == "interpolate":
        means[(before >= 0) & usable] = "interpolated"
    elif policy == "day_ago":
        lag = _slots_a_day(slot)
        means[cell >= lag] = "day_ago"
    _check_means(means, column, rows)
    taken = {"previous": before, "next": np.minimum(after, slots - 1)}
    for name, source in taken.items():
        chosen = means == name
        values[cell[chosen], column[chosen]] = values[source[chosen], column[chosen]]
    chosen = means == "interpolated"
    at, left, right, where = (each[chosen] for each in (cell, before, after, column))
    share = (at - left) / (right - left)
    values[at, where] = values[left, where] * (1 - share) + values[right, where] * share
    if policy == "day_ago":
        _copy_from_day_ago(values, cell, column, lag)
    names, counts = np.unique(means, return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _slots_a_day(slot: int) -> int:
    if DAY_SECONDS % slot:
        raise DemandError(
            f"slots of {slot} s do not divide a day, which download.gaps.policy day_ago needs; "
            "choose interpolate or previous"
        )
    return DAY_SECONDS // slot


def _copy_from_day_ago(values: Floats, cell: Indices, column: Indices, lag: int) -> None:
    # Day by day: the cell a day ago may itself be a repaired one.
    for age in range(1, int(cell.max()) // lag + 1):
        chosen = cell // lag == age
        values[cell[chosen], column[chosen]] = values[cell[chosen] - lag, column[chosen]]


def _check_means(means: npt.NDArray[np.str_], column: Indices, rows: Rows) -> None:
    if (means == "none").any():
        # Nothing is before a gap only where it begins with the first row.
        name = rows.series[column[int(np.argmax(means == "none"))]]
        raise DemandError(
            f"{rows.row(0)}, column {name!r}: demand begins with a gap that no earlier value can "
            "repair; start the file with a full row"
        )
