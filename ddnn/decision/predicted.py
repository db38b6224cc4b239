"""What a network (or any other forecaster) says about the next slot: location and spread."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ddnn.cost.hard import Floats


@dataclass(frozen=True, eq=False)
class Predicted:
    """A distribution of the demand of each VNF, but for its shape: location + spread * Z.

    Raises:
        ValueError: The shapes differ, a number is not finite, or a spread is not positive.
    """

    location: Floats
    """(..., M), scaled: a VNF's full scale is 1."""
    spread: Floats
    """(..., M), in the same units, above 0."""

    def __post_init__(self) -> None:
        location = np.asarray(self.location, dtype=np.float64)
        spread = np.asarray(self.spread, dtype=np.float64)
        if location.ndim == 0 or location.shape != spread.shape:
            raise ValueError(
                f"location {location.shape} and spread {spread.shape} must both be (..., M)"
            )
        if not np.isfinite(location).all() or not (np.isfinite(spread) & (spread > 0)).all():
            raise ValueError("a prediction needs finite locations, and finite spreads above 0")
        object.__setattr__(self, "location", location)
        object.__setattr__(self, "spread", spread)

    @classmethod
    def checked(cls, location: Floats, spread: Floats) -> Self:
        """Take float64 arrays that were checked where they come from: a check takes time."""
        found = object.__new__(cls)
        object.__setattr__(found, "location", location)
        object.__setattr__(found, "spread", spread)
        return found

    @property
    def vnfs(self) -> int:
        """M."""
        return int(self.location.shape[-1])
