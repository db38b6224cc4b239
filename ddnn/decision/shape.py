"""The shape that all VNFs share: how standardised residuals of validation days were distributed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ddnn.cost.hard import Floats
from ddnn.decision.predicted import Predicted
from ddnn.errors import ArtefactError

_POINTS = 256
_EQUAL = 1e-9
"""Quantiles this close, in spreads (or in shares of a large one), are one."""

_SUM = 1e-9
"""How far the masses may sum from 1."""


@dataclass(frozen=True, eq=False)
class ResidualShape:
    """The distribution of Z in demand = location + spread * Z, as a sorted grid of quantiles.

    Demand is one of the grid's values, each with its mass: so no quantile lies beyond what the
    validation days have seen, and with the spread's cap no headroom does either, whatever a spike
    makes of the prediction.
    """

    values: Floats
    """(P,) quantiles of the standardised residuals, ascending."""
    mass: Floats
    """(P,) their probabilities, above 0; they sum to 1."""
    spread_cap: Floats
    """(M,) the largest spread of each VNF on the validation days."""

    @classmethod
    def fit(cls, predicted: Predicted, demand: ArrayLike, *, points: int = _POINTS) -> Self:
        """Pool the standardised residuals of validation days over slots and VNFs.

        With more residuals than points, neighbours are pooled to their mean: few in the tails,
        where a dear violation is decided, and many in the middle.

        Args:
            predicted: (K, M) of the validation days.
            demand: (K, M), scaled alike.
            points: The most quantiles that are kept.

        Raises:
            ValueError: No residual, other shapes, demand that is not finite, or no point.
        """
        d = np.asarray(demand, dtype=np.float64)
        if predicted.location.ndim != 2 or d.shape != predicted.location.shape or d.size == 0:
            raise ValueError(
                f"a shape needs predictions and demand (K, M), but they are "
                f"{predicted.location.shape} and {d.shape}"
            )
        if points < 1:
            raise ValueError(f"a shape needs at least one point, not {points}")
        residuals = np.sort(((d - predicted.location) / predicted.spread).ravel())
        if not np.isfinite(residuals).all():
            raise ValueError("a standardised residual is not finite; repair the demand first")
        values, mass = _pool(residuals, points)
        return cls(values, mass, predicted.spread.max(axis=0))

    def bounded(self, predicted: Predicted) -> Floats:
        """Spread (..., M), at most each VNF's largest on the validation days.

        Raises:
            ValueError: The prediction is of another number of VNFs.
        """
        if predicted.vnfs != self.spread_cap.size:
            raise ValueError(
                f"a prediction of {predicted.vnfs} VNFs, but the shape was fitted on "
                f"{self.spread_cap.size}"
            )
        return np.minimum(predicted.spread, self.spread_cap)

    def distinct(self) -> Self:
        """Give the shape without quantiles that are equal, but for rounding: the largest stays.

        Between such quantiles lies nothing, and which of them costs least is a matter of rounding.
        """
        steps = np.diff(self.values) > _EQUAL * np.maximum(1.0, np.abs(self.values[1:]))
        last = np.flatnonzero(np.append(steps, True))
        mass = np.diff(np.cumsum(self.mass)[last], prepend=0.0)
        return replace(self, values=self.values[last], mass=mass)

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        return {
            "values": self.values.tolist(),
            "mass": self.mass.tolist(),
            "spread_cap": self.spread_cap.tolist(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of a shape.
        """
        try:
            grid, mass, cap = (
                np.array([float(each) for each in values[name]], dtype=np.float64)
                for name in ("values", "mass", "spread_cap")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not a shape of residuals ({error}); fit it again") from error
        fault = _fault(grid, mass, cap)
        if fault:
            raise ArtefactError(f"not a shape of residuals ({fault}); fit it again")
        return cls(grid, mass, cap)


def _pool(residuals: Floats, points: int) -> tuple[Floats, Floats]:
    """Values and masses (P,), P <= points, of sorted residuals (n,)."""
    n = residuals.size
    if n <= points:
        return residuals, np.full(n, 1 / n)
    # Cosine spacing: at level u a bin holds a share of about pi sqrt(u (1 - u)) / points.
    levels = (1 - np.cos(np.linspace(0, np.pi, points + 1))) / 2
    edges = np.unique(np.round(n * levels).astype(np.int64))
    counts = np.diff(edges)
    means = np.add.reduceat(residuals, edges[:-1]) / counts
    # The mean of equal numbers may be off by a rounding: keep the order.
    return np.maximum.accumulate(means), counts / n


def _fault(grid: Floats, mass: Floats, cap: Floats) -> str | None:
    if grid.size == 0 or cap.size == 0 or grid.size != mass.size:
        return "quantiles, masses or caps are missing"
    if not all(np.isfinite(each).all() for each in (grid, mass, cap)):
        return "a value is not finite"
    if (np.diff(grid) < 0).any():
        return "the quantiles do not ascend"
    if (mass <= 0).any() or abs(mass.sum() - 1) > _SUM or (cap <= 0).any():
        return "masses must be above 0 and sum to 1, and caps be above 0"
    return None
