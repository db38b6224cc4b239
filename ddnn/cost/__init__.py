"""What an allocation costs: the hard cost that everything is judged on (``surrogate`` trains)."""

from ddnn.cost.hard import (
    AllocationCost,
    Penalty,
    PenaltyForm,
    from_params,
    mean_overprovision,
    sla_cost,
    squared_error,
    violation_rate,
)

__all__ = [
    "AllocationCost",
    "Penalty",
    "PenaltyForm",
    "from_params",
    "mean_overprovision",
    "sla_cost",
    "squared_error",
    "violation_rate",
]
