"""What the learned alternatives see of the past: one row per slot and VNF, the same for all VNFs.

Demand is told relative to the last value and in steps of the VNF, the spread of its changes from
slot to slot. So one model serves all VNFs, and what it predicts is the next change in steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.alternatives.past import Floats, Past, known, lagged
from ddnn.context import Clock
from ddnn.errors import ArtefactError

_DAYS = 7
"""Days whose changes at the same slot are averaged, where weeks are looked at."""

_SHARED = ("back_2", "back_3", "level", "day_change", "week_change", "days_change")
"""Features whose mean over all VNFs is one more: what the whole city does."""

_STATISTICS = ("level", "deviation", "step", "zero", "memory")

_SMALLEST = 1e-6
"""In full scales: a VNF that never changes still has steps."""


@dataclass(frozen=True, eq=False)
class Features:
    """The features and what of the training days they need: statistics of each VNF."""

    clock: Clock
    N: int
    week: bool
    """Whether there is more than a day of the past: the slot a week ago, the days between."""
    level: Floats
    """(M,), mean demand."""
    deviation: Floats
    """(M,), standard deviation of the demand."""
    step: Floats
    """(M,), standard deviation of the changes from slot to slot."""
    zero: Floats
    """(M,), where a demand of 0 units lies on the scale."""
    memory: Floats
    """(M,), correlation of a change with the one before."""

    @classmethod
    def fit(cls, past: Past, *, week: bool) -> Self:
        """Take the statistics of all days."""
        values = past.values
        changes = np.diff(values, axis=0)
        products = (changes[1:] * changes[:-1]).mean(axis=0) if len(changes) > 1 else 0.0
        return cls(
            past.clock,
            past.N,
            week,
            values.mean(axis=0),
            np.maximum(values.std(axis=0), _SMALLEST),
            np.maximum(changes.std(axis=0), _SMALLEST),
            past.zero,
            products / np.maximum(changes.var(axis=0), _SMALLEST**2),
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the F features, in the order of :meth:`table`."""
        return tuple(self._columns(np.zeros((1, self.step.size)), range(1, 2)))

    def table(self, values: NDArray[np.floating], targets: range) -> Floats:
        """Give the features (K, M, F) of the targets; NaN where there was no demand yet.

        Args:
            values: Demand (T, M), scaled, from slot 0 on.
            targets: K consecutive slots, from slot 1 to slot T.

        Raises:
            ValueError: The values are of another number of VNFs.
        """
        columns = self._columns(values, targets)
        found = np.empty((len(targets), self.step.size, len(columns)))
        for index, column in enumerate(columns.values()):
            found[..., index] = column
        return found

    def last(self, values: NDArray[np.floating], targets: range) -> Floats:
        """Give the last known demand (K, M) of the targets."""
        return known(values, targets, 1, self.step.size)

    def _columns(self, values: NDArray[np.floating], targets: range) -> dict[str, Floats]:
        """Give each feature by its name, in a shape that broadcasts to (K, M)."""
        last = self.last(values, targets)
        found = {
            f"back_{lag}": (lagged(values, targets, lag) - last) / self.step
            for lag in range(2, self.N + 1)
        }
        found["level"] = (last - self.level) / self.deviation
        # In units, for noise grows with demand: against the VNF's steps, and against its mean.
        units = np.maximum(last - self.zero, _SMALLEST)
        found["size"] = np.log(units / self.step)
        found["share"] = np.log(units / self._units)
        found |= self._roughness(values, targets)
        found |= self._ago("day", self.clock.slots_in(1), values, targets, last)
        if self.week:
            found |= self._ago("week", self.clock.slots_in(7), values, targets, last)
            found["days_change"] = self._mean_change(values, targets)
        shared = [name for name in found if name.startswith(_SHARED)]
        means = np.stack([found[name] for name in shared]).mean(axis=-1, keepdims=True)
        found |= {f"all_{name}": mean for name, mean in zip(shared, means, strict=True)}
        found["hour"] = self.clock.hours(targets)[:, None]
        found["weekday"] = self.clock.weekdays(targets)[:, None].astype(np.float64)
        found["log_step"], found["log_range"] = self._logs
        found["memory"] = self.memory
        return found

    @cached_property
    def _units(self) -> Floats:
        """Mean demand (M,) above that of 0 units."""
        return np.maximum(self.level - self.zero, _SMALLEST)

    @cached_property
    def _logs(self) -> tuple[Floats, Floats]:
        """Log (M,) of the step, and of the deviation in steps."""
        return np.log(self.step), np.log(self.deviation / self.step)

    def _roughness(self, values: NDArray[np.floating], targets: range) -> dict[str, Floats]:
        """Mean size of the last N - 1 changes, and of those of the last day."""
        first = max(targets.start - self.clock.slots_in(1) - 1, 0)
        recent = values[first : targets.stop - 1]
        sums = np.zeros((len(recent), self.step.size))
        np.cumsum(np.abs(recent[1:] - recent[:-1]), axis=0, out=sums[1:])
        until = np.arange(targets.start, targets.stop) - 1 - first  # changes known at the target
        found = {}
        for name, count in (("rough", max(self.N - 1, 1)), ("rough_day", self.clock.slots_in(1))):
            since = np.maximum(until - count, 0)
            number = np.maximum(until - since, 1)[:, None]
            found[name] = (sums[until] - sums[since]) / (number * self.step)
        return found

    def _ago(
        self, name: str, lag: int, values: NDArray[np.floating], targets: range, last: Floats
    ) -> dict[str, Floats]:
        """How demand stood and moved so long before the target."""
        before, there, after = (lagged(values, targets, lag + k) for k in (1, 0, -1))
        return {
            f"{name}_level": (before - last) / self.step,
            f"{name}_change": (there - before) / self.step,
            f"{name}_next": (after - there) / self.step,
        }

    def _mean_change(self, values: NDArray[np.floating], targets: range) -> Floats:
        """Mean change into the same slot of the last seven days; NaN where none is known."""
        ago = self.clock.slots_in(1) * np.arange(1, _DAYS + 1)
        slots = np.arange(targets.start, targets.stop)[:, None] - ago
        there = slots >= 1
        after, before = (values[np.where(there, slots - k, 0)] for k in (0, 1))
        changes = after - before  # (K, days, M), 0 where they are not known
        count = there.sum(axis=1, dtype=np.float64)[:, None]
        count[count == 0] = np.nan
        return np.asarray(changes.sum(axis=1) / (count * self.step))

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        arrays = {name: getattr(self, name).tolist() for name in _STATISTICS}
        return {"clock": self.clock.to_json(), "N": self.N, "week": self.week, **arrays}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of features.
        """
        try:
            clock, N = Clock.from_json(values["clock"]), int(values["N"])
            statistics = np.array([values[name] for name in _STATISTICS], dtype=np.float64)
            found = cls(clock, N, bool(values["week"]), *statistics)
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not the features ({error}); fit the alternative again") from error
        if N < 1 or statistics.ndim != 2 or not np.isfinite(statistics).all():
            raise ArtefactError("not the features (N or a statistic); fit the alternative again")
        if not (found.step.size and (found.step > 0).all() and (found.deviation > 0).all()):
            raise ArtefactError("not the features (a spread of 0); fit the alternative again")
        return found
