"""Gradient boosting (LightGBM) on the shared features: location, and log of the spread."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import lightgbm
import numpy as np
from numpy.typing import NDArray

from ddnn.alternatives.features import Features
from ddnn.alternatives.past import Floats, Past
from ddnn.alternatives.predictor import FOLDS, day_folds, log_size
from ddnn.alternatives.trees import Trees
from ddnn.decision import Predicted
from ddnn.errors import ArtefactError

# Chosen on validation days (docs/alternatives.md): twice the rounds, 31 leaves or a robust loss
# cost the same there, within 0.4 %.
_LOCATION = {"learning_rate": 0.1, "num_leaves": 15, "min_data_in_leaf": 100}
_LOCATION_ROUNDS = 80
_SPREAD = {"learning_rate": 0.1, "num_leaves": 15, "min_data_in_leaf": 200}
_SPREAD_ROUNDS = 60


_SCALE = np.exp(0.5)
"""Scale of Student's t over the geometric mean of its sizes, at 4 degrees of freedom: E log |T| is
(log n + digamma(1 / 2) - digamma(n / 2)) / 2 = -1 / 2 at n = 4."""


@dataclass(frozen=True, eq=False)
class BoostingPredictor:
    """Location = last value + step * trees, spread = step * exp(other trees)."""

    features: Features
    location: Trees
    spread: Trees

    @classmethod
    def fit(
        cls, past: Past, *, week: bool, bag: bool = False, threads: int = 1, seed: int = 0
    ) -> tuple[Self, Predicted]:
        """Fit on all days.

        Args:
            past: The demand.
            week: Whether the features look back over more than a day.
            bag: The location is the mean of five models, each fitted without a fifth of the
                days; else that of one model of all days.
            threads: The same threads and seed give the same trees.
            seed: Of the features and rows that each tree is shown.

        Returns:
            The predictor, and what is calibrated on: of all days, (K, M), locations by models that
            were fitted without the day, and the spreads of their errors.
        """
        features = Features.fit(past, week=week)
        rows, last = (f(past.values, past.days) for f in (features.table, features.last))
        steps = (past.demand(past.days) - last) / features.step
        grower = _Grower(rows, threads, seed)
        everything = np.ones(len(past.days), dtype=np.bool_)
        members, spread, held_out = grower.leave_out(
            steps, day_folds(past.clock, past.days), everything
        )
        if not bag:
            members = [grower.grow(steps, everything, _LOCATION, _LOCATION_ROUNDS)]
        unseen = Predicted(
            last + features.step * held_out, features.step * np.exp(grower.ask(spread, everything))
        )
        return cls(features, Trees.join(members), Trees.join([spread])), unseen

    def predict(self, values: NDArray[np.floating], targets: range) -> Predicted:
        """Predict the demand of K targets: location and spread (K, M)."""
        rows = self.features.table(values, targets)
        flat, shape = rows.reshape(-1, rows.shape[-1]), rows.shape[:-1]
        last, step = self.features.last(values, targets), self.features.step
        location = last + step * self.location.predict(flat).reshape(shape)
        return Predicted(location, step * np.exp(self.spread.predict(flat)).reshape(shape))

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        return {
            "features": self.features.to_json(),
            "location": self.location.to_json(),
            "spread": self.spread.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of boosted trees.
        """
        try:
            features = Features.from_json(values["features"])
            location, spread = (Trees.from_json(values[part]) for part in ("location", "spread"))
        except (KeyError, TypeError) as error:
            raise ArtefactError(f"not a boosting ({error}); fit it again") from error
        if {location.features, spread.features} != {len(features.names)}:
            raise ArtefactError("not a boosting (trees of other features); fit it again")
        return cls(features, location, spread)


class BoostingAdvice:
    """What boosted trees say of days that they were fitted without, for others to learn from.

    The trees look back a week. Which days they may know is said each time, so that an exit that
    leaves days out can be taught without a word that was learned there. (Units, a series' usual
    level and step, are those of all days, as the exits' own are.)
    """

    def __init__(self, past: Past, *, models: int, threads: int = 1, seed: int = 0) -> None:
        """Cut the features once.

        Args:
            past: The demand; advice is for all its days.
            models: Boostings whose mean the advice is, each with a seed of its own.
            threads: The same threads and seed give the same advice.
            seed: Of the features and rows that each tree is shown.
        """
        self.features = features = Features.fit(past, week=True)
        self.last = features.last(past.values, past.days)
        self.steps = (past.demand(past.days) - self.last) / features.step
        self.fold = day_folds(past.clock, past.days)
        rows = features.table(past.values, past.days)
        self.growers = [_Grower(rows, threads, seed * models + each) for each in range(models)]

    def __call__(self, known: NDArray[np.bool_]) -> Predicted:
        """Predict as learned on the known slots alone, (K,).

        Returns:
            (K, M): locations by models that were fitted without the slot's day, and the spreads of
            their errors, as scales of Student's t, which is what exits learn by likelihood. What is
            said of slots that are not known means nothing.
        """
        steps, spreads = [], []
        for grower in self.growers:
            _, spread, held_out = grower.leave_out(self.steps, self.fold, known)
            steps.append(held_out)
            spreads.append(grower.ask(spread, np.ones_like(known)))
        step = self.features.step
        location = self.last + step * np.mean(steps, axis=0)
        return Predicted(location, _SCALE * step * np.exp(np.mean(spreads, axis=0)))


class _Grower:
    """Grows boosted trees on some of the slots; features are binned once for all of them."""

    def __init__(self, rows: Floats, threads: int, seed: int) -> None:
        self.rows = rows
        self.vnfs = rows.shape[1]
        self.params = {
            "objective": "regression",
            "num_threads": threads,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "feature_fraction": 0.8,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "verbosity": -1,
        }
        flat = rows.reshape(-1, rows.shape[-1])
        self.binned = lightgbm.Dataset(flat, np.zeros(len(flat)), params=self.params)
        self.binned.construct()

    def leave_out(
        self, steps: Floats, fold: NDArray[np.int64], known: NDArray[np.bool_]
    ) -> tuple[list[lightgbm.Booster], lightgbm.Booster, Floats]:
        """Fit on the known slots (K,), each fold's model without its days.

        Returns:
            The models of the step, one for each fold, that of the spread, and the steps (K, M) as
            said by the model that was fitted without the slot's day; 0 where they are not known.
        """
        members, held_out = [], np.zeros_like(steps)
        for each in range(FOLDS):
            members.append(self.grow(steps, known & (fold != each), _LOCATION, _LOCATION_ROUNDS))
            asked = known & (fold == each)
            if asked.any():
                held_out[asked] = self.ask(members[-1], asked)
        spread = self.grow(log_size(steps - held_out), known, _SPREAD, _SPREAD_ROUNDS)
        return members, spread, held_out

    def grow(
        self, wanted: Floats, slots: NDArray[np.bool_], how: Mapping[str, Any], rounds: int
    ) -> lightgbm.Booster:
        """Fit to ``wanted`` (K, M) on the slots (K,)."""
        self.binned.set_label(wanted.reshape(-1))
        some = self.binned.subset(np.flatnonzero(slots.repeat(self.vnfs)).tolist())
        return lightgbm.train(self.params | dict(how), some, rounds)

    def ask(self, booster: lightgbm.Booster, slots: NDArray[np.bool_]) -> Floats:
        """Predict (K', M) for the slots (K,)."""
        flat = self.rows[slots].reshape(-1, self.rows.shape[-1])
        return np.asarray(booster.predict(flat), dtype=np.float64).reshape(-1, self.vnfs)
