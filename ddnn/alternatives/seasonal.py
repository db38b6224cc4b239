"""Demand of an earlier slot plus a constant headroom per VNF: the last one, a day or a week ago."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.alternatives.last_value import LastValueHeadroom
from ddnn.alternatives.past import Floats, Past, known
from ddnn.alternatives.search import best_headroom
from ddnn.cost import AllocationCost
from ddnn.errors import ArtefactError


@dataclass(frozen=True, eq=False)
class SlotHeadroom:
    """Allocate what each VNF's demand was ``lag`` slots before, plus its headroom."""

    lag: int
    """1: the last value; ``clock.slots_in(1)`` or ``(7)``: the same slot a day or a week ago."""
    headroom: Floats
    """(M,), scaled."""

    @classmethod
    def fit(cls, past: Past, cost: AllocationCost, lag: int) -> Self:
        """Find the headroom of least mean cost for each VNF, on the training days.

        Raises:
            ValueError: No training slot has demand so many slots before it.
        """
        targets = range(max(past.train.start, lag), past.train.stop)
        if not targets:
            raise ValueError(
                f"no training slot has demand {lag} slots before it; take more training days, or "
                "leave this alternative out"
            )
        reference = known(past.values, targets, lag, past.values.shape[1])
        return cls(lag, best_headroom(reference, past.demand(targets), cost))

    def allocate(self, values: NDArray[np.floating], targets: range) -> Floats:
        """Allocate y (K, M) for the targets; see :class:`ddnn.alternatives.past.Alternative`."""
        return known(values, targets, self.lag, self.headroom.size) + self.headroom

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        return {"lag": self.lag, "headroom": self.headroom.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of a headroom.
        """
        headroom, lag = LastValueHeadroom.from_json(values).headroom, values.get("lag")
        if not isinstance(lag, int) or lag < 1:
            raise ArtefactError(f"not a headroom (lag {lag!r}); fit it again")
        return cls(lag, headroom)
