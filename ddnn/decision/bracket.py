"""The price at which the total of the allocations meets a cap, between two that are known."""

from dataclasses import dataclass, replace

import numpy as np

from ddnn.cost.hard import Floats
from ddnn.decision.choices import Choice, Choices
from ddnn.decision.power import Rows

_TOLERANCE = 1e-5
"""Share of the expected cost by which the choices may miss the least priced cost."""

_PRICES = 60
"""The most prices that are tried."""

_ROUNDING = 1e-12
"""Share by which a need may exceed the room that it was computed to fill."""


@dataclass(frozen=True, eq=False)
class Limit:
    """Most that VNFs may take together."""

    units: Floats
    """(M,) capacity that a full scale of each VNF takes."""
    budget: float

    def left(self, choice: Choice) -> float:
        """Give what a choice of all VNFs leaves; negative where it takes too much."""
        return self.budget - float(self.units @ choice.y)

    def holds(self, choice: Choice) -> bool:
        """Whether a choice of all VNFs stays within it."""
        return self.left(choice) >= 0


@dataclass(frozen=True, eq=False)
class Bracket:
    """The choices of all VNFs at a price that is too low and at one that is high enough.

    A VNF whose two choices are the same has no other in between, or is held there.
    """

    low: Choice
    high: Choice
    below: float = 0.0
    above: float = np.inf
    price: float = 0.0
    """The last one that was tried."""
    priced: float = 0.0
    """The least priced cost of all VNFs at that price, if none is held."""

    def narrowed(self, choices: Choices, limit: Limit) -> "Bracket":
        """Find the price at which the total meets the cap.

        Between two prices lies the one at which VNFs, moved from the dearer one's choice to the
        cheaper one's in order of what that saves, use up the cap; if no VNF has anything better at
        that price, it is the one looked for. Every third price bisects, so that the bracket
        shrinks.
        """
        bracket = self
        for step in range(_PRICES):
            bisect = step % 3 == 2 and bracket.above < np.inf
            price = (bracket.below + bracket.above) / 2 if bisect else bracket.critical(limit)
            if not bracket.below < price < bracket.above:
                break
            bracket, gain = bracket._tried(price, choices, limit)
            if not bisect and gain <= _TOLERANCE * bracket.high.cost.sum():
                break
        return bracket

    def hold(self, vnf: int, choice: Choice) -> "Bracket":
        """Keep a VNF at what it has in a choice of all VNFs."""
        row = np.array([vnf])
        return replace(
            self, low=self.low.put(row, choice.at(row)), high=self.high.put(row, choice.at(row))
        )

    def moves(self, limit: Limit) -> tuple[Rows, Floats, Floats]:
        """VNFs that take more at the low price, those first that save most by each unit of it.

        Returns:
            VNFs by index, the capacity that each needs to move, and what it saves per unit; (n,).
        """
        rows = np.flatnonzero(self.low.y > self.high.y)
        need = limit.units[rows] * (self.low.y - self.high.y)[rows]
        saved = (self.high.cost - self.low.cost)[rows] / need
        order = np.argsort(-saved, kind="stable")
        return rows[order], need[order], saved[order]

    def critical(self, limit: Limit) -> float:
        """What the VNF saves per unit at whose move the cap is met; NaN where none moves."""
        _, need, saved = self.moves(limit)
        if not need.size:
            return np.nan
        place = np.cumsum(need).searchsorted(limit.left(self.high), side="right")
        return float(saved[min(int(place), need.size - 1)])

    def jump(self, limit: Limit) -> tuple[Choice, int | None]:
        """Move VNFs from the high price's choice to the low price's, the best first.

        Returns:
            The choice of all VNFs, and the first VNF that does not fit, if there is one.
        """
        rows, need, _ = self.moves(limit)
        taken = fitting(need, limit.left(self.high))
        moved = rows[taken]
        in_turn = int((taken == np.arange(taken.size)).sum())
        torn = int(rows[in_turn]) if in_turn < rows.size else None
        return self.high.put(moved, self.low.at(moved)), torn

    def _tried(self, price: float, choices: Choices, limit: Limit) -> tuple["Bracket", float]:
        """Give the bracket that a price between makes, and how much lower the priced cost is."""
        moving = np.flatnonzero(self.low.y != self.high.y)
        rate = price * limit.units[moving]
        found = choices.least(rate, moving)
        known = np.minimum(self.low.at(moving).priced(rate), self.high.at(moving).priced(rate))
        gain = float((known - found.priced(rate)).sum())
        new = self.high.put(moving, found)
        priced = float(new.priced(price * limit.units).sum())
        if limit.holds(new):
            return Bracket(self.low, new, self.below, price, price, priced), gain
        return Bracket(new, self.high, price, self.above, price, priced), gain


def fitting(need: Floats, room: float) -> Rows:
    """Places of those that fit, taken in order: one that does not fit is passed over."""
    room += _ROUNDING * abs(room)  # exactly all of it fits
    taken: list[int] = []
    for place, each in enumerate(need.tolist()):
        if each <= room:
            taken.append(place)
            room -= each
    return np.array(taken, dtype=np.intp)
