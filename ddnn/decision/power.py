"""Expected cost, and its minimiser, under penalties that are powers of the distance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddnn.cost.hard import Floats, PenaltyForm
from ddnn.decision.partial_moments import Counts, PartialMoment
from ddnn.decision.shape import ResidualShape

Rows = NDArray[np.intp]
"""VNFs by their index."""

MARGIN = 1e-6
"""Between an allocation and the quantile that it means to reach, in full scales: the rounding of
float32 must not turn demand that is met exactly into a violation."""

_SEARCHED = 4096
"""Allocations tried, in spreads, where the best one may lie between quantiles without a formula."""


class PowerCost:
    """w s ** p E[(Z - z)+ ** p] + v s ** q E[(z - Z)+ ** q], at an allocation location + s z.

    The minimiser depends on the spread s and the weights w, v through one number, the ratio
    v s ** q / (w s ** p): whatever the VNF, it is a corner of the lower hull of the two moments.
    The hull is found once, with the ratio at which one corner follows on another, so that a
    decision is a look-up: exact, and without a value in between where the minimiser jumps.
    """

    def __init__(self, shape: ResidualShape, under: PenaltyForm, over: PenaltyForm) -> None:
        """Tabulate the minimiser.

        Raises:
            ValueError: A weight is negative or not finite, or there is not one per VNF, or the
                exponent of a penalty is negative.
        """
        self._weights = [_weight(each, shape.spread_cap.size) for each in (under, over)]
        self._degrees = (under.degree, over.degree)
        self._under = PartialMoment(shape, under.degree, above=True)
        self._over = PartialMoment(shape, over.degree, above=False)
        self._edges = np.concatenate([[-np.inf], shape.values, [np.inf]])
        self.smooth = min(self._degrees) >= 1 and max(self._degrees) == 2 and _whole(*self._degrees)
        """Convex, and quadratic between the quantiles: :meth:`polish` then finds the minimum."""
        self.z, counts, self.offset = self._candidates(shape.values)
        """(C,) allocations, in spreads from the location, among which the best one is looked up;
        and what is added to each in full scales."""
        self.moments = np.stack(
            [self._under.value(self.z, counts), self._over.value(self.z, counts)]
        )
        """(2, C) the moments at each, under and over."""
        self._breaks, self._corners = _hull(self.moments[1], self.moments[0])
        w, v = self._weights
        # Where both cost nothing, any allocation will do.
        self._ratio = np.divide(v, w, out=np.where(v > 0, np.inf, 1.0 + 0 * w), where=w > 0)

    def expected(self, y: Floats, location: Floats, spread: Floats) -> Floats:
        """Expected cost (..., M) of allocations y (..., M)."""
        return self.weighed((y - location) / spread, *self.priced_sides(spread))

    def weighed(self, z: Floats, a: Floats, b: Floats) -> Floats:
        """Sum (..., M) of the two moments at z (..., M), with the weights a and b."""
        count = self._under.count(z)
        return np.asarray(a * self._under.value(z, count) + b * self._over.value(z, count))

    def priced_sides(self, spread: Floats) -> tuple[Floats, Floats]:
        """Weights (..., M) of the two moments: w s ** p and v s ** q."""
        (w, v), (p, q) = self._weights, self._degrees
        return np.asarray(w * spread**p), np.asarray(v * spread**q)

    def minimiser(self, location: Floats, spread: Floats) -> Floats:
        """Allocation (..., M) of least expected cost."""
        p, q = self._degrees
        ratio = self._ratio if p == q else self._ratio * spread ** (q - p)
        best = self._corners.take(self._breaks.searchsorted(ratio))
        z = self.z.take(best)
        if self.smooth:
            a, b = self.priced_sides(spread)
            z = self.polish(np.broadcast_to(z, spread.shape), a, b, np.zeros(()))
        return np.asarray(location + spread * z + self.offset.take(best))

    def curves(self, location: Floats, spread: Floats) -> "PowerCurves":
        """Give the expected costs of the candidates of M VNFs with these spreads (M,)."""
        return PowerCurves(self, *np.broadcast_arrays(*self.priced_sides(spread)))

    def polish(
        self, z: Floats, a: Floats, b: Floats, push: Floats, floor: Floats | float = -np.inf
    ) -> Floats:
        """Minimum (..., M) around z, the best quantile (or the floor), of a smooth cost.

        Args:
            z: (..., M), in spreads.
            a: As :meth:`priced_sides` gives it.
            b: Likewise.
            push: Slope of what is added to the expected cost, per unit of z.
            floor: Where z ends.
        """
        right = np.maximum(self._newton(z, self._under.count(z), a, b, push), z)
        below = self._under.shape.values.searchsorted(z, side="left")
        left = np.minimum(self._newton(z, below, a, b, push), z)
        return np.asarray(np.maximum(np.where(right > z, right, left), floor))

    def _newton(self, z: Floats, count: Counts, a: Floats, b: Floats, push: Floats) -> Floats:
        """Minimum between the quantiles around count of the parabola there: one step finds it."""
        slope = a * self._under.slope(z, count) + b * self._over.slope(z, count) + push
        bend = a * self._under.bend(count) + b * self._over.bend(count)
        step = np.divide(slope, bend, out=np.zeros_like(bend), where=bend > 0)
        low, high = self._edges.take(count), self._edges.take(count + 1)
        return np.asarray(np.minimum(np.maximum(z - step, low), high))

    def _candidates(self, values: Floats) -> tuple[Floats, Counts, Floats]:
        """Allocations among which a best one is, how many quantiles each covers, and offsets."""
        p, q = self._degrees
        covered = np.arange(1, values.size + 1)
        if q == 0:  # paid from the quantile on: the best may be to stay just below it
            both = np.stack([covered - 1, covered], axis=1).ravel()
            return values.repeat(2), both, np.tile([-MARGIN, MARGIN], values.size)
        # Between quantiles the cost rises (p = 0) or is concave: its minimum is at one of them.
        if p == 0 or (p <= 1 and q <= 1) or self.smooth:
            return values, self._under.count(values), np.full(values.size, MARGIN)
        parts = -(-_SEARCHED // values.size)
        places = np.arange((values.size - 1) * parts + 1) / parts
        z = np.interp(places, np.arange(values.size), values)
        return z, self._under.count(z), np.full(z.size, MARGIN)


@dataclass(frozen=True, eq=False)
class PowerCurves:
    """Expected cost of M VNFs as a function of their allocations."""

    power: PowerCost
    under: Floats
    """(M,) weight of the moment under, at the VNF's spread."""
    over: Floats
    """(M,) likewise over."""

    def costs(self) -> Floats:
        """Expected costs (M, C) of the candidates."""
        costs = self.under[:, None] * self.power.moments[0]
        costs += self.over[:, None] * self.power.moments[1]
        return np.asarray(costs)

    def polish(
        self, z: Floats, cost: Floats, push: Floats, floor: Floats, rows: Rows
    ) -> tuple[Floats, Floats]:
        """Go from the best candidates z (n,) to the minima around them.

        Returns:
            z and the expected cost there, (n,) each.
        """
        if not self.power.smooth:
            return z, cost
        a, b = self.under[rows], self.over[rows]
        found = self.power.polish(z, a, b, push, floor)
        return found, self.power.weighed(found, a, b)


