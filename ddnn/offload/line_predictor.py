"""The demand's distribution from what an edge without a predictor has: D and the calendar.

For the paper's exits, which give allocations only; numpy alone, fitted in a fraction of a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.decision import Predicted
from ddnn.errors import ArtefactError
from ddnn.offload.known import Floats
from ddnn.offload.line import Line

_PENALTY = 10.0
_LEAST = 1e-4
"""Full scales; a VNF that hardly moves has no smaller step."""

_SMALLEST = 0.02
"""Errors below, in steps, count as this large: one by chance near 0 would weigh the most."""

_STATISTICS = ("step", "mean", "deviation")


@dataclass(frozen=True, eq=False)
class LinePredictor:
    """Location = last demand + step * line, spread = step * exp(another line); for all VNFs."""

    step: Floats
    """(M,): root mean square change of the demand from slot to slot."""
    mean: Floats
    """(M,), of the demand."""
    deviation: Floats
    """(M,): standard deviation of the demand."""
    location: Line
    spread: Line

    @classmethod
    def fit(
        cls,
        recent: NDArray[np.floating[Any]],
        calendar: NDArray[np.floating[Any]],
        demand: NDArray[np.floating[Any]],
    ) -> Self:
        """Fit on the training days.

        Args:
            recent: (K, N, M) past demand D, scaled.
            calendar: (K, 4), see :meth:`ddnn.context.Clock.calendar`.
            demand: (K, M), what the decisions met.

        Raises:
            ValueError: The arrays do not fit one another.
        """
        met = np.asarray(demand, dtype=np.float64)
        if met.ndim != 2 or (len(recent), recent.shape[-1]) != met.shape or len(met) < 2:
            raise ValueError(f"past demand {recent.shape} for demand {met.shape}")
        moved = met - recent[:, -1]
        step = np.maximum(np.sqrt((moved**2).mean(axis=0)), _LEAST)
        statistics = (step, met.mean(axis=0), np.maximum(met.std(axis=0), _LEAST))
        rows = _regressors(recent, calendar, *statistics)
        wanted = (moved / step)[..., None]
        location = Line.fit(rows, wanted, _PENALTY)
        # Few weights for many errors: those of the fit itself are hardly too small.
        errors = np.maximum(np.abs(wanted - location(rows)), _SMALLEST)
        return cls(*statistics, location, Line.fit(rows, np.log(errors), _PENALTY))

    def predict(
        self, recent: NDArray[np.floating[Any]], calendar: NDArray[np.floating[Any]]
    ) -> Predicted:
        """Predict the demand after D: location and spread (K, M).

        Raises:
            ValueError: D is of other VNFs or another N than at the fit.
        """
        if recent.shape[-1] != self.step.size:
            raise ValueError(f"{recent.shape[-1]} VNFs, but {self.step.size} were fitted")
        rows = _regressors(recent, calendar, self.step, self.mean, self.deviation)
        location = recent[:, -1] + self.step * self.location(rows)[..., 0]
        return Predicted(location, self.step * np.exp(self.spread(rows)[..., 0]))

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        lines = {"location": self.location.to_json(), "spread": self.spread.to_json()}
        return {name: getattr(self, name).tolist() for name in _STATISTICS} | lines

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of such a predictor.
        """
        try:
            statistics = np.array([values[name] for name in _STATISTICS], dtype=np.float64)
            lines = [Line.from_json(values[name], outputs=1) for name in ("location", "spread")]
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not a predictor ({error!r}); fit it again") from error
        if statistics.ndim != 2 or not statistics.size or not np.isfinite(statistics).all():
            raise ArtefactError("not a predictor (not its statistics of each VNF); fit it again")
        if (statistics[[0, 2]] <= 0).any() or lines[0].centre.size != lines[1].centre.size:
            raise ArtefactError("not a predictor (a spread of 0, or two kinds of line); fit again")
        return cls(*statistics, *lines)


def _regressors(
    recent: NDArray[np.floating[Any]],
    calendar: NDArray[np.floating[Any]],
    step: Floats,
    mean: Floats,
    deviation: Floats,
) -> Floats:
    """Last changes and level of each VNF, their sizes, the changes' means, calendar, (K, M, P)."""
    changes = np.moveaxis(np.diff(recent, axis=1), 1, -1) / step[:, None]
    level = (recent[:, -1] - mean) / deviation
    own = np.concatenate([changes, level[..., None]], axis=-1)
    shared = changes.mean(axis=1)
    shared = np.concatenate([shared, np.abs(shared), calendar], axis=-1)[:, None]
    shared = np.broadcast_to(shared, (*level.shape, shared.shape[-1]))
    return np.concatenate([own, np.abs(own), shared], axis=-1)
