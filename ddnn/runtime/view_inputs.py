"""What a graph over a view of the past reads, filled in place from an edge's history (numpy only).

The layout is that of anchored_graph.py, the numbers those of :func:`ddnn.context.build_view`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.context import Clock, Reach
from ddnn.errors import ArtefactError

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


@dataclass(frozen=True, eq=False)
class Layout:
    """How a graph reads a view: its reach, the grid, and what is usual for each series."""

    reach: Reach
    rows: int
    columns: int
    cells: NDArray[np.int64]
    """(M,) of each VNF."""
    mean: Doubles
    """(M,), scaled: what slots are told less."""
    kind: Floats
    """(kinds, M): what tells series apart."""

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        return {
            "reach": asdict(self.reach),
            "rows": self.rows,
            "columns": self.columns,
            "cells": self.cells.tolist(),
            "mean": self.mean.tolist(),
            "kind": self.kind.astype(np.float64).tolist(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of a layout.
        """
        try:
            how = values["reach"]
            lags = tuple(int(lag) for lag in how["lags"])
            found = cls(
                Reach(int(how["recent"]), int(how["around"]), lags),
                int(values["rows"]),
                int(values["columns"]),
                np.array(values["cells"], dtype=np.int64),
                np.array(values["mean"], dtype=np.float64),
                np.array(values["kind"], dtype=np.float32),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not the layout of a view ({error}); export again") from error
        cells, vnfs = found.cells, found.cells.size
        inside = vnfs > 0 and cells.min() >= 0 and cells.max() < found.rows * found.columns
        if not inside or found.mean.shape != (vnfs,) or found.kind.shape[1:] != (vnfs,):
            raise ArtefactError("not the layout of a view (cells or series differ); export again")
        return found

    @property
    def slots(self) -> int:
        """S, of a view."""
        return self.reach.recent + len(self.reach.lags) * self.reach.width

    @property
    def planes(self) -> int:
        """Of a graph's input: the slots; the kinds; a flag for each lag, the calendar, and a 1."""
        return self.slots + len(self.kind) + len(self.reach.lags) + 5

    def source(self) -> NDArray[np.int64]:
        """VNF of each cell; 0, too, where there is none."""
        found = np.zeros(self.rows * self.columns, dtype=np.int64)
        found[self.cells] = np.arange(self.cells.size)
        return found

    def empty(self) -> Floats:
        """Give an input (1, planes, rows, columns) without slots, all of them known."""
        view = np.zeros((self.planes, self.rows * self.columns), dtype=np.float32)
        first = self.slots + len(self.kind)
        view[self.slots : first, self.cells] = self.kind
        view[first:] = 1
        return view.reshape(1, self.planes, self.rows, self.columns)

    def mark(self, view: Floats, known: NDArray[np.bool_]) -> None:
        """Make the differences with unknown slots 0: where one is unknown, another stands for it.

        Args:
            view: (planes, cells), written to.
            known: (S,).
        """
        reach = self.reach
        last = reach.recent - 1
        view[: reach.recent][~known[: reach.recent]] = view[last]
        for lag in range(len(reach.lags)):
            first = reach.recent + lag * reach.width
            anchor, part = first + reach.around - 1, slice(first, first + reach.width)
            if not known[anchor]:
                view[part] = view[last]
            else:
                view[part][~known[part]] = view[anchor]
            view[self.slots + len(self.kind) + lag] = known[first + reach.around]


class ViewInputs:
    """The input ``view`` (1, planes, rows, columns) of one decision."""

    def __init__(self, layout: Layout, calendar: Calendar, minimum: Doubles, span: Doubles) -> None:
        """Set up.

        Args:
            layout: As the export says.
            calendar: Of the slots.
            minimum: (M,) of the scaling.
            span: (M,) of the scaling.
        """
        self._layout, self._calendar = layout, calendar
        reach, S, cells = layout.reach, layout.slots, layout.rows * layout.columns
        around = np.arange(-reach.around, reach.around + 1)
        self._offsets = np.concatenate(
            [np.arange(-reach.recent, 0), *(around - lag for lag in reach.lags)]
        )
        self.needed = int(-self._offsets.min())
        """Slots of history without which something in the view is unknown."""
        self._past = bool((self._offsets < 0).all())
        source, self._vnfs = layout.source(), minimum.size
        # One index into the history brings each slot to its cells.
        self._places = self._offsets[:, None] * self._vnfs + source
        self._index = np.empty_like(self._places)
        self._base = (minimum + layout.mean * span)[source]
        self._span = np.full(cells, np.inf)  # where no VNF lies, all is 0
        self._span[layout.cells] = span
        self._units: Doubles = np.empty((S, cells))
        self.view: Floats = layout.empty()
        self._planes = self.view.reshape(layout.planes, cells)
        self._slots, self._dates = self._planes[:S], self._planes[-5:-1]
        self._one = np.ones(S)
        self.unknown: tuple[str, ...] = ()
        """Parts of the newest view that are not wholly known: ``newest``, ``1 d ago``, ``7 d ago``.
        """

    @property
    def recent(self) -> Doubles:
        """The newest slots (1, R, M), scaled."""
        layout = self._layout
        return (self._slots[: layout.reach.recent, layout.cells] + layout.mean)[None]

    @property
    def last(self) -> Doubles:
        """The newest demand (M,), scaled."""
        layout = self._layout
        found: Doubles = self._slots[layout.reach.recent - 1].take(layout.cells) + layout.mean
        return found

    @property
    def calendar(self) -> Floats:
        """Of the target, (1, 4)."""
        return self._dates[None, :, 0]

    def fill(self, rows: Doubles, time: int) -> None:
        """Take the view of the slot after the newest.

        Args:
            rows: History (T, M) in the user's unit, the newest last; NaN where it is unknown.
            time: Start of the slot that is decided on, epoch seconds.
        """
        units = self._units
        np.add(self._places, len(rows) * self._vnfs, out=self._index)
        # Slots from before the history began are marked unknown below.
        np.take(rows.reshape(-1), self._index, out=units, mode="clip")
        np.subtract(units, self._base, out=units)
        np.divide(units, self._span, out=units)
        self._slots[:] = units
        self._dates[:] = self._calendar.at(time)[:, None]
        whole = self._past and len(rows) >= self.needed
        place = self._layout.cells[0]
        if whole and not self.unknown and not isnan(self._one @ units[:, place]):
            return
        known = np.isfinite(units[:, place]) & (len(rows) + self._offsets >= 0)
        known &= self._offsets < 0
        self._layout.mark(self._planes, known)
        self._name(known)

    def _name(self, known: NDArray[np.bool_]) -> None:
        reach, slot = self._layout.reach, self._calendar.slot_seconds
        names = ["newest", *(f"{lag * slot / _DAY_SECONDS:.3g} d ago" for lag in reach.lags)]
        ends = reach.recent + reach.width * np.arange(len(reach.lags))
        parts = np.split(known, ends)
        self.unknown = tuple(
            name for name, part in zip(names, parts, strict=True) if not part.all()
        )
