"""One bar: what was measured, with its interval, against the target."""

from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, Self

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.worth.measured import Coverage

Sense = Literal["at most", "at least", "above", "-"]


@dataclass(frozen=True)
class Bar:
    """A row of metrics/worth.json.

    A number without a target is for information. What stands on some of its pieces only is shown,
    but not met: whether it would be is ``so_far``.
    """

    bar: str
    demand: str
    c_u: float | None
    """None: over all prices, or of none."""
    value: float | None
    """None: not measured."""
    low: float | None
    high: float | None
    target: float | None
    sense: Sense
    coverage: Coverage
    """Trainings that it stands on."""
    also: bool = True
    """Whatever else has to hold."""

    @classmethod
    def of(
        cls,
        bar: str,
        demand: str,
        c_u: float | None,
        interval: Interval,
        target: float | None,
        sense: Sense,
        coverage: Coverage,
        also: bool = True,
    ) -> Self:
        """Take the numbers from an interval."""
        value, low, high = (
            each if each is not None and isfinite(each) else None
            for each in (interval.value, interval.low, interval.high)
        )
        return cls(bar, demand, c_u, value, low, high, target, sense, coverage, also)

    @classmethod
    def missing(
        cls, bar: str, demand: str, c_u: float | None, target: float | None, sense: Sense
    ) -> Self:
        """Give a bar whose pieces are not there."""
        return cls(bar, demand, c_u, None, None, None, target, sense, Coverage(0, 0))

    @property
    def so_far(self) -> bool | None:
        """Whether the value reaches the target; None where there is no value or no target."""
        if self.value is None or self.target is None:
            return None
        if self.sense == "at most":
            return self.also and self.value <= self.target
        reached = self.value > self.target if self.sense == "above" else self.value >= self.target
        return self.also and reached

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where it is not (wholly) measured, or for information."""
        return self.so_far if self.coverage.complete else None

    def to_json(self) -> dict[str, Any]:
        """Give plain values for metrics/worth.json."""
        return {
            "bar": self.bar,
            "demand": self.demand,
            "c_u": self.c_u,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "target": self.target,
            "met": self.met,
            "sense": self.sense,
            "so_far": self.so_far,
            "trainings": [self.coverage.there, self.coverage.asked],
        }
