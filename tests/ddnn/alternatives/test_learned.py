"""Laws of both learned predictors, ridge and boosting."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ddnn.alternatives.boosting import BoostingPredictor
from ddnn.alternatives.predictor import FOLDS, day_folds
from ddnn.alternatives.ridge import RidgePredictor
from ddnn.errors import ArtefactError

PREDICTORS = ("ridge", "boosting_plain", "boosting", "boosting_best")


@pytest.mark.parametrize("name", PREDICTORS)
def test_what_has_a_rhythm_is_predicted_better_than_by_its_last_value(roster, name):
    past = roster.past
    _, predicted = roster.predictor(name)
    demand = past.demand(past.validation)
    last = past.values[past.validation.start - 1 : past.validation.stop - 1]
    own = np.sqrt(np.mean((demand - predicted.location) ** 2))
    assert own < 0.75 * np.sqrt(np.mean((demand - last) ** 2))


@pytest.mark.parametrize("name", PREDICTORS)
def test_the_spread_is_wide_where_errors_are_large(roster, name):
    past = roster.past
    _, predicted = roster.predictor(name)
    errors = np.abs(past.demand(past.validation) - predicted.location).ravel()
    order = np.argsort(predicted.spread.ravel())
    calm, wild = np.array_split(errors[order], 2)
    assert wild.mean() > 1.2 * calm.mean()


@pytest.mark.parametrize("name", PREDICTORS)
def test_a_spike_stays_within_a_few_steps_of_the_last_value(roster, name):
    past = roster.past
    values = past.values.copy()
    values[-1] = 1000.0
    targets = range(len(values), len(values) + 1)
    predictor, _ = roster.predictor(name)
    found = predictor.predict(values, targets)
    assert np.isfinite(found.location).all()
    assert (np.abs(found.location - 1000.0) < 100 * predictor.features.step).all()
    assert (found.spread < 1000 * predictor.features.step).all()


@pytest.mark.parametrize("fit", [RidgePredictor.fit, BoostingPredictor.fit])
def test_validation_days_are_not_learned_from(past, fit):
    values = past.values.copy()
    values[past.train.stop :] = 9.0
    other = fit(replace(past, values=values), week=True)
    assert other.to_json() == fit(past, week=True).to_json()


def test_the_seed_decides_the_trees(past):
    first, again, other = (
        BoostingPredictor.fit(past, week=False, seed=seed).to_json() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", ["ridge", "boosting_best"])
def test_json_round_trip(roster, name):
    past = roster.past
    predictor, predicted = roster.predictor(name)
    stored = json.loads(json.dumps(predictor.to_json(), allow_nan=False))
    found = type(predictor).from_json(stored).predict(past.values, past.validation)
    np.testing.assert_array_equal(found.location, predicted.location)
    np.testing.assert_array_equal(found.spread, predicted.spread)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ridge", {"location": [1.0]}),
        ("ridge", {"scale": None}),
        ("ridge", {"spread": "x"}),
        ("boosting", {"location": 1}),
        ("boosting", {"spread": {}}),
    ],
)
def test_damaged_json_is_refused(roster, name, change):
    predictor, _ = roster.predictor(name)
    with pytest.raises(ArtefactError, match="again"):
        type(predictor).from_json(predictor.to_json() | change)


def test_trees_of_other_features_are_refused(roster):
    week, plain = (roster.predictor(name)[0].to_json() for name in ("boosting", "boosting_plain"))
    with pytest.raises(ArtefactError, match="trees of other features"):
        BoostingPredictor.from_json(week | {"spread": plain["spread"]})


def test_folds_are_whole_days(past):
    fold, days = day_folds(past.clock, past.train), past.clock.days(past.train)
    assert set(fold) == set(range(FOLDS))
    assert all(len(set(fold[days == day])) == 1 for day in days)


def test_few_days_are_dealt_out_in_runs(past):
    fold = day_folds(past.clock, range(10, 50))
    assert set(fold) == set(range(FOLDS))
    assert (np.diff(fold) >= 0).all()
