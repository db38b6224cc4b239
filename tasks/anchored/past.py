"""The past as exits that predict a distribution see it: their contexts, on prepared demand."""

import numpy as np
from numpy.typing import NDArray

from ddnn.context import Clock, Context, Reaches, build_context
from tasks.prepared import Prepared


def clock_of(prepared: Prepared) -> Clock:
    """Give the clock of the demand."""
    demand = prepared.demand
    return Clock(demand.start, demand.slot_seconds, demand.timezone)


def contexts(prepared: Prepared, targets: range, reaches: Reaches) -> Context:
    """Cut what both exits see when they decide on the targets."""
    return build_context(prepared.values_scaled, targets, clock_of(prepared), reaches)


def decisions(
    prepared: Prepared, targets: range, reaches: Reaches
) -> tuple[Context, NDArray[np.float32]]:
    """Give the targets' contexts with the demand that they meet."""
    return contexts(prepared, targets, reaches), met(prepared, targets)


def met(prepared: Prepared, targets: range) -> NDArray[np.float32]:
    """Give the demand (K, M) that the targets meet, scaled."""
    return prepared.values_scaled[targets.start : targets.stop].astype(np.float32)
