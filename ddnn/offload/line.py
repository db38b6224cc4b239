"""Ridge regression on standardised, bounded regressors: fitted and asked by numpy alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ArtefactError

Floats = NDArray[np.float64]

BOUND = 8.0
"""Standardised regressors beyond are cut there: one spike must not carry a line away."""

_STILL = 1e-9
"""A regressor that varies less is constant, and has no weight."""


@dataclass(frozen=True, eq=False)
class Line:
    """O weighted sums of the same P regressors, each with a constant."""

    centre: Floats
    """(P,), mean of each regressor where it was fitted."""
    scale: Floats
    """(P,), its standard deviation there; 1 for a constant one."""
    weights: Floats
    """(P + 1, O), the constant last."""

    @classmethod
    def fit(cls, rows: Floats, wanted: Floats, penalty: float) -> Self:
        """Fit by least squares.

        Args:
            rows: (..., P) regressors.
            wanted: (..., O).
            penalty: On the squared weights of the standardised regressors, not on the constant.
        """
        flat, targets = rows.reshape(-1, rows.shape[-1]), wanted.reshape(-1, wanted.shape[-1])
        spread = flat.std(axis=0)
        scale = np.where(spread > _STILL, spread, 1.0)
        unfitted = cls(flat.mean(axis=0), scale, np.zeros((flat.shape[1] + 1, targets.shape[1])))
        x = unfitted._standardised(flat)
        middle, mean = x.mean(axis=0), targets.mean(axis=0)
        x -= middle  # cutting has moved it a little from 0
        products = x.T @ x + penalty * np.eye(x.shape[1])
        slopes = np.linalg.solve(products, x.T @ (targets - mean))
        constant = mean - middle @ slopes
        return cls(unfitted.centre, scale, np.concatenate([slopes, constant[None]]))

    def __call__(self, rows: Floats) -> Floats:
        """Give the sums (..., O) of rows (..., P).

        Raises:
            ValueError: They are other regressors than those of the fit.
        """
        if rows.shape[-1] != self.centre.size:
            raise ValueError(
                f"{rows.shape[-1]} regressors, but {self.centre.size} were fitted: the past demand "
                "D must hold as many slots as at the fit"
            )
        return np.asarray(self._standardised(rows) @ self.weights[:-1] + self.weights[-1])

    def _standardised(self, rows: Floats) -> Floats:
        scaled = (rows - self.centre) / self.scale
        return np.minimum(np.maximum(scaled, -BOUND), BOUND)

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        return {
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "weights": self.weights.tolist(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], outputs: int) -> Self:
        """Rebuild what :meth:`to_json` gave, of so many outputs O.

        Raises:
            ArtefactError: The values are not those of such a line.
        """
        try:
            centre, scale, weights = (
                np.array(values[name], dtype=np.float64) for name in ("centre", "scale", "weights")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not a line ({error!r}); fit it again") from error
        count = centre.size
        if (centre.shape, scale.shape, weights.shape) != ((count,), (count,), (count + 1, outputs)):
            raise ArtefactError("not a line (not a weight for each regressor); fit it again")
        if not all(np.isfinite(each).all() for each in (centre, scale, weights)):
            raise ArtefactError("not a line (a number is not finite); fit it again")
        if (scale <= 0).any():
            raise ArtefactError("not a line (a scale is not positive); fit it again")
        return cls(centre, scale, weights)
