"""Expected cost, and its minimiser by a bounded search, under penalties that are any function."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddnn.cost.hard import AllocationCost, Floats
from ddnn.decision.power import MARGIN, Rows
from ddnn.decision.shape import ResidualShape

_COARSE = 96
"""Quantiles tried first; then all between the best one's neighbours, then what lies between."""

_STEPS = 30
"""Of a golden section: it leaves a millionth of the distance of two quantiles."""

_GOLDEN = (5**0.5 - 1) / 2

_BLOCK = 2**20
"""Costs that are held at once."""


class SearchedCost:
    """E[g_u((d - y)+)] or E[g_o((y - d)+)], with d = location + spread * Z, by summation."""

    def __init__(self, shape: ResidualShape, cost: AllocationCost) -> None:
        self._cost = cost
        self._values, self._mass = shape.values, shape.mass
        count = min(_COARSE, self._values.size)
        self._coarse = np.linspace(0, self._values.size - 1, count).round().astype(np.intp)
        self.z = self._values[self._coarse]
        """(C,) allocations, in spreads from the location, that a search starts from."""
        self.offset = np.full(self.z.size, MARGIN)
        """(C,) what is added to each in full scales."""

    def expected(self, y: Floats, location: Floats, spread: Floats) -> Floats:
        """Expected cost (..., M) of allocations y (..., M)."""
        total = np.zeros(np.broadcast_shapes(y.shape, location.shape))
        values, mass = self._values, self._mass
        size = max(1, _BLOCK // max(total.size, 1))
        for start in range(0, values.size, size):
            z = values[start : start + size].reshape(-1, *[1] * total.ndim)
            costs = self._cost.per_vnf(y, location + spread * z)
            total += np.tensordot(mass[start : start + size], costs, axes=1)
        return total

    def minimiser(self, location: Floats, spread: Floats) -> Floats:
        """Allocation (..., M) of least expected cost among those that the search meets."""

        def at(z: Floats) -> Floats:
            return self.expected(location + spread * z + MARGIN, location, spread)

        values = self._values
        best = self._coarse[_least(at, (np.full(spread.shape, z) for z in self.z))]
        left, right = self._neighbours(best)
        steps = range(int((right - left).max()) + 1)
        best = left + _least(at, (values[np.minimum(left + step, right)] for step in steps))
        best = np.minimum(best, right)
        z, lowest = values[best], at(values[best])
        for low, high in ((best - 1, best), (best, best + 1)):
            between = values[np.maximum(low, 0)], values[np.minimum(high, values.size - 1)]
            found = _golden_section(at, *between)
            cost = at(found)
            z, lowest = np.where(cost < lowest, found, z), np.minimum(cost, lowest)
        return np.asarray(location + spread * z + MARGIN)

    def curves(self, location: Floats, spread: Floats) -> "SearchedCurves":
        """Give the expected costs of the candidates of M VNFs, (M,) each."""
        allocations = (location + spread * z + MARGIN for z in self.z)
        costs = [self.expected(y, location, spread) for y in allocations]
        return SearchedCurves(np.stack(costs, axis=1))

    def _neighbours(self, best: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Coarse quantiles before and behind the best ones, by their index among all."""
        place = np.searchsorted(self._coarse, best)
        last = self._coarse.size - 1
        return self._coarse[np.maximum(place - 1, 0)], self._coarse[np.minimum(place + 1, last)]


@dataclass(frozen=True, eq=False)
class SearchedCurves:
    """Expected cost of M VNFs as a function of their allocations."""

    all_costs: Floats
    """(M, C)"""

    def costs(self) -> Floats:
        """Expected costs (M, C) of the candidates."""
        return self.all_costs

    def polish(
        self, z: Floats, cost: Floats, push: Floats, floor: Floats, rows: Rows
    ) -> tuple[Floats, Floats]:
        """Leave the best candidates z (n,) and their cost (n,) as they are."""
        return z, cost


def _least(at: Callable[[Floats], Floats], tried: Iterable[Floats]) -> NDArray[np.intp]:
    """Index (..., M) of the first of least cost among the allocations tried, each (..., M)."""
    best: NDArray[np.intp] | None = None
    lowest: Floats = np.zeros(())
    for index, z in enumerate(tried):
        cost = at(z)
        if best is None:
            best, lowest = np.zeros(cost.shape, dtype=np.intp), cost
        best = np.where(cost < lowest, index, best)
        lowest = np.minimum(cost, lowest)
    assert best is not None  # a shape has at least one quantile
    return best


def _golden_section(at: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """Minimiser (..., M) between low and high (..., M), of costs with one minimum there."""
    for _ in range(_STEPS):
        step = _GOLDEN * (high - low)
        left, right = high - step, low + step
        lower = at(left) <= at(right)
        low, high = np.where(lower, low, left), np.where(lower, right, high)
    return np.asarray((low + high) / 2)
