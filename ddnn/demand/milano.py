"""Demand of Milano's squares out of the store, with an account of what the days hold."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from ddnn.demand.day_blocks import Ids
from ddnn.demand.day_store import StoredDay
from ddnn.demand.milano_grid import SQUARES
from ddnn.demand.milano_raw import check_slots_once
from ddnn.demand.repair import Rows
from ddnn.demand.selection import choose
from ddnn.demand.series import Floats
from ddnn.demand.stamps import Seconds, iso, slot_length
from ddnn.params import SelectParams

_LISTED = 20


def read_squares(
    days: Sequence[StoredDay], select: SelectParams | None
) -> tuple[Rows, list[str], Ids]:
    """Read the chosen squares of some days.

    A square without a row in a slot that others have counts 0, a slot without any row is a gap, as
    in milano_raw.py. But these files are verified: a square that a whole day lacks is not a cut
    file, so it counts 0 there too, with a warning. By lot only squares are drawn that no day lacks.

    Args:
        days: At least one.
        select: The squares; None: all that have a row, by id.

    Returns:
        Rows, one series per square; warnings; and the squares.

    Raises:
        DemandError: A day is damaged, a slot is in two of them, or a square has no row in any.
    """
    days = sorted(days, key=lambda day: int(day.times[0]))
    check_slots_once(days)
    counts = np.bincount(np.concatenate([day.squares for day in days]))
    everywhere = [str(square) for square in np.flatnonzero(counts == len(days))]
    anywhere = [str(square) for square in np.flatnonzero(counts)]
    names = choose(select, anywhere, lot=everywhere)
    squares: Ids = np.array([int(name) for name in names], dtype=np.int64)  # all are of `days`
    times: Seconds = np.concatenate([day.times for day in days])
    values: Floats = np.empty((len(times), len(squares)))
    ends = np.cumsum([len(day.times) for day in days])
    for day, end in zip(days, ends, strict=True):
        values[end - len(day.times) : end] = day.read(squares)

    def row(index: int) -> str:
        day = days[int(np.searchsorted(ends, index, side="right"))]
        return f"{day.origin.name}: slot {iso(times[index])}"

    return Rows(times, values, tuple(names), row), _warnings(days, squares), squares


def account(days: Sequence[StoredDay], squares: Ids, timezone: str) -> dict[str, Any]:
    """Count what the days hold and lack, for quality.json.

    Args:
        days: At least one, of two slots or more in all.
        squares: Those that were chosen.
        timezone: IANA name; a day file is expected to go from midnight to midnight there.
    """
    days = sorted(days, key=lambda day: int(day.times[0]))
    times = np.concatenate([day.times for day in days])
    slot = slot_length(times, lambda index: iso(times[index]))
    zone = ZoneInfo(timezone)
    odd = [day.origin.name for day in days if not _is_local_day(day, slot, zone)]
    offsets = {datetime.fromtimestamp(int(time), zone).strftime("%z") for time in times[::6]}
    absent = {day.origin.name: squares[~np.isin(squares, day.squares)] for day in days}
    ever = np.unique(np.concatenate([day.squares for day in days]))
    never = np.setdiff1d(np.arange(1, SQUARES + 1), ever)
    return {
        "files": [
            {
                "name": day.origin.name,
                "checksum": day.origin.checksum,
                "rows": day.rows,
                "slots": len(day.times),
                "squares": len(day.squares),
            }
            for day in days
        ],
        "time_zone": {
            "name": timezone,
            "utc_offsets": sorted(offsets),
            "days_from_midnight_to_midnight": len(days) - len(odd),
            "other_files": odd,
        },
        "missing_days": _missing_days(days, zone),
        "slots_without_a_row": _listed([iso(time) for time in _missing_slots(times, slot)]),
        "squares_without_a_row": _listed(never.tolist()),
        "chosen_squares_without_a_row_for_a_day": {
            name: _listed(missing.tolist()) for name, missing in absent.items() if len(missing)
        },
    }


def _warnings(days: Sequence[StoredDay], squares: Ids) -> list[str]:
    lines = []
    for day in days:
        missing = squares[~np.isin(squares, day.squares)]
        if len(missing):
            named = ", ".join(str(square) for square in missing[:3])
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            lines.append(
                f"{day.origin.name}: no row for square {named}{more}; read as no activity all day"
            )
    return lines


def _is_local_day(day: StoredDay, slot: int, zone: ZoneInfo) -> bool:
    first = datetime.fromtimestamp(int(day.times[0]), zone)
    midnight = first.replace(hour=0, minute=0, second=0)
    following = (midnight + timedelta(days=1)).astimezone(UTC).timestamp()
    return first == midnight and int(day.times[-1]) + slot == int(following)


def _missing_days(days: Sequence[StoredDay], zone: ZoneInfo) -> list[str]:
    # By noon, so that a day counts whose first slots are missing.
    there = {
        datetime.fromtimestamp(int(day.times[len(day.times) // 2]), zone).date() for day in days
    }
    first, last = min(there), max(there)
    wanted = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [day.isoformat() for day in wanted if day not in there]


def _missing_slots(times: Seconds, slot: int) -> list[int]:
    return [
        time
        for before, after in pairwise(times.tolist())
        if after - before > slot
        for time in range(before + slot, after, slot)
    ]


def _listed(found: list[Any]) -> dict[str, Any]:
    return {"count": len(found), "first": found[:_LISTED]}
