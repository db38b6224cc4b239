"""A threshold autoscaler: capacity such that the last demand would use a target share of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.alternatives.past import Floats, Past, known
from ddnn.alternatives.search import best_constant
from ddnn.cost import AllocationCost
from ddnn.errors import ArtefactError


@dataclass(frozen=True, eq=False)
class Autoscaler:
    """Allocate last demand / target utilisation, in the demand's own units."""

    utilisation: Floats
    """(M,), positive; above 1 where a violation is cheap and demand falls often."""
    zero: Floats
    """(M,), where a demand of 0 units lies on the scale."""

    @classmethod
    def fit(cls, past: Past, cost: AllocationCost, *, per_vnf: bool = True) -> Self:
        """Tune the target utilisation on the validation days.

        Args:
            past: The demand.
            cost: The hard cost.
            per_vnf: A target for each VNF; else one for all.
        """
        demand = past.demand(past.validation)
        last = known(past.values, past.validation, 1, past.zero.size) - past.zero
        used = np.maximum(last, 1e-12)  # a demand of 0 units needs an endless multiple
        met = (demand - past.zero) / used
        # Those of slots that no multiple can meet say nothing of the rest.
        met = np.where(last > 0, met, np.median(met, axis=0))

        def cost_at(multiples: Floats) -> Floats:
            costs = cost.per_vnf(past.zero + multiples * last, demand)
            return np.atleast_1d(costs.sum(axis=0 if per_vnf else None))

        multiples = best_constant(met if per_vnf else met.reshape(-1, 1), cost_at)
        return cls(1.0 / np.broadcast_to(np.maximum(multiples, 1e-6), last.shape[1]), past.zero)

    def allocate(self, values: NDArray[np.floating], targets: range) -> Floats:
        """Allocate y (K, M) for the targets; see :class:`ddnn.alternatives.past.Alternative`."""
        last = known(values, targets, 1, self.zero.size)
        return np.asarray(self.zero + (last - self.zero) / self.utilisation)

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        return {"utilisation": self.utilisation.tolist(), "zero": self.zero.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of an autoscaler.
        """
        try:
            found = cls(
                np.array([float(each) for each in values["utilisation"]], dtype=np.float64),
                np.array([float(each) for each in values["zero"]], dtype=np.float64),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not an autoscaler ({error}); fit it again") from error
        if found.zero.size == 0 or found.zero.shape != found.utilisation.shape:
            raise ArtefactError("not an autoscaler (not a target for each VNF); fit it again")
        if not np.isfinite([found.zero, found.utilisation]).all() or found.utilisation.min() <= 0:
            raise ArtefactError("not an autoscaler (a target is not positive); fit it again")
        return found
