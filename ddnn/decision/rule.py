"""From a predicted distribution to an allocation: the minimiser of the expected cost."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ddnn.cost.hard import AllocationCost, Floats, PenaltyForm
from ddnn.decision.power import PowerCost
from ddnn.decision.predicted import Predicted
from ddnn.decision.searched import SearchedCost
from ddnn.decision.shape import ResidualShape


@dataclass(frozen=True, eq=False)
class DecisionRule:
    """Allocate what costs least on average, when the demand is location + spread * Z.

    Penalties with a named form cost a look-up for each VNF: exact for degrees 0, 1 and 2 (eqs. (1)
    and (3)) and for those of at most 1, within 1e-4 of the least expected cost for other powers.
    Any other penalty is searched for, which takes a tenth of a second and more. A spread counts as
    at most the largest of the validation days; the location is taken as it is. An allocation may
    be negative, where a VNF's demand may fall under its scale's zero.

    Raises:
        ValueError: A weight or an exponent is negative, or there is not one weight per VNF.
    """

    shape: ResidualShape
    """Of the standardised residuals Z."""
    cost: AllocationCost
    """Any g_u and g_o, with one weight or one per VNF."""

    def __post_init__(self) -> None:
        self.expectation  # noqa: B018 - tabulated, and checked, before the first decision

    @cached_property
    def expectation(self) -> PowerCost | SearchedCost:
        """The expected cost as a function of allocation and spread."""
        under, over = self.cost.under, self.cost.over
        if isinstance(under, PenaltyForm) and isinstance(over, PenaltyForm):
            return PowerCost(self.shape.distinct(), under, over)
        return SearchedCost(self.shape.distinct(), self.cost)

    def allocate(self, predicted: Predicted) -> Floats:
        """Allocation (..., M), scaled, of least expected cost.

        Raises:
            ValueError: The prediction is of another number of VNFs than the shape.
        """
        return self.expectation.minimiser(predicted.location, self.shape.bounded(predicted))

    def expected_cost(self, y: ArrayLike, predicted: Predicted) -> Floats:
        """Expected cost (..., M) of each VNF, for allocations y (..., M) that broadcast.

        Raises:
            ValueError: The prediction is of another number of VNFs than the shape.
        """
        allocations = np.asarray(y, dtype=np.float64)
        spread = self.shape.bounded(predicted)
        return self.expectation.expected(allocations, predicted.location, spread)
