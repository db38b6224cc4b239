"""What the learned alternatives share: location and spread of the demand, learned on past days.

Location and spread come from two models. The second learns the size of the first one's errors on
days that it was not fitted on, or it would take what was learned by heart for certainty. So does
what is calibrated afterwards: it asks the locations that were predicted for days left out.
"""

from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.alternatives.past import Floats
from ddnn.context import Clock
from ddnn.decision import Predicted

FOLDS = 5
_SMALLEST = 0.02
"""Errors below, in steps, count as this large: one by chance near 0 would weigh the most."""


class Predictor(Protocol):
    """Predicts the distribution of the next demand."""

    def predict(self, values: NDArray[np.floating], targets: range) -> Predicted:
        """Predict the demand of K targets from the slots before each: location, spread (K, M)."""

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of the predictor.
        """


def day_folds(clock: Clock, targets: range) -> NDArray[np.int64]:
    """Fold (K,) of each target: whole calendar days, dealt out in turn.

    With fewer days than folds, slots are dealt out in as many runs.
    """
    days = clock.days(targets)
    order = days - days[0]
    if order[-1] + 1 < FOLDS:
        return np.arange(len(targets)) * FOLDS // len(targets)
    return np.asarray(order % FOLDS)


def log_size(errors: Floats) -> Floats:
    """Log of the size of errors, in steps: what a model of the spread learns."""
    return np.asarray(np.log(np.maximum(np.abs(errors), _SMALLEST)))
