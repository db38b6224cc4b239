"""Both sides' views of the same decisions: the edge's short one, the cloud's long one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.context.clock import Clock
from ddnn.context.view import Reach, View, build_view


@dataclass(frozen=True)
class Reaches:
    """How far back each side looks."""

    edge: Reach
    cloud: Reach


@dataclass(frozen=True, eq=False)
class Context:
    """What edge and cloud see at each of K decisions."""

    edge: View
    cloud: View

    def __len__(self) -> int:
        return len(self.edge)

    def part(self, decisions: slice | NDArray[np.intp]) -> "Context":
        """Give some of the decisions."""
        return Context(self.edge.part(decisions), self.cloud.part(decisions))


def build_context(
    values: NDArray[np.floating[Any]], targets: range, clock: Clock, reaches: Reaches
) -> Context:
    """Cut what both sides see when they decide on the targets; see :func:`build_view`.

    Args:
        values: (T, M), scaled.
        targets: K consecutive target slots, from slot 1 on; the last may be T, the slot after.
        clock: Of the slots.
        reaches: How far back each side looks.

    Raises:
        DemandError: A target has no slot before it, or lies beyond the slot after the last.
    """
    edge = build_view(values, targets, clock, reaches.edge)
    return Context(edge, build_view(values, targets, clock, reaches.cloud))
