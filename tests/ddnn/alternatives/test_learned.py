"""Laws of both learned predictors, ridge and boosting."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import Ridge

from ddnn.alternatives.boosting import BoostingAdvice, BoostingPredictor
from ddnn.alternatives.predictor import FOLDS, day_folds
from ddnn.alternatives.ridge import RidgePredictor, regressors
from ddnn.errors import ArtefactError

PREDICTORS = ("ridge", "boosting_plain", "boosting", "boosting_best")


BEHIND = range(27 * 24, 30 * 24)


@pytest.mark.parametrize("name", PREDICTORS)
def test_what_has_a_rhythm_is_predicted_better_than_by_its_last_value(roster, values, name):
    predictor, _ = roster.predictor(name)
    predicted = predictor.predict(values, BEHIND)
    demand, last = values[BEHIND.start :], values[BEHIND.start - 1 : -1]
    own = np.sqrt(np.mean((demand - predicted.location) ** 2))
    assert own < 0.75 * np.sqrt(np.mean((demand - last) ** 2))


@pytest.mark.parametrize("name", PREDICTORS)
def test_the_spread_is_wide_where_errors_are_large(roster, values, name):
    predictor, _ = roster.predictor(name)
    predicted = predictor.predict(values, BEHIND)
    errors = np.abs(values[BEHIND.start :] - predicted.location).ravel()
    order = np.argsort(predicted.spread.ravel())
    calm, wild = np.array_split(errors[order], 2)
    assert wild.mean() > 1.2 * calm.mean()


@pytest.mark.parametrize("name", ["ridge", "boosting"])
def test_what_is_calibrated_on_was_predicted_without_the_day(roster, name):
    past = roster.past
    predictor, unseen = roster.predictor(name)
    demand, known = past.demand(past.days), predictor.predict(past.values, past.days)
    errors = [np.abs(demand - each.location).mean() for each in (unseen, known)]
    assert errors[0] > 1.01 * errors[1]
    np.testing.assert_allclose(unseen.spread, known.spread)


def test_the_days_left_out_are_told_by_lines_of_the_others(past):
    """Ridge, by brute force: a fold's rows have no part in the line that tells them."""
    predictor, unseen = RidgePredictor.fit(past)
    features = predictor.features
    rows = regressors(features, past.values, past.days)
    rows = np.clip((rows - predictor.centre) / predictor.scale, -8, 8)
    last = past.values[past.days.start - 1 : past.days.stop - 1]
    steps = (past.demand(past.days) - last) / features.step
    fold = day_folds(past.clock, past.days)
    for each in (0, FOLDS - 1):
        seen, left_out = (rows[(fold == each) == out] for out in (False, True))
        flat = seen.reshape(-1, rows.shape[-1])
        line = Ridge(alpha=10.0).fit(flat, steps[fold != each].ravel())
        told = line.predict(left_out.reshape(-1, rows.shape[-1]))
        expected = last[fold == each] + features.step * told.reshape(-1, last.shape[1])
        np.testing.assert_allclose(unseen.location[fold == each], expected)


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
def test_all_days_teach_but_none_behind_them(past, values, fit):
    behind, newest = values.copy(), values.copy()
    behind[past.days.stop :] = 9.0
    newest[past.days.stop - 24 : past.days.stop] = 9.0
    ours, same, other = (
        fit(replace(past, values=each), week=True)[0].to_json() for each in (values, behind, newest)
    )
    assert ours == same
    assert ours != other


def test_the_seed_decides_the_trees(past):
    first, again, other = (
        BoostingPredictor.fit(past, week=False, seed=seed)[0].to_json() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", ["ridge", "boosting_best"])
def test_json_round_trip(roster, name):
    past = roster.past
    predictor, _ = roster.predictor(name)
    predicted = predictor.predict(past.values, past.validation)
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


def test_advice_is_what_the_bag_says_of_days_left_out(past):
    everything = np.ones(len(past.days), dtype=np.bool_)
    said = BoostingAdvice(past, models=1, seed=5)(everything)
    _, expected = BoostingPredictor.fit(past, week=True, bag=True, seed=5)
    np.testing.assert_allclose(said.location, expected.location)
    # Boosting's spread is a typical size of errors, the advice's the scale of a Student's t.
    typical = np.exp(np.log(np.abs(stats.t(4).rvs(400_000, random_state=0))).mean())
    np.testing.assert_allclose(said.spread * typical, expected.spread, rtol=0.01)


def test_advice_of_two_is_their_mean(past):
    everything = np.ones(len(past.days), dtype=np.bool_)
    both = BoostingAdvice(past, models=2, seed=3)(everything)
    single = [BoostingAdvice(past, models=1, seed=seed)(everything) for seed in (6, 7)]
    np.testing.assert_allclose(both.location, np.mean([each.location for each in single], axis=0))
    spread = np.prod([each.spread for each in single], axis=0) ** 0.5
    np.testing.assert_allclose(both.spread, spread)


@pytest.mark.parametrize("changed", ["unknown", "its own day"])
def test_advice_does_not_come_from_days_that_it_may_not_know(past, changed):
    advice = BoostingAdvice(past, models=1)
    day = day_folds(past.clock, past.days)
    known = (np.arange(len(past.days)) // 24) % 3 != 0
    asked = known & (day == 1) if changed == "its own day" else known
    before = advice(known)
    advice.steps[asked if changed == "its own day" else ~known] += 1.0
    after = advice(known)
    assert np.array_equal(before.location[asked], after.location[asked])
    if changed == "its own day":
        others = known & (day != 1)
        assert not np.array_equal(before.location[others], after.location[others])
    else:
        assert np.array_equal(before.spread[asked], after.spread[asked])
