"""A capacity that is not unlimited: the allocations of least expected cost under a cap on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ddnn.cost.hard import Floats
from ddnn.decision.bracket import Bracket, Limit
from ddnn.decision.choices import Choices
from ddnn.decision.filling import settle
from ddnn.decision.power import MARGIN
from ddnn.decision.predicted import Predicted
from ddnn.decision.rule import DecisionRule

_RESERVE = 2e-6
"""Share of the cap that is not given away: what the rounding of a sum in float32 may add."""


@dataclass(frozen=True, eq=False)
class Capped:
    """Allocations under a cap."""

    y: Floats
    """(..., M), scaled, 0 or more; each is a float32 number."""
    price: Floats
    """(...,) what a unit more of capacity would save, in cost per unit; 0 if there is enough."""
    expected_cost: Floats
    """(...,) summed over the VNFs."""
    gap_bound: Floats
    """(...,) by how much the best allocations under the cap could be cheaper, at most."""


def allocate_within(
    rule: DecisionRule, predicted: Predicted, cap: ArrayLike, *, units: ArrayLike = 1.0
) -> Capped:
    """Allocate so that the total stays within a cap, at least expected cost.

    Capacity gets a price, and each VNF minimises expected cost + price * y, y >= 0. The price is
    the one at which the total meets the cap. As the expected cost is not convex, VNFs jump there,
    and the total may jump over the cap: then one VNF after another is held on either side of its
    jump, the others get another price, and what is left in the end goes to who can use it.

    By weak duality no allocations within the cap cost less than the priced minimum minus
    price * cap: that bounds what is lost. (For powers other than 0, 1 and 2, and for any other
    function, the bound holds to the resolution of the candidates.) With enough capacity the price
    is 0 and nothing is lost.

    Args:
        rule: Shape and cost.
        predicted: (M,) or (K, M); each of the K slots has the cap for itself.
        cap: Most of sum(units * y), a number or one per slot (K,).
        units: (M,) capacity that a full scale of each VNF takes. For demand in its own units,
            these are the spans, the cap is without the sum of the scales' zeros, and the cost
            should be weighted with the spans too.

    Raises:
        ValueError: A cap is not above 0 or not finite, units are not above 0, or the prediction is
            of another number of VNFs than the shape.
    """
    leading = predicted.location.shape[:-1]
    caps = np.broadcast_to(np.asarray(cap, dtype=np.float64), leading)
    if not (np.isfinite(caps) & (caps > 0)).all():
        raise ValueError(f"a cap on the total allocation must be finite and above 0, not {caps}")
    sizes = np.broadcast_to(np.asarray(units, dtype=np.float64), predicted.vnfs)
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        raise ValueError("a VNF's full scale must take a finite capacity above 0")
    y = np.empty(predicted.location.shape)
    price, cost, gap = np.empty(leading), np.empty(leading), np.empty(leading)
    for slot in np.ndindex(leading):
        one = Predicted(predicted.location[slot], predicted.spread[slot])
        y[slot], price[slot], least = _solve(Choices(rule, one), float(caps[slot]), sizes)
        cost[slot] = rule.expected_cost(y[slot], one).sum()
        gap[slot] = max(float(cost[slot]) - least, 0.0)
    return Capped(y, price, cost, gap)


def _solve(choices: Choices, cap: float, units: Floats) -> tuple[Floats, float, float]:
    """Allocations (M,), the price, and what no allocations within the cap can go below."""
    low = choices.least(np.zeros(units.size), np.arange(units.size))
    limit = Limit(units, cap * (1 - _RESERVE))
    if limit.holds(low):
        return _rounded_down(low.y), 0.0, np.inf  # these are the best there are
    found = Bracket(low, choices.nothing).narrowed(choices, limit)
    # The margins take capacity, but are no better; and the cap is what was asked for.
    least = found.priced - found.price * (float(MARGIN * units.sum()) + cap)
    chosen = settle(choices, Bracket(low, choices.nothing), found, limit)
    return _rounded_down(chosen.y), found.price, least


def _rounded_down(y: Floats) -> Floats:
    """Give the largest float32 numbers (M,) that are no larger than y >= 0, as float64."""
    nearest = y.astype(np.float32)
    below = np.nextafter(nearest, np.float32(0))
    return np.where(nearest > y, below, nearest).astype(np.float64)
