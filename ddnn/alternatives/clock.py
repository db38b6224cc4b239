"""Where slots lie in days and weeks, by the clock of the demand's own time zone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ArtefactError

_DAY_SECONDS = 86400


@dataclass(frozen=True)
class Clock:
    """Start and length of slots, and the zone whose days and hours they are told in."""

    start: int
    """Start of slot 0, epoch seconds (UTC)."""
    slot_seconds: int
    timezone: str
    """IANA name."""

    @property
    def day(self) -> int:
        """Slots back to the same slot a day ago, to the nearest; at least one."""
        return max(1, round(_DAY_SECONDS / self.slot_seconds))

    @property
    def week(self) -> int:
        """Slots back to the same slot a week ago, to the nearest; at least one."""
        return max(1, round(7 * _DAY_SECONDS / self.slot_seconds))

    def hours(self, slots: range) -> NDArray[np.float64]:
        """Hour of the day (K,), in [0, 24), at which each slot starts."""
        return np.asarray(self._local(slots) % _DAY_SECONDS / 3600)

    def weekdays(self, slots: range) -> NDArray[np.int64]:
        """Day of the week (K,), Monday 0."""
        return np.asarray((self.days(slots) + 3) % 7)  # 1 January 1970 was a Thursday

    def days(self, slots: range) -> NDArray[np.int64]:
        """Calendar day (K,), counted from 1 January 1970."""
        return np.asarray(self._local(slots) // _DAY_SECONDS)

    def _local(self, slots: range) -> NDArray[np.int64]:
        """What a clock on the wall shows (K,), in seconds since its 1 January 1970."""
        zone = ZoneInfo(self.timezone)
        times = [self.start + self.slot_seconds * slot for slot in slots]
        walls = [datetime.fromtimestamp(time, zone) for time in times]
        offsets = [wall.utcoffset() for wall in walls]
        seconds = [0 if offset is None else int(offset.total_seconds()) for offset in offsets]
        return np.array(times, dtype=np.int64) + np.array(seconds, dtype=np.int64)

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
            clock = cls(int(values["start"]), int(values["slot_seconds"]), str(values["timezone"]))
            ZoneInfo(clock.timezone)
        except (KeyError, TypeError, ValueError, OSError, ZoneInfoNotFoundError) as error:
            raise ArtefactError(f"not a clock ({error!r}); fit the alternative again") from error
        if clock.slot_seconds < 1:
            raise ArtefactError("not a clock (slots without length); fit the alternative again")
        return clock
