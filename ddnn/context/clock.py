"""When slots are: their local time of day and day of week, and what lies whole days before."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ArtefactError, DemandError

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
        day = self.hours(slots) / 24
        week = (self.weekdays(slots) + day) / 7
        turns = 2 * np.pi * np.stack([day, day, week, week], axis=1)
        turns[:, 1::2] += np.pi / 2  # cos x = sin(x + pi / 2)
        return np.sin(turns).astype(np.float32)

    def hours(self, slots: range) -> NDArray[np.float64]:
        """Local hour of the day (K,), in [0, 24), at which each slot starts."""
        return np.asarray(self._local(slots) % _DAY_SECONDS / 3600)

    def weekdays(self, slots: range) -> NDArray[np.int64]:
        """Local day of the week (K,), Monday 0."""
        return np.asarray((self.days(slots) + _FIRST_WEEKDAY) % 7)

    def days(self, slots: range) -> NDArray[np.int64]:
        """Local calendar day (K,), counted from 1 January 1970."""
        return np.asarray(self._local(slots) // _DAY_SECONDS)

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of a clock.
        """
        try:
            return cls(int(values["start"]), int(values["slot_seconds"]), str(values["timezone"]))
        except (KeyError, TypeError, ValueError, DemandError) as error:
            raise ArtefactError(f"not a clock ({error}); fit or train again") from error

    def _local(self, slots: range) -> NDArray[np.int64]:
        """What a clock on the wall shows (K,), in seconds since its 1 January 1970."""
        zone = ZoneInfo(self.timezone)
        times = [self.start + self.slot_seconds * slot for slot in slots]
        offsets = [datetime.fromtimestamp(t, UTC).astimezone(zone).utcoffset() for t in times]
        seconds = [0 if offset is None else int(offset.total_seconds()) for offset in offsets]
        return np.array(times, dtype=np.int64) + np.array(seconds, dtype=np.int64)
