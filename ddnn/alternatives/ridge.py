"""Ridge regression on the shared features, one for all VNFs: location, and log of the spread."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from ddnn.alternatives.features import Features
from ddnn.alternatives.past import Floats, Past
from ddnn.alternatives.predictor import FOLDS, day_folds, log_size
from ddnn.decision import Predicted
from ddnn.errors import ArtefactError

_ALPHA = 10.0
_BOUND = 8.0
"""Standardised features beyond are cut there: one spike must not carry a line away."""
_HARMONICS = 4
_BY_CLOCK = ("hour", "weekday")
_CAN_MISS = ("day_change", "week_change", "days_change")
_ARRAYS = ("centre", "scale", "location", "spread")


@dataclass(frozen=True, eq=False)
class RidgePredictor:
    """Location = last value + step * line, spread = step * exp(another line)."""

    features: Features
    centre: Floats
    """(P,), mean of each regressor on the days of the fit."""
    scale: Floats
    """(P,), its standard deviation there."""
    location: Floats
    """(P + 1,), weights of the regressors, the constant last."""
    spread: Floats
    """(P + 1,)."""

    @classmethod
    def fit(cls, past: Past, *, week: bool = True) -> tuple[Self, Predicted]:
        """Fit both lines on all days.

        Returns:
            The predictor, and what is calibrated on: of all days, (K, M), locations by lines that
            were fitted without the day, and the spreads of their errors.
        """
        features = Features.fit(past, week=week)
        rows = regressors(features, past.values, past.days)
        last = features.last(past.values, past.days)
        steps = (past.demand(past.days) - last) / features.step
        flat = rows.reshape(-1, rows.shape[-1])
        centre, scale = flat.mean(axis=0), np.maximum(flat.std(axis=0), 1e-9)
        scaled = _bounded(rows, centre, scale)
        fold, held_out = day_folds(past.clock, past.days), np.empty_like(steps)
        for each in range(FOLDS):
            weights = _line(scaled[fold != each], steps[fold != each])
            held_out[fold == each] = _on_line(scaled[fold == each], weights)
        spread = _line(scaled, log_size(steps - held_out))
        unseen = Predicted(
            last + features.step * held_out, features.step * np.exp(_on_line(scaled, spread))
        )
        return cls(features, centre, scale, _line(scaled, steps), spread), unseen

    def predict(self, values: NDArray[np.floating], targets: range) -> Predicted:
        """Predict the demand of K targets: location and spread (K, M)."""
        rows = _bounded(regressors(self.features, values, targets), self.centre, self.scale)
        last = self.features.last(values, targets)
        location = last + self.features.step * _on_line(rows, self.location)
        return Predicted(location, self.features.step * np.exp(_on_line(rows, self.spread)))

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        return {"features": self.features.to_json(), **arrays}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of a ridge regression.
        """
        try:
            arrays = [np.array(values[name], dtype=np.float64) for name in _ARRAYS]
            features = Features.from_json(values["features"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not a ridge regression ({error}); fit it again") from error
        count = regressors(features, np.zeros((1, features.step.size)), range(1, 2)).shape[-1]
        if [each.shape for each in arrays] != [(count,), (count,), (count + 1,), (count + 1,)]:
            raise ArtefactError("not a ridge regression (not a weight each); fit it again")
        if not all(np.isfinite(each).all() for each in arrays) or (arrays[1] <= 0).any():
            raise ArtefactError("not a ridge regression (a weight is not finite); fit it again")
        return cls(features, *arrays)


def regressors(features: Features, values: NDArray[np.floating], targets: range) -> Floats:
    """Give the features as a line can use them, (K, M, P).

    What was not known yet is 0 and has a flag, sizes stand beside what has a sign, and hour and
    weekday become waves, of weekdays and of weekends, and flags.
    """
    table, names = features.table(values, targets), features.names
    plain = [index for index, name in enumerate(names) if name not in _BY_CLOCK]
    missing = [index for index, name in enumerate(names) if name in _CAN_MISS]
    flags = np.isnan(table[..., missing]).astype(np.float64)
    numbers = np.nan_to_num(table[..., plain])
    rhythm = _rhythm(features, targets)[:, None].repeat(table.shape[1], axis=1)
    return np.concatenate([numbers, np.abs(numbers), flags, rhythm], axis=-1)


def _rhythm(features: Features, targets: range) -> Floats:
    """Waves of the day and flags of the weekday, (K, P')."""
    angle = features.clock.hours(targets)[:, None] * (2 * np.pi / 24 * np.arange(1, 1 + _HARMONICS))
    waves = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    weekday = features.clock.weekdays(targets)[:, None]
    return np.concatenate([waves, waves * (weekday >= 5), weekday == np.arange(7)], axis=1)


def _bounded(rows: Floats, centre: Floats, scale: Floats) -> Floats:
    return np.clip((rows - centre) / scale, -_BOUND, _BOUND)


def _line(rows: Floats, wanted: Floats) -> Floats:
    """Weights (P + 1,) of the line through rows (..., P) at ``wanted`` (...)."""
    fitted = Ridge(alpha=_ALPHA).fit(rows.reshape(-1, rows.shape[-1]), wanted.reshape(-1))
    return np.append(fitted.coef_, fitted.intercept_)


def _on_line(rows: Floats, weights: Floats) -> Floats:
    return np.asarray(rows @ weights[:-1] + weights[-1])
