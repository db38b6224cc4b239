"""The last demand plus a constant headroom per VNF: the allocation that a DDNN has to beat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ddnn.cost.hard import AllocationCost, Floats, Penalty, PenaltyForm
from ddnn.errors import ArtefactError

_MARGIN = 1e-6
"""Added to every headroom, in full scales. The best headroom reaches some demands exactly; where
demand is counted in whole units these are many, and the rounding of float32 windows would turn
every other of them into a violation. It costs a millionth of c_o."""

_CANDIDATES = 512
"""Headrooms tried where the cost has no closed form over all residuals."""

_EQUAL = 1e-9
"""Residuals this close, in full scales, are one."""

_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, eq=False)
class LastValueHeadroom:
    """Allocate the newest known demand of each VNF plus its headroom."""

    headroom: Floats
    """(M,), in the units of the demand that it was fitted on."""

    @classmethod
    def fit(
        cls, values: NDArray[np.floating], targets: Sequence[int], cost: AllocationCost
    ) -> Self:
        """Find the headroom of least mean cost for each VNF.

        The cost at a headroom h depends on the residuals d - last value alone. Tried are all
        residuals (eqs. (1), (3) and the other penalties of degree 0, 1 or 2) or 512 of their
        quantiles (all else), then what lies between the best and its neighbours. With all
        residuals tried it is exact for g_u constant and g_o(0) = 0, as in eq. (3), and for both
        linear (the best is a residual), and to rounding for both convex, as in eq. (1). All else
        is a search.

        Args:
            values: Demand (T, M), scaled.
            targets: Slots whose demand is allocated for; each needs the slot before it.
            cost: The hard cost.

        Raises:
            ValueError: No target, or one without a slot before it.
        """
        slots = np.asarray(targets, dtype=np.int64)
        if slots.size == 0 or slots.min() < 1:
            raise ValueError("a headroom needs targets, each with a slot before it")
        demand = np.asarray(values, dtype=np.float64)
        residuals = np.sort(demand[slots] - demand[slots - 1], axis=0)
        candidates, costs = _search(residuals, cost)
        return cls(_refine(residuals, candidates, costs, cost) + _MARGIN)

    def allocate(self, D: NDArray[np.floating]) -> Floats:
        """Allocations (K, M) for windows D (K, N, M), whose last slot is the newest.

        Raises:
            ValueError: The windows are of another number of VNFs.
        """
        if D.shape[-1] != self.headroom.size:
            raise ValueError(f"windows of {D.shape[-1]} VNFs, headroom for {self.headroom.size}")
        return np.asarray(D[..., -1, :], dtype=np.float64) + self.headroom

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        return {"headroom": self.headroom.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of a headroom.
        """
        try:
            headroom = np.array([float(each) for each in values["headroom"]], dtype=np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not a headroom ({error}); fit it again") from error
        if headroom.size == 0 or not np.isfinite(headroom).all():
            raise ArtefactError("not a headroom (empty or not finite); fit it again")
        return cls(headroom)


def _search(residuals: Floats, cost: AllocationCost) -> tuple[Floats, Floats]:
    """Candidates (C, M), ascending, and the total cost of each over the residuals (n, M)."""
    under, over = cost.under, cost.over
    if _has_sums(under) and _has_sums(over):
        return residuals, _costs_by_sums(residuals, under, over)
    count = min(_CANDIDATES, len(residuals))
    candidates = residuals[np.linspace(0, len(residuals) - 1, count).round().astype(int)]
    return candidates, np.stack([cost.per_vnf(h, residuals).sum(axis=0) for h in candidates])


def _has_sums(penalty: Penalty) -> TypeGuard[PenaltyForm]:
    return isinstance(penalty, PenaltyForm) and penalty.degree in (0, 1, 2)


def _costs_by_sums(r: Floats, under: PenaltyForm, over: PenaltyForm) -> Floats:
    """Total cost (n, M) at each of the sorted residuals r (n, M), in time linear in n.

    With h = r[k], the residuals up to h (its equals as well) are over, the rest under; the sums
    of (h - r) ** degree follow from running sums of r and r ** 2.
    """
    n = len(r)
    counts = np.stack([np.searchsorted(column, column, side="right") for column in r.T], axis=1)
    zero = np.zeros((1, r.shape[1]))
    sums = [
        np.take_along_axis(np.concatenate([zero, np.cumsum(r**power, axis=0)]), counts, axis=0)
        for power in (1, 2)
    ]
    totals = [each.sum(axis=0) for each in (r, r**2)]
    below = _power_sums(r, counts, sums[0], sums[1], int(over.degree))
    above = _power_sums(r, n - counts, totals[0] - sums[0], totals[1] - sums[1], int(under.degree))
    return np.asarray(np.asarray(over.weight) * below + np.asarray(under.weight) * above)


def _power_sums(
    h: Floats, count: NDArray[np.int64], first: Floats, second: Floats, degree: int
) -> Floats:
    """Sum of |h - r| ** degree over the r on one side of h, whose first two sums are given."""
    sums: tuple[Floats, ...] = (
        count.astype(np.float64),
        np.abs(count * h - first),
        count * h**2 - 2 * h * first + second,
    )
    return sums[degree]


def _refine(residuals: Floats, candidates: Floats, costs: Floats, cost: AllocationCost) -> Floats:
    """Headroom (M,): the best candidate, or a better one between its neighbours."""
    chosen = candidates[np.argmin(costs, axis=0), np.arange(candidates.shape[1])]
    # Candidates may be equal, but for rounding: the neighbours are the nearest that differ.
    below = np.where(candidates < chosen - _EQUAL, candidates, -np.inf).max(axis=0)
    above = np.where(candidates > chosen + _EQUAL, candidates, np.inf).min(axis=0)
    low = np.where(np.isfinite(below), below, chosen)
    high = np.where(np.isfinite(above), above, chosen)
    lowest = cost.per_vnf(chosen, residuals).sum(axis=0)
    for left, right in ((low, chosen), (chosen, high)):
        found = _golden_section(residuals, left, right, cost)
        total = cost.per_vnf(found, residuals).sum(axis=0)
        chosen, lowest = np.where(total < lowest, found, chosen), np.minimum(total, lowest)
    return np.asarray(chosen)


def _golden_section(residuals: Floats, low: Floats, high: Floats, cost: AllocationCost) -> Floats:
    """Minimiser (M,) between low and high (M,), of costs with one minimum there."""
    for _ in range(50):
        step = _GOLDEN * (high - low)
        left, right = high - step, low + step
        costs = [cost.per_vnf(h, residuals).sum(axis=0) for h in (left, right)]
        lower = costs[0] <= costs[1]
        low, high = np.where(lower, low, left), np.where(lower, right, high)
    return np.asarray((low + high) / 2)
