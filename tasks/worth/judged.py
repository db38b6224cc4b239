"""What the stages of a window share: its clock, its demand, the cost of what is served."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.cost import AllocationCost, sla_cost
from ddnn.evaluation.worth.result import Result, cost_name
from ddnn.params import SettingParams
from tasks.prepared import Prepared
from tasks.stage import Stage

Floats = NDArray[np.float64]
RESULT = "result.npz"


def demand_on(prepared: Prepared, targets: range) -> Floats:
    """Demand (K, M) that the targets meet, scaled."""
    return prepared.values_scaled[targets.start : targets.stop]


def costs_at(prices: list[float], setting: SettingParams) -> dict[float, AllocationCost]:
    """Give the hard cost, eq. (3), at each c_u."""
    return {c_u: sla_cost(c_u, setting.c_o) for c_u in prices}


def cost_of_served(cost: AllocationCost, y: Floats, d: Floats, prepared: Prepared) -> Floats:
    """Cost (K,) of y (K, M): nothing below 0 units is ever served."""
    zero = prepared.scaling.scale(np.zeros(prepared.demand.vnfs))
    if d.dtype == np.float32:  # rounded as the demand is, lest 0 lie a hair above 0
        zero = zero.astype(np.float32)
    return cost(np.maximum(y, zero), d)


def write(stage: Stage, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write the piece's result."""
    (stage.out / RESULT).write_bytes(Result(dict(arrays), dict(facts)).to_bytes())


def window_facts(prepared: Prepared) -> dict[str, Any]:
    """Give the facts of the window that every result bears."""
    split = prepared.split
    return {
        "slots_per_day": prepared.demand.slots_per_day,
        "test": [split.test.start, split.test.stop],
        "training_slots": len(split.train),
        "vnfs": prepared.demand.vnfs,
    }


__all__ = [
    "RESULT",
    "cost_name",
    "cost_of_served",
    "costs_at",
    "demand_on",
    "window_facts",
    "write",
]
