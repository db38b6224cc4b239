"""Who gets what: from the price at which the total meets a cap to choices that stay within it."""

from dataclasses import replace

import numpy as np

from ddnn.decision.bracket import Bracket, Limit, fitting
from ddnn.decision.choices import Choice, Choices

_WORTH = 1e-3
"""Share of the expected cost that unused capacity must be worth, at its price, to look further."""


def settle(choices: Choices, start: Bracket, found: Bracket, limit: Limit) -> Choice:
    """Find choices within the limit that cost little more than the priced ones.

    At the price, one VNF is torn between two choices, and neither meets the limit. So it is held at
    the lower one, and what it leaves is filled; or at the upper one, and the others get a higher
    price. The cheaper way is taken.

    Args:
        choices: The candidates.
        start: From price 0 on.
        found: That bracket, narrowed.
        limit: Of all VNFs together.
    """
    chosen, torn = found.jump(limit)
    best = _fill(choices, chosen, limit)
    if torn is None or not _worth(chosen, found, limit):
        return best
    upper = replace(found, high=start.high, above=start.above).hold(torn, found.low)
    if limit.holds(upper.high):
        chosen, _ = upper.narrowed(choices, limit).jump(limit)
        best = _cheaper(best, _fill(choices, chosen, limit))
    return best


def _worth(choice: Choice, found: Bracket, limit: Limit) -> bool:
    return limit.left(choice) * found.price > _WORTH * float(choice.cost.sum())


def _cheaper(one: Choice, other: Choice) -> Choice:
    return other if float(other.cost.sum()) < float(one.cost.sum()) else one


def _fill(choices: Choices, chosen: Choice, limit: Limit) -> Choice:
    """Give what is left to the VNFs that can do most with it."""
    left = limit.left(chosen)
    if left <= 0:
        return chosen
    found = choices.within(chosen, left / limit.units)
    gain = chosen.cost - found.cost
    rows = np.flatnonzero(gain > 0)
    rows = rows[np.argsort(-gain[rows], kind="stable")]
    moved = rows[fitting(limit.units[rows] * (found.y - chosen.y)[rows], left)]
    return chosen.put(moved, found.at(moved))
