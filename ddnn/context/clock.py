"""When slots are: their local time of day and day of week, and what lies whole days before."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import DemandError

_DAY_SECONDS = 86_400
_FIRST_WEEKDAY = 3  # 1970-01-01 was a Thursday; weeks begin on Monday


@dataclass(frozen=True)
class Clock:
    """Time of regular slots.

    Raises:
        DemandError: Slots are shorter than a second or longer than a day, or nobody knows the
            time zone.
    """

    start: int
    """Start of slot 0, epoch seconds (UTC)."""
    slot_seconds: int
    timezone: str
    """IANA name: people's days, not UTC's, make demand."""

    def __post_init__(self) -> None:
        if not 1 <= self.slot_seconds <= _DAY_SECONDS:
            raise DemandError(f"slots of {self.slot_seconds} s: between 1 s and a day, please")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise DemandError(
                f"time zone {self.timezone!r} is not known here; give an IANA name such as "
                "Europe/Rome (a bare system also needs the package tzdata)"
            ) from error

    def slots_in(self, days: int) -> int:
        """Count the slots in so many days of 86400 s, rounded; at least one."""
        return max(1, round(days * _DAY_SECONDS / self.slot_seconds))

    def calendar(self, slots: range) -> NDArray[np.float32]:
        """Give local time as two circles.

        Args:
            slots: K slots; they may lie after the last one with demand.

        Returns:
            (K, 4): sine and cosine of the time of day, then of the week.
        """
        local = np.array([self._local_seconds(slot) for slot in slots], dtype=np.int64)
        days, seconds = np.divmod(local, _DAY_SECONDS)
        day = seconds / _DAY_SECONDS
        week = ((days + _FIRST_WEEKDAY) % 7 + day) / 7
        turns = 2 * np.pi * np.stack([day, day, week, week], axis=1)
        turns[:, 1::2] += np.pi / 2  # cos x = sin(x + pi / 2)
        return np.sin(turns).astype(np.float32)

    def _local_seconds(self, slot: int) -> int:
        time = self.start + self.slot_seconds * slot
        offset = datetime.fromtimestamp(time, UTC).astimezone(ZoneInfo(self.timezone)).utcoffset()
        assert offset is not None
        return time + int(offset.total_seconds())
