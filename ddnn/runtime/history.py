"""What an edge remembers: the newest slots of demand, in the user's unit."""

import base64
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ArtefactError, DemandError

Doubles = NDArray[np.float64]

_DAY_SECONDS = 86_400
_MOST = 1e30


class RepeatedError(Exception):
    """The newest slot's demand came again, unchanged."""


@dataclass(frozen=True)
class Taken:
    """What became of a demand vector."""

    filled: int
    """Missing slots before it that were repaired."""
    restarted: bool
    """A gap too long to repair: the slots without a gap begin anew."""


class History:
    """The newest slots of M series; the newest of them without gaps."""

    def __init__(self, capacity: int, slot_seconds: int, start: int, vnfs: int) -> None:
        """Begin empty.

        Args:
            capacity: Slots that are kept.
            slot_seconds: Length of a slot.
            start: Start of any slot, epoch seconds: the others lie whole slots from it.
            vnfs: M.
        """
        self._capacity = capacity
        self._slot = slot_seconds
        self._start = start
        # Twice the slots: they move to its front once in a while, not with each that comes.
        self._buffer: Doubles = np.empty((2 * capacity, vnfs))
        self._end = 0
        self._known = 0
        self.newest: int | None = None
        """Start of the newest slot, epoch seconds."""

    def __len__(self) -> int:
        return self._known

    @property
    def values(self) -> Doubles:
        """The newest slots without a gap (slots, M), oldest first."""
        return self._buffer[self._end - self._known : self._end]

    @property
    def rows(self) -> Doubles:
        """All slots that are kept (slots, M), oldest first; NaN where a gap was not repaired."""
        return self._buffer[max(0, self._end - self._capacity) : self._end]

    def grow(self, capacity: int) -> None:
        """Keep more slots from now on."""
        if capacity > self._capacity:
            rows, self._capacity = self.rows, capacity
            self._buffer = np.empty((2 * capacity, rows.shape[1]))
            self._buffer[: len(rows)], self._end = rows, len(rows)

    def take(self, time: int, demand: Doubles, policy: str, longest: int) -> Taken:
        """Append the demand of a slot; missing slots before it are repaired as in training.

        Args:
            time: Start of the slot, epoch seconds.
            demand: (M,) in the user's unit.
            policy: ``interpolate``, ``previous`` or ``day_ago``.
            longest: The longest gap that is repaired, in slots.

        Raises:
            RepeatedError: The newest slot came again.
            DemandError: The demand is no demand, or not that of a next slot. Nothing has changed.
        """
        self._check(time, demand)
        missing = 0 if self.newest is None else (time - self.newest) // self._slot - 1
        if missing < 0:
            self._refuse_or_repeat(time, demand)
        restarted = missing > longest
        if restarted:
            self._append(np.full((min(missing, self._capacity), demand.size), np.nan))
            self._known = 0
        elif missing:
            self._append(self._repair(missing, demand, policy))
        self._append(demand[None])
        self.newest = time
        return Taken(0 if restarted else missing, restarted)

    def to_json(self) -> dict[str, Any]:
        """Give plain values, for a state file; the demand as float64, little-endian, in base64.

        As text it would take milliseconds in which the process can do nothing else.
        """
        data = base64.b64encode(self.rows.astype("<f8").tobytes())
        return {"newest": self.newest, "values": data.decode("ascii")}

    def restore(self, values: dict[str, Any]) -> Self:
        """Go on where :meth:`to_json` was called.

        Raises:
            ArtefactError: The values are not those of such a history.
        """
        try:
            data = base64.b64decode(values["values"], validate=True)
            newest = None if values["newest"] is None else int(values["newest"])
            found = np.frombuffer(data, dtype="<f8").reshape(-1, self._buffer.shape[1])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not a history of these series ({error})") from error
        gaps = np.isnan(found).all(axis=1)
        known = found[~gaps]
        if not (np.isfinite(known).all() and (known >= 0).all()) or gaps[-1:].any():
            raise ArtefactError("not a history: a value is missing or negative")
        if (newest is None) != (len(found) == 0):
            raise ArtefactError("not a history: it has no newest slot")
        self._end, self._known, self.newest = 0, 0, newest
        self._append(found)
        self._known = int(np.argmax(gaps[::-1])) if gaps.any() else len(found)
        self._known = min(self._known, self._capacity)
        return self

    def _append(self, rows: Doubles) -> None:
        rows = rows[-self._capacity :]
        if self._end + len(rows) > len(self._buffer):
            kept = self.rows.copy()
            self._buffer[: len(kept)], self._end = kept, len(kept)
        self._buffer[self._end : self._end + len(rows)] = rows
        self._end += len(rows)
        self._known = min(self._known + len(rows), self._capacity)

    def _check(self, time: int, demand: Doubles) -> None:
        if demand.shape != (self._buffer.shape[1],):
            raise DemandError(
                f"demand: {demand.size} values, but the model has {self._buffer.shape[1]} series"
            )
        if not (demand.min() >= 0 and demand.max() <= _MOST):  # a NaN is neither
            _refuse(demand)
        if not 0 <= time < 2**40 or (time - self._start) % self._slot:
            raise DemandError(
                f"time: {time} is not the start of a slot; slots of {self._slot} s lie whole "
                f"slots from {self._start % self._slot} (epoch seconds, UTC)"
            )

    def _refuse_or_repeat(self, time: int, demand: Doubles) -> None:
        if time == self.newest and np.array_equal(demand, self.values[-1]):
            raise RepeatedError
        said = "came before with other values" if time == self.newest else "is older than that"
        raise DemandError(f"time: the newest slot is {self.newest}; slot {time} {said}")

    def _repair(self, missing: int, demand: Doubles, policy: str) -> Doubles:
        before = self.values[-1]
        lag = _DAY_SECONDS // self._slot
        if policy == "interpolate":
            share = (np.arange(1, missing + 1) / (missing + 1))[:, None]
            between: Doubles = before * (1 - share) + demand * share
            return between
        rows: list[Doubles] = []
        for _ in range(missing):
            known = np.concatenate([self.values, *(row[None] for row in rows)])
            day_ago = policy == "day_ago" and len(known) >= lag
            rows.append(known[-lag] if day_ago else before)
        return np.stack(rows)


def _refuse(demand: Doubles) -> None:
    for wrong, said in (
        (~np.isfinite(demand), "not finite"),
        (demand < 0, "negative"),
        (demand > _MOST, "beyond all bounds"),
    ):
        if wrong.any():
            place = int(np.argmax(wrong))
            raise DemandError(f"demand: value {place + 1} is {said} ({demand[place]})")
