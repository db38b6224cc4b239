"""What an allocation did in every slot: its cost, its violations, its overprovision."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ddnn.cost.hard import AllocationCost, mean_overprovision, violation_rate

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """One number per slot, each (K,); means over slots are what tables show."""

    cost: Array
    """Hard cost, summed over the VNFs, on scaled demand."""
    cost_in_units: Array
    """The same, each VNF's cost times its span: in the user's units."""
    violations: Array
    """Share of the VNFs with less than their demand."""
    overprovision: Array
    """Mean of max(y - d, 0) over the VNFs, on scaled demand."""

    @classmethod
    def of(cls, cost: AllocationCost, y: Array, d: Array, span: Array) -> Self:
        """Judge an allocation y (K, M) against the demand d (K, M), both scaled.

        Args:
            cost: The hard cost.
            y: Allocation.
            d: Demand.
            span: (M,) units that one of each VNF's full scale is worth.
        """
        return cls(
            cost=cost(y, d),
            cost_in_units=cost.in_units(y, d, span),
            violations=violation_rate(y, d),
            overprovision=mean_overprovision(y, d),
        )

    @classmethod
    def mixed(cls, local: NDArray[np.bool_], at_edge: Self, in_cloud: Self) -> Self:
        """Outcome of a rule: the local exit's where ``local`` (K,), else the remote exit's."""
        return cls(
            *(
                np.where(local, getattr(at_edge, name), getattr(in_cloud, name))
                for name in ("cost", "cost_in_units", "violations", "overprovision")
            )
        )

    def means(self) -> dict[str, float]:
        """Means over the slots, by the names that evaluation.json uses."""
        return {
            "C": float(self.cost.mean()),
            "cost_in_units": float(self.cost_in_units.mean()),
            "violation_rate": float(self.violations.mean()),
            "mean_overprovision": float(self.overprovision.mean()),
        }
