"""What is usual for each series, learned on training days: the units of a network's inputs."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LEAST = 1e-4  # full scales; a series that hardly moves has no smaller units


@dataclass(frozen=True, eq=False)
class SeriesStatistics:
    """Level and spreads of M series, scaled units."""

    mean: Floats
    """(M,)."""
    level: Floats
    """(M,): standard deviation around the mean."""
    step: Floats
    """(M,): root mean square change from one slot to the next."""

    @classmethod
    def fit(cls, values: NDArray[np.floating[Any]]) -> Self:
        """Learn from ``values`` (slots, M), scaled: pass the training slots only.

        Raises:
            ValueError: There are fewer than two slots.
        """
        if len(values) < 2:
            raise ValueError(f"statistics of {len(values)} slots; two at least")
        known = np.asarray(values, dtype=np.float64)
        step = np.sqrt((np.diff(known, axis=0) ** 2).mean(axis=0))
        return cls(
            known.mean(axis=0),
            np.maximum(known.std(axis=0), _LEAST),
            np.maximum(step, _LEAST),
        )

    @classmethod
    def unit(cls, vnfs: int) -> Self:
        """Give what stands for statistics until weights are loaded."""
        return cls(np.zeros(vnfs), np.ones(vnfs), np.ones(vnfs))
