"""Rank decisions by a regression of the benefit that past ones had (numpy only)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.offload.known import Floats, Known


@dataclass(frozen=True, eq=False)
class RegressedBenefit:
    """Score = a line through the realised benefits, on what the edge knows, summed over VNFs."""

    weights: Floats

    name = "regressed_benefit"

    @classmethod
    def fit(cls, known: Known, benefit: NDArray[np.floating[Any]]) -> Self:
        """Fit on decisions whose outcome is known, on days that the exits were not trained on.

        Args:
            known: K past decisions of validation days.
            benefit: (K,) cost of the local exit minus cost of the remote exit.

        Raises:
            ValueError: There are no decisions, or not one finite benefit each.
        """
        raise NotImplementedError

    def score(self, known: Known) -> Floats:
        """Give the predicted benefit (K,) of K decisions, in units of cost: higher is harder.

        Raises:
            ValueError: The decisions are of another N than those of the fit.
        """
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of such a gate.
        """
        raise NotImplementedError