def _weight(penalty: PenaltyForm, vnfs: int) -> Floats:
    weight = np.asarray(penalty.weight, dtype=np.float64)
    if weight.ndim > 1 or weight.size not in (1, vnfs):
        raise ValueError(f"a penalty of {weight.size} weights for {vnfs} VNFs; give one, or {vnfs}")
    if not np.isfinite(weight).all() or (weight < 0).any() or penalty.degree < 0:
        raise ValueError(f"a penalty needs weights and an exponent of 0 or more, not {penalty!r}")
    return weight


def _whole(*degrees: float) -> bool:
    return all(degree == int(degree) for degree in degrees)


def _hull(x: Floats, y: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Minimisers of y + ratio * x, x ascending and y descending: the corners of their lower hull.

    Returns:
        The ratios (B,) at which the minimiser changes, ascending, and the B + 1 corners by index.
    """
    corners: list[int] = []
    xs, ys = x.tolist(), y.tolist()
    for new in range(len(xs)):
        while corners and not _turns(xs, ys, corners, new):
            corners.pop()
        corners.append(new)
    chosen = np.array(corners[::-1], dtype=np.intp)
    return np.diff(y[chosen]) / -np.diff(x[chosen]), chosen


def _turns(xs: list[float], ys: list[float], corners: list[int], new: int) -> bool:
    """Whether the last corner stays one when a point is added."""
    last = corners[-1]
    if xs[new] <= xs[last]:
        return False  # the new one costs no more, at the same x
    if len(corners) == 1:
        return True
    first = corners[-2]
    rise = (ys[last] - ys[first]) * (xs[new] - xs[last])
    return rise < (ys[new] - ys[last]) * (xs[last] - xs[first])
