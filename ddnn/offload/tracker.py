"""A threshold that keeps L0 where the calibrated one drifts off: label-free, numpy only."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np

from ddnn.errors import ArtefactError
from ddnn.offload.calibration import order_statistic


@dataclass
class ThresholdTracker:
    """The trailing quantile of a rule's scores, steered by the shortfall of the local share.

    Demand drifts, and with it the scores: a threshold that is frozen on the calibration days then
    keeps another share local than L0. This one is the order statistic of the newest ``memory``
    scores, at a share that makes up within ``horizon`` decisions for what the local share has
    missed so far. It needs no outcome: only scores and its own decisions.
    """

    l0: float
    memory: int
    """Scores that are remembered."""
    horizon: int
    """Decisions within which a shortfall is to be made up."""
    shortfall: float = 0.0
    """Local decisions that are owed: the sum of L0 minus what was decided, within the horizon."""
    scores: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Bound the memory."""
        self.scores = deque(self.scores, maxlen=self.memory)

    def start(self, scores: Iterable[float]) -> None:
        """Begin with the scores of the calibration days, oldest first; the shortfall stays."""
        self.scores = deque(scores, maxlen=self.memory)

    def threshold(self) -> float:
        """Give the threshold for the next decision; ``-inf`` where none is to be local."""
        share = min(max(self.l0 + self.shortfall / self.horizon, 0.0), 1.0)
        if share >= 1 or not self.scores:  # a score above all that were seen stays local, too
            return inf if share > 0 else -inf
        return order_statistic(np.asarray(self.scores), share)

    def observe(self, score: float, local: bool) -> None:
        """Take in a decision: its score, and whether it was decided to stay local."""
        if np.isfinite(score):
            self.scores.append(float(score))
        # Bounded: what a month of strange demand has missed is not paid back in one day.
        owed = self.shortfall + self.l0 - float(local)
        self.shortfall = min(max(owed, -float(self.horizon)), float(self.horizon))

    def to_json(self) -> dict[str, Any]:
        """Give plain values, for a state file."""
        return {"shortfall": self.shortfall, "scores": list(self.scores)}

    def restore(self, values: dict[str, Any]) -> None:
        """Go on where :meth:`to_json` was called.

        Raises:
            ArtefactError: The values are not those of a tracker.
        """
        try:
            scores = [float(score) for score in values["scores"]]
            shortfall = float(values["shortfall"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not the state of a threshold tracker ({error})") from error
        if not np.isfinite([shortfall, *scores]).all():
            raise ArtefactError("not the state of a threshold tracker (a value is not finite)")
        self.scores = deque(scores, maxlen=self.memory)
        self.shortfall = min(max(shortfall, -float(self.horizon)), float(self.horizon))
