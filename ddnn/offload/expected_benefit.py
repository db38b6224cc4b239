"""Rank decisions by the benefit that the edge expects of the remote exit (numpy only)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.cost import AllocationCost
from ddnn.decision import Predicted, ResidualShape
from ddnn.offload.known import Floats, Known


@dataclass(frozen=True, eq=False)
class ExpectedBenefit:
    """Score = E[cost(y_L, d) - cost(predicted y_R, d)], summed over the VNFs.

    The expectation is taken over the demand that the edge thinks possible, y_R is what a small
    student of the remote exit predicts from what the edge knows. One fit serves every L0.

    Two kinds of remote exit. One that gives *allocations* (the paper's): the student predicts y_R,
    and the distribution is that of a predictor at the edge. One that gives *distributions*
    (``anchored``): the student predicts what the remote exit would say of the demand; y_R and the
    benefit follow under any cost, so that one fit serves every cost too (:meth:`priced`). There
    the edge's own distribution would call every y_L the best: the expectation is taken under what
    the student says.
    """

    cost: AllocationCost
    shape: ResidualShape
    """Of the edge's own predictions."""

    name = "expected_benefit"

    @classmethod
    def fit(
        cls,
        known: Known,
        remote: NDArray[np.floating[Any]] | Predicted,
        shape: ResidualShape,
        cost: AllocationCost,
        remote_shape: ResidualShape | None = None,
    ) -> Self:
        """Fit the student; no demand of the slots is looked at.

        So the days that the exits were trained on will do, beside the validation days.

        Args:
            known: K past decisions.
            remote: What the remote exit gave for them: allocations y_R (K, M), scaled, or
                predictions (K, M).
            shape: Of the edge's own predictions, fitted on validation days.
            cost: Under which decisions are to be ranked; :meth:`priced` changes it.
            remote_shape: Of the remote exit's predictions, fitted on validation days; for
                predictions only.

        Raises:
            ValueError: There are no decisions, the arrays do not fit one another, or a
                ``remote_shape`` lacks predictions or is lacking for them.
        """
        raise NotImplementedError

    def priced(self, cost: AllocationCost) -> Self:
        """Give the same gate under another cost; nothing is fitted again.

        Exits that give allocations have learned for one cost: there it only judges otherwise.
        """
        raise NotImplementedError

    def score(self, known: Known) -> Floats:
        """Give the expected benefit (K,) of K decisions, in units of cost: higher is harder.

        Raises:
            ValueError: The decisions are of other VNFs or another N than those of the fit.
        """
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file; the cost is not in it."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, values: Mapping[str, Any], cost: AllocationCost) -> Self:
        """Rebuild what :meth:`to_json` gave, under a cost.

        Raises:
            ArtefactError: The values are not those of such a gate.
        """
        raise NotImplementedError
