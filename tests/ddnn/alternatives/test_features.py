import json
from dataclasses import replace

import numpy as np
import pytest

from ddnn.alternatives.features import Features
from ddnn.context import Clock
from ddnn.errors import ArtefactError


@pytest.fixture(scope="module")
def features(past):
    return Features.fit(past, week=True)


def column(features, table, name):
    return table[..., features.names.index(name)]


def test_a_row_tells_the_past_in_steps_from_the_last_value(past, features):
    target, values = 200, past.values
    table = features.table(values, range(target, target + 1))[0]
    step = np.diff(values, axis=0).std(axis=0)
    before = values[target - 1]
    expected = {
        "back_3": (values[target - 3] - before) / step,
        "day_level": (values[target - 25] - before) / step,
        "day_change": (values[target - 24] - values[target - 25]) / step,
        "day_next": (values[target - 23] - values[target - 24]) / step,
        "week_change": (values[target - 168] - values[target - 169]) / step,
        "rough": np.abs(np.diff(values[target - 4 : target], axis=0)).mean(axis=0) / step,
        "rough_day": np.abs(np.diff(values[target - 25 : target], axis=0)).mean(axis=0) / step,
        "days_change": np.mean(
            [values[target - 24 * k] - values[target - 24 * k - 1] for k in range(1, 8)], axis=0
        )
        / step,
        "size": np.log((before - past.zero) / step),
        "share": np.log((before - past.zero) / (values.mean(axis=0) - past.zero)),
        "hour": np.full(3, 200 % 24),
        "weekday": np.full(3, 5),  # Saturday the 9th
    }
    for name, wanted in expected.items():
        np.testing.assert_allclose(column(features, table, name), wanted, rtol=1e-9, err_msg=name)
    shared = column(features, table, "all_day_change")
    np.testing.assert_allclose(shared, expected["day_change"].mean())


def test_a_slot_asked_alone_has_the_row_that_it_has_among_many(past, features):
    many = features.table(past.values, range(1, 250))
    for target in (1, 2, 24, 25, 30, 167, 168, 169, 249):
        alone = features.table(past.values[:target], range(target, target + 1))
        np.testing.assert_allclose(alone[0], many[target - 1], rtol=1e-9, atol=1e-12)


def test_what_was_not_known_yet_is_missing(past, features):
    table = features.table(past.values, range(20, 180))
    missing = np.isnan(column(features, table, "week_change"))[:, 0]
    assert missing.tolist() == [target < 169 for target in range(20, 180)]
    missing = np.isnan(column(features, table, "days_change"))[:, 0]
    assert missing.tolist() == [target < 25 for target in range(20, 180)]
    always = ("back_2", "level", "rough", "rough_day", "hour", "memory")
    assert all(np.isfinite(column(features, table, name)).all() for name in always)


def test_without_weeks_nothing_lies_further_back_than_two_days(past):
    features = Features.fit(past, week=False)
    other = past.values.copy()
    other[: 300 - 26] += 1.0
    targets = range(300, 310)
    expected = features.table(past.values, targets)
    np.testing.assert_allclose(features.table(other, targets), expected, rtol=1e-9)


def test_slots_of_a_day_do_not_see_their_own_demand(past):
    daily = replace(past, clock=Clock(0, 86400, "UTC"))
    features = Features.fit(daily, week=True)
    table = features.table(daily.values, range(50, 60))
    assert np.isnan(column(features, table, "day_next")).all()


def test_days_behind_the_past_make_no_statistics(past, values):
    changed = values.copy()
    changed[past.days.stop :] = 9.0
    ours, theirs = (Features.fit(each, week=True) for each in (past, replace(past, values=changed)))
    assert ours.to_json() == theirs.to_json()


def test_a_series_that_never_changes_has_finite_features(past):
    still = replace(past, values=np.ones_like(past.values))
    table = Features.fit(still, week=True).table(still.values, range(200, 210))
    assert np.isfinite(table).all()


def test_json_round_trip(past, features):
    again = Features.from_json(json.loads(json.dumps(features.to_json())))
    targets = range(200, 210)
    np.testing.assert_array_equal(
        again.table(past.values, targets), features.table(past.values, targets)
    )


@pytest.mark.parametrize(
    "change", [{"N": 0}, {"step": [0, 1, 1]}, {"level": [1.0]}, {"memory": None}, {"clock": {}}]
)
def test_damaged_json_is_refused(features, change):
    with pytest.raises(ArtefactError, match=r"not (the features|a clock)"):
        Features.from_json(features.to_json() | change)
