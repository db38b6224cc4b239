"""What each VNF may be allocated under a price on capacity, and what it costs."""

from dataclasses import dataclass

import numpy as np

from ddnn.cost.hard import Floats
from ddnn.decision.power import Rows
from ddnn.decision.predicted import Predicted
from ddnn.decision.rule import DecisionRule

_BLOCK = 2**16
"""Costs that are held at once: what the nearest caches hold."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Allocations y >= 0 of some VNFs, with their expected costs; both (n,)."""

    y: Floats
    cost: Floats

    def priced(self, rate: Floats) -> Floats:
        """Cost (n,) when capacity costs ``rate`` (n,)."""
        return self.cost + rate * self.y

    def at(self, rows: Rows) -> "Choice":
        """Give the choice for some of the VNFs."""
        return Choice(self.y[rows], self.cost[rows])

    def put(self, rows: Rows, other: "Choice") -> "Choice":
        """Give the same choice, but for some of the VNFs another one."""
        y, cost = self.y.copy(), self.cost.copy()
        y[rows], cost[rows] = other.y, other.cost
        return Choice(y, cost)


class Choices:
    """The candidates of one slot's VNFs: their quantiles from 0 on, and nothing at all (y = 0)."""

    def __init__(self, rule: DecisionRule, predicted: Predicted) -> None:
        self._rule = rule
        self._predicted = predicted
        self._spread = rule.shape.bounded(predicted)
        self._curves = rule.expectation.curves(predicted.location, self._spread)
        self._z, self._offset = rule.expectation.z, rule.expectation.offset
        self._places = np.arange(self._z.size)
        self._zero = -predicted.location / self._spread
        self._costs = self._curves.costs()
        self._costs[self._places < self._z.searchsorted(self._zero)[:, None]] = np.inf
        nothing = np.zeros_like(predicted.location)
        self.nothing = Choice(nothing, rule.expected_cost(nothing, predicted))
        """No capacity for any VNF."""

    def least(self, rate: Floats, rows: Rows) -> Choice:
        """Give the choices of least expected cost plus ``rate`` (n,) times y, for n VNFs."""
        y, cost = np.empty(rows.size), np.empty(rows.size)
        for part in self._parts(rows.size):
            y[part], cost[part] = self._least(rate[part], rows[part])
        return Choice(y, cost)

    def within(self, choice: Choice, room: Floats) -> Choice:
        """Give the best choices that take at most ``room`` (M,) more than a choice of all VNFs."""
        location, spread = self._predicted.location, self._spread
        top = choice.y + room
        low = self._z.searchsorted((choice.y - location) / spread)
        high = self._z.searchsorted((top - self._offset.max() - location) / spread, side="right")
        # Where the cost is smooth, all of the room may be best.
        found = Choice(top, self._rule.expected_cost(top, self._predicted))
        rows = np.flatnonzero(high > low)
        for part in self._parts(rows.size):
            some = rows[part]
            costs = self._costs[some]
            costs[self._places < low[some, None]] = np.inf
            costs[self._places >= high[some, None]] = np.inf
            best = costs.argmin(axis=1)
            lowest = costs[np.arange(best.size), best]
            y = location[some] + spread[some] * self._z[best] + self._offset[best]
            better = lowest < found.cost[some]
            found = found.put(some[better], Choice(y[better], lowest[better]))
        return found

    def _least(self, rate: Floats, rows: Rows) -> tuple[Floats, Floats]:
        location, spread = self._predicted.location[rows], self._spread[rows]
        push = rate * spread
        costs = push[:, None] * self._z
        costs += self._costs[rows]
        best = costs.argmin(axis=1)
        lowest = costs[np.arange(best.size), best]
        idle, zero = self.nothing.cost[rows], self._zero[rows]
        none = idle <= lowest + rate * location
        z = np.where(none, zero, self._z[best])
        cost = np.where(none, idle, lowest - push * z)
        z, cost = self._curves.polish(z, cost, push, zero, rows)
        y = np.maximum(location + spread * z + self._offset[best], 0.0)
        return np.where(z > zero, y, 0.0), cost

    def _parts(self, count: int) -> list[slice]:
        size = max(1, _BLOCK // self._z.size)
        return [slice(start, start + size) for start in range(0, count, size)]
