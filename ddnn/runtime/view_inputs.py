"""What a graph over a view of the past reads, filled in place from an edge's history (numpy only).

The layout is that of anchored_graph.py, the numbers those of :func:`ddnn.context.build_view`.
"""

from collections.abc import Sequence
from math import isnan

import numpy as np
from numpy.typing import NDArray

from ddnn.context import Clock, Reach

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_DAY_SECONDS = 86_400


class Calendar:
    """The calendar of one slot after the other; a day of them is computed at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.slot_seconds = clock.slot_seconds
        self._slots = range(0)
        self._rows: Floats = np.empty((0, 4), dtype=np.float32)

    def at(self, time: int) -> Floats:
        """Give the calendar (4,) of the slot that starts at ``time``, epoch seconds."""
        slot = (time - self._clock.start) // self._clock.slot_seconds
        if slot not in self._slots:
            self._slots = range(slot, slot + self._clock.slots_in(1))
            self._rows = self._clock.calendar(self._slots)
        row: Floats = self._rows[slot - self._slots.start]
        return row


class ViewInputs:
    """The inputs ``slots`` (1, S, M) and ``weights`` (1, channels, 1) of one decision."""

    def __init__(
        self,
        reach: Reach,
        weighing: Sequence[Sequence[int]],
        calendar: Calendar,
        minimum: Doubles,
        span: Doubles,
    ) -> None:
        """Set up for a reach.

        Args:
            reach: How far back.
            weighing: (2, channels): which two facts each channel counts, as the export says.
            calendar: Of the slots.
            minimum: (M,) of the scaling.
            span: (M,) of the scaling.
        """
        self._reach, self._calendar = reach, calendar
        self._minimum, self._span = minimum, span
        around = np.arange(-reach.around, reach.around + 1)
        offsets = [np.arange(-reach.recent, 0), *(around - lag for lag in reach.lags)]
        self._offsets = np.concatenate(offsets)
        self.needed = int(-self._offsets.min())
        """Slots of history without which something in the view is unknown."""
        self._past = bool((self._offsets < 0).all())
        self._index = np.empty_like(self._offsets)
        self._units: Doubles = np.empty((self._offsets.size, minimum.size))
        self.slots: Floats = np.zeros((1, *self._units.shape), dtype=np.float32)
        self._facts: Floats = np.ones(self._offsets.size + 5, dtype=np.float32)
        self._a, self._b = np.array(weighing, dtype=np.intp)
        first = self._offsets.size
        in_calendar = (self._a >= first) & (self._a < first + 4)
        self._dated = np.flatnonzero(in_calendar)
        self._dates = self._a[in_calendar] - first
        self.weights: Floats = np.ones((1, self._a.size, 1), dtype=np.float32)
        self._one = np.ones(first)
        self.unknown: tuple[str, ...] = ()
        """Parts of the newest view that are not wholly known: ``newest``, ``1 d ago``, ``7 d ago``.
        """

    @property
    def recent(self) -> Floats:
        """The newest slots (1, R, M), scaled."""
        return self.slots[:, : self._reach.recent]

    @property
    def last(self) -> Floats:
        """The newest demand (1, M), scaled."""
        return self.slots[:, self._reach.recent - 1]

    @property
    def calendar(self) -> Floats:
        """Of the target, (1, 4)."""
        return self._facts[None, -5:-1]

    def fill(self, rows: Doubles, time: int) -> None:
        """Take the view of the slot after the newest.

        Args:
            rows: History (T, M) in the user's unit, the newest last; NaN where it is unknown.
            time: Start of the slot that is decided on, epoch seconds.
        """
        np.add(self._offsets, len(rows), out=self._index)
        units = self._units
        # The index is within bounds, or the slot marked unknown below: no check is needed.
        np.take(rows, self._index, axis=0, out=units, mode="clip")
        np.subtract(units, self._minimum, out=units)
        np.divide(units, self._span, out=units)
        self.slots[0] = units
        dates = self._calendar.at(time)
        self._facts[-5:-1] = dates
        whole = self._past and len(rows) >= self.needed and not isnan(self._one @ units[:, 0])
        if whole and not self.unknown:
            self.weights[0, self._dated, 0] = dates[self._dates]
            return
        self._mark(np.isfinite(units[:, 0]) & (self._index >= 0) & (self._offsets < 0))

    def _mark(self, known: NDArray[np.bool_]) -> None:
        """Set what is unknown to 0, and say so: the network has learned from such views, too."""
        self.slots[0, ~known] = 0
        self._facts[:-5] = known
        self.weights[0, :, 0] = self._facts[self._a] * self._facts[self._b]
        reach, slot = self._reach, self._calendar.slot_seconds
        names = ["newest", *(f"{lag * slot / _DAY_SECONDS:.3g} d ago" for lag in reach.lags)]
        ends = reach.recent + reach.width * np.arange(len(reach.lags) + 1)
        parts = np.split(known, ends[:-1])
        self.unknown = tuple(
            name for name, part in zip(names, parts, strict=True) if not part.all()
        )
