"""Partial moments of a shape: what a power of the distance costs on average, on either side."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ddnn.cost.hard import Floats
from ddnn.decision.shape import ResidualShape

Counts = NDArray[np.int64]

_ROWS = 256
"""Arguments that are held against all quantiles at once, for degrees without running sums."""


@dataclass(frozen=True, eq=False)
class PartialMoment:
    """E |Z - z| ** degree over the quantiles on one side of z.

    Where z stands among the quantiles is an argument of its own, ``count``: the number of quantiles
    that are at or below it. So z may count as just below the quantile that it equals.
    """

    shape: ResidualShape
    degree: float
    """0 or more; 0, 1 and 2 take constant time for each z, others look at every quantile."""
    above: bool
    """The quantiles above z (demand that is missed), else those at or below it."""

    def count(self, z: Floats) -> Counts:
        """Give the number of quantiles <= z, of the shape of z."""
        return self.shape.values.searchsorted(z, side="right")

    def value(self, z: Floats, count: Counts) -> Floats:
        """Moment at z (...,)."""
        if self.degree not in (0, 1, 2):
            return self._direct(z)
        return self._by_sums(z, count, int(self.degree))

    def slope(self, z: Floats, count: Counts) -> Floats:
        """Derivative at z (...,), for a degree of 1 or 2, between the quantiles around count."""
        lower = self.degree * self._by_sums(z, count, int(self.degree) - 1)
        return -lower if self.above else lower

    def bend(self, count: Counts) -> Floats:
        """Second derivative, for a degree of 1 or 2, between the quantiles around count."""
        return np.asarray(self.degree * (self.degree - 1) * self._sums[0].take(count))

    @cached_property
    def _sums(self) -> tuple[Floats, Floats, Floats]:
        """Sums of mass * values ** (0, 1, 2) on this side of each count, (P + 1,) each."""
        values, mass = self.shape.values, self.shape.mass
        terms = np.stack([mass, mass * values, mass * values**2])
        sums = np.zeros((3, values.size + 1))
        if self.above:  # summed from the far end: beyond the last quantile nothing must be left
            sums[:, :-1] = np.cumsum(terms[:, ::-1], axis=1)[:, ::-1]
        else:
            sums[:, 1:] = np.cumsum(terms, axis=1)
        return sums[0], sums[1], sums[2]

    def _by_sums(self, z: Floats, count: Counts, degree: int) -> Floats:
        zeroth, first, second = self._sums
        if degree == 0:
            return zeroth.take(count)
        if degree == 1:
            return np.abs(z * zeroth.take(count) - first.take(count))
        square = (z * zeroth.take(count) - 2 * first.take(count)) * z + second.take(count)
        return np.maximum(square, 0.0)

    def _direct(self, z: Floats) -> Floats:
        flat = np.ravel(z)
        found = np.empty(flat.size)
        sign = 1.0 if self.above else -1.0
        for start in range(0, flat.size, _ROWS):
            gap = sign * (self.shape.values - flat[start : start + _ROWS, None])
            found[start : start + _ROWS] = np.maximum(gap, 0.0) ** self.degree @ self.shape.mass
        return found.reshape(np.shape(z))
