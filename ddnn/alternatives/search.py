"""The constants of least cost: a headroom per VNF, a multiple for all or per VNF."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ddnn.alternatives.last_value import LastValueHeadroom
from ddnn.alternatives.past import Floats
from ddnn.cost import AllocationCost

_CANDIDATES = 256
"""Constants tried in each pass."""

_MARGIN = 1e-6
"""The best constant often meets some demand exactly: rounding must not turn that into a miss."""


def best_headroom(reference: Floats, demand: Floats, cost: AllocationCost) -> Floats:
    """Headroom (M,) of least cost over a reference (K, M) of the demand (K, M), for each VNF.

    The search is that of :class:`LastValueHeadroom`: of a series in which each demand follows its
    reference, the reference is the last value.
    """
    pairs = np.stack([reference, demand], axis=1).reshape(-1, demand.shape[1])
    return LastValueHeadroom.fit(pairs, range(1, len(pairs), 2), cost).headroom


def best_constant(met: Floats, cost_at: Callable[[Floats], Floats]) -> Floats:
    """Find the constants (P,) of least cost, each on its own.

    Tried are quantiles of those that just meet a demand, then those about the best of them, then
    what lies between its neighbours: a search, for any cost.

    Args:
        met: (n, P), the constants that would just have met each of n demands.
        cost_at: Costs (P,) of constants (P,).

    Raises:
        ValueError: There is nothing to learn from.
    """
    if len(met) == 0:
        raise ValueError("a constant needs demand that it can be fitted on")
    ordered = np.sort(met + _MARGIN, axis=0)
    chosen = _best_met(ordered, cost_at)
    # The best may lie between two that are met; many may be met by one and the same constant.
    low, high = _neighbours(ordered, chosen)
    for _ in range(2):
        # The chosen one comes first, and so stays where none between is cheaper.
        candidates = np.vstack([chosen, np.linspace(low, high, _CANDIDATES)])
        chosen = _cheapest(candidates, cost_at)[1]
        step = (high - low) / (_CANDIDATES - 1)
        low, high = chosen - step, chosen + step
    return chosen


def _best_met(ordered: Floats, cost_at: Callable[[Floats], Floats]) -> Floats:
    """Cheapest (P,) of ordered (n, P): its quantiles, then all about the best of them."""
    columns = np.arange(ordered.shape[1])
    places = np.linspace(0 * columns, 0 * columns + len(ordered) - 1, _CANDIDATES).round()
    for _ in range(2):
        at = places.astype(np.int64)
        best, chosen = _cheapest(ordered[at, columns], cost_at)
        low = at[np.maximum(best - 1, 0), columns]
        high = at[np.minimum(best + 1, _CANDIDATES - 1), columns]
        places = np.linspace(low, high, _CANDIDATES).round()
    return chosen


def _neighbours(ordered: Floats, chosen: Floats) -> tuple[Floats, Floats]:
    """The next smaller and the next larger (P,) of ordered (n, P); the chosen ones at the ends.

    What differs by rounding alone is no neighbour.
    """
    below = np.where(ordered < chosen - _MARGIN / 2, ordered, -np.inf).max(axis=0)
    above = np.where(ordered > chosen + _MARGIN / 2, ordered, np.inf).min(axis=0)
    return np.where(np.isinf(below), chosen, below), np.where(np.isinf(above), chosen, above)


def _cheapest(
    candidates: Floats, cost_at: Callable[[Floats], Floats]
) -> tuple[NDArray[np.int64], Floats]:
    """Index and value (P,) of the cheapest of the candidates (C, P), the first of equal ones."""
    costs = np.stack([cost_at(constants) for constants in candidates])
    best = np.asarray(costs.argmin(axis=0))
    return best, np.asarray(candidates[best, np.arange(candidates.shape[1])])
