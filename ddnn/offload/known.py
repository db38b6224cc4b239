"""What the edge knows of a decision when it scores it, for the rules that need numpy alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.decision import Predicted

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Known:
    """K decisions as the edge sees them: no demand to come, and nothing of the remote exit.

    Raises:
        ValueError: The arrays are not of the same decisions and VNFs.
    """

    predicted: Predicted
    """(K, M): the distribution of the demand that a predictor at the edge gives."""
    local: NDArray[np.floating[Any]]
    """(K, M): y_L, scaled."""
    recent: NDArray[np.floating[Any]]
    """(K, N, M): past demand D, scaled; ``[:, -1]`` is the newest slot."""
    calendar: NDArray[np.floating[Any]]
    """(K, 4): see :meth:`ddnn.context.Clock.calendar`."""

    def __post_init__(self) -> None:
        shape, recent = self.predicted.location.shape, self.recent.shape
        fits = (
            len(shape) == 2
            and self.local.shape == shape
            and len(recent) == 3
            and (recent[0], recent[2]) == shape
            and self.calendar.shape == (shape[0], 4)
        )
        if not fits:
            raise ValueError(
                f"prediction and y_L must be (K, M), past demand (K, N, M), calendar (K, 4), but "
                f"are {shape}, {self.local.shape}, {recent}, {self.calendar.shape}"
            )

    def __len__(self) -> int:
        return len(self.local)

    @property
    def vnfs(self) -> int:
        """M."""
        return self.predicted.vnfs

    def refuse_others(self, vnfs: int) -> None:
        """Refuse decisions of another number of VNFs.

        Raises:
            ValueError: They are.
        """
        if self.vnfs != vnfs:
            raise ValueError(f"decisions on {self.vnfs} VNFs, but the gate was fitted on {vnfs}")

    def part(self, decisions: slice) -> "Known":
        """Give some of the decisions."""
        predicted = Predicted(self.predicted.location[decisions], self.predicted.spread[decisions])
        return Known(
            predicted, self.local[decisions], self.recent[decisions], self.calendar[decisions]
        )
