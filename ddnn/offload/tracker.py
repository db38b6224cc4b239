"""A threshold that keeps L0 where the calibrated one drifts off: label-free, numpy only."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddnn.errors import ArtefactError, ModelError
from ddnn.offload.calibration import decide, order_statistic


@dataclass
class ThresholdTracker:
    """The trailing quantile of a rule's scores, steered by the shortfall of the local share.

    Demand drifts, and with it the scores: a threshold that is frozen on the calibration days then
    keeps another share local than L0. This one is the order statistic of the newest ``memory``
    scores, at a share that makes up within ``horizon`` decisions for what the local share has
    missed so far. It needs no outcome: only scores and its own decisions.

    The quantile lags behind a drift that goes on, by a share e; a shortfall of ``e * horizon``
    would balance that and stand for ever. So a second term learns e from a shortfall that lasts,
    at the rate that lets both vanish without overshoot (critical damping: the second term's rate
    is a quarter of the first one's squared). Within a horizon the local share is free: with a day
    as horizon, calm hours keep more and busy ones less.
    """

    l0: float
    memory: int
    """Scores that are remembered."""
    horizon: int
    """Decisions within which a shortfall is to be made up."""
    shortfall: float = 0.0
    """Local decisions that are owed: the sum of L0 minus what was decided, within the horizon."""
    lag: float = 0.0
    """Share by which the quantile has been found to miss L0."""
    scores: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Bound the memory."""
        self.scores = deque(self.scores, maxlen=self.memory)

    def start(self, scores: Iterable[float]) -> None:
        """Begin with the scores of the calibration days, oldest first; the shortfall stays."""
        self.scores = deque(scores, maxlen=self.memory)
        self.lag = 0.0

    def threshold(self) -> float:
        """Give the threshold for the next decision; ``-inf`` where none is to be local."""
        share = self._share()
        if share >= 1 or not self.scores:  # a score above all that were seen stays local, too
            return inf if share > 0 else -inf
        return order_statistic(np.asarray(self.scores), max(share, 0.0))

    def observe(self, score: float, local: bool) -> None:
        """Take in a decision: its score, and whether it was decided to stay local."""
        if np.isfinite(score):
            self.scores.append(float(score))
        if 0 < self._share() < 1:  # at its end it can follow no further, and learns nothing
            self.lag += self.shortfall / (2 * self.horizon) ** 2
        # Bounded: what a month of strange demand has missed is not paid back in one day.
        owed = self.shortfall + self.l0 - float(local)
        self.shortfall = min(max(owed, -float(self.horizon)), float(self.horizon))

    def to_json(self) -> dict[str, Any]:
        """Give plain values, for a state file."""
        return {"shortfall": self.shortfall, "lag": self.lag, "scores": list(self.scores)}

    def restore(self, values: dict[str, Any]) -> None:
        """Go on where :meth:`to_json` was called.

        Raises:
            ArtefactError: The values are not those of a tracker.
        """
        try:
            scores = [float(score) for score in values["scores"]]
            shortfall, lag = float(values["shortfall"]), float(values["lag"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not the state of a threshold tracker ({error})") from error
        if not np.isfinite([shortfall, lag, *scores]).all():
            raise ArtefactError("not the state of a threshold tracker (a value is not finite)")
        self.scores = deque(scores, maxlen=self.memory)
        self.shortfall = min(max(shortfall, -float(self.horizon)), float(self.horizon))
        self.lag = lag

    def _share(self) -> float:
        """Give the share that the quantile is asked for; beyond [0, 1] where that is too little."""
        return self.l0 + self.lag + self.shortfall / self.horizon


@dataclass(frozen=True, eq=False)
class Tracked:
    """What a tracker decided over a period."""

    local: NDArray[np.bool_]
    """(K,), true = local."""
    thresholds: NDArray[np.float64]
    """(K,), each from the decisions before it alone."""


def track(scores: ArrayLike, start: ArrayLike, l0: float, *, memory: int, horizon: int) -> Tracked:
    """Play a tracker over a period, as an edge would that scored these decisions one by one.

    Args:
        scores: (K,) of any rule, in the order of the slots; higher is harder.
        start: (K',) the same rule's on the calibration days, oldest first.
        l0: Wanted share of local decisions.
        memory: Scores that are remembered.
        horizon: Decisions within which a shortfall is made up: with those of a day, the budget
            breathes over the day.

    Raises:
        ModelError: A score is not a finite number.
    """
    period = np.asarray(scores, dtype=np.float64)
    known = np.asarray(start, dtype=np.float64)
    if not (np.isfinite(period).all() and np.isfinite(known).all()):
        raise ModelError("a rule gave a score that is not a finite number: its gate is unusable")
    tracker = ThresholdTracker(l0, memory=memory, horizon=horizon)
    tracker.start(known.tolist())
    local = np.empty(period.shape, dtype=np.bool_)
    thresholds = np.empty(period.shape)
    for index, score in enumerate(period.tolist()):
        thresholds[index] = tracker.threshold()
        local[index] = decide([score], thresholds[index])[0]
        tracker.observe(score, bool(local[index]))
    return Tracked(local, thresholds)
