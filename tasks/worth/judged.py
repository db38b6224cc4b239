"""What the stages of a window share: its clock, the cost of what is served, gates' decisions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ddnn.context import Clock
from ddnn.cost import AllocationCost, sla_cost
from ddnn.evaluation.worth.result import Result, cost_name, decision_name
from ddnn.offload import decide, order_statistic
from ddnn.offload.tracker import ThresholdTracker
from ddnn.params import SettingParams, WorthParams
from tasks.prepared import Prepared
from tasks.stage import Stage

Floats = NDArray[np.float64]
RESULT = "result.npz"


def clock_of(prepared: Prepared) -> Clock:
    """Give the clock of a window's slots."""
    demand = prepared.demand
    return Clock(demand.start, demand.slot_seconds, demand.timezone)


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


def frozen(validation: Floats, test: Floats, l0: float) -> NDArray[np.bool_]:
    """Decide (K,) by the threshold that left l0 of the validation days' decisions local."""
    return decide(test, order_statistic(validation, l0))


def with_margin(
    validation: Floats, test: Floats, l0: float, worth: WorthParams, slots_per_day: float
) -> NDArray[np.bool_]:
    """Decide (K,) by a frozen threshold whose margin makes L >= l0 with a stated probability.

    The share of a day varies, and both the validation and the test days are a few of them: the
    margin is Student's t for the difference of their means, from the validation days' own spread.
    """
    local = decide(validation, order_statistic(validation, l0)).astype(np.float64)
    days = np.array_split(local, max(1, round(len(local) / slots_per_day)))
    if len(days) < 2:
        return frozen(validation, test, l0)
    spread = float(np.std([day.mean() for day in days], ddof=1))
    both = 1 / len(days) + slots_per_day / len(test)
    t = float(stats.t.ppf(worth.whole.confidence, len(days) - 1))
    return frozen(validation, test, min(1.0, l0 + max(0.0, t) * spread * both**0.5))


def tracked(
    validation: Floats, test: Floats, l0: float, worth: WorthParams, slots_per_day: float
) -> NDArray[np.bool_]:
    """Decide (K,) one after the other by a threshold that follows the scores."""
    tracker = ThresholdTracker(
        l0,
        memory=max(1, round(worth.tracker.memory_days * slots_per_day)),
        horizon=max(1, round(worth.tracker.horizon_days * slots_per_day)),
    )
    tracker.start(validation)
    local = np.zeros(len(test), dtype=np.bool_)
    for slot, score in enumerate(test.tolist()):
        local[slot] = score <= tracker.threshold()
        tracker.observe(score, bool(local[slot]))
    return local


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
    "clock_of",
    "cost_name",
    "cost_of_served",
    "costs_at",
    "decision_name",
    "demand_on",
    "frozen",
    "tracked",
    "window_facts",
    "write",
]
