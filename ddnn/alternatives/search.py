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
    ordered, columns = np.sort(met, axis=0), np.arange(met.shape[1])
    low, high = np.zeros_like(columns), np.full_like(columns, len(met) - 1)
    for _ in range(2):
        places = np.linspace(low, high, _CANDIDATES).round().astype(np.int64)
        candidates = ordered[places, columns] + _MARGIN
        best = _cheapest(candidates, cost_at)
        low = places[np.maximum(best - 1, 0), columns]
        high = places[np.minimum(best + 1, _CANDIDATES - 1), columns]
    place, chosen = places[best, columns], candidates[best, columns]
    below = ordered[np.maximum(place - 1, 0), columns]
    above = ordered[np.minimum(place + 1, len(met) - 1), columns]
    # The chosen one comes first, and so stays where none between is cheaper.
    candidates = np.vstack([chosen, np.linspace(below, above, _CANDIDATES) + _MARGIN])
    return np.asarray(candidates[_cheapest(candidates, cost_at), columns])


def _cheapest(candidates: Floats, cost_at: Callable[[Floats], Floats]) -> NDArray[np.int64]:
    """Index (P,) of the cheapest of the candidates (C, P), the first where some are equal."""
    costs = np.stack([cost_at(constants) for constants in candidates])
    return np.asarray(costs.argmin(axis=0))
