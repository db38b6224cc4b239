import numpy as np
import pytest

from ddnn.alternatives import Past
from ddnn.alternatives.past import known, lagged
from ddnn.context import Clock
from ddnn.demand import Scaling, split_by_days

SERIES = np.arange(10.0)[:, None] * [1, 10]
CLOCK = Clock(0, 3600, "UTC")


def test_test_days_are_cut_off(make_demand):
    demand = make_demand(slots=24 * 14)
    split = split_by_days(demand.slots, demand.slot_seconds, 6, 3, 4, 2, False)
    scaling = Scaling.fit(demand.values[: split.train.stop])
    past = Past.of(demand, split, scaling, N=6)
    assert len(past.values) == split.test.start
    assert (past.train, past.validation) == (split.train, split.validation)
    np.testing.assert_array_equal(past.values, scaling.scale(demand.values)[: split.test.start])
    np.testing.assert_allclose(scaling.unscale(past.zero), 0, atol=1e-12)
    np.testing.assert_array_equal(past.demand(range(7, 9)), past.values[[7, 8]])


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        (range(0, 5), range(5, 9)),
        (range(1, 6), range(5, 9)),
        (range(1, 5), range(5, 5)),
        (range(1, 5), range(5, 11)),
        (range(1, 5, 2), range(5, 9)),
    ],
)
def test_days_out_of_order_are_refused(train, validation):
    with pytest.raises(ValueError, match="slots"):
        Past(SERIES, train, validation, CLOCK, np.zeros(2), N=1)


@pytest.mark.parametrize("lag", [1, 2, 4, 7, 20])
def test_demand_is_looked_up_so_many_slots_before(lag):
    found = lagged(SERIES, range(3, 11), lag)
    for row, target in zip(found, range(3, 11), strict=True):
        expected = SERIES[target - lag] if target >= lag else [np.nan, np.nan]
        np.testing.assert_array_equal(row, expected)


@pytest.mark.parametrize("lag", [0, -1])
def test_the_target_itself_is_never_known(lag):
    assert np.isnan(lagged(SERIES, range(3, 6), lag)).all()


@pytest.mark.parametrize("targets", [range(3, 12), range(-1, 3), range(0, 8, 2)])
def test_targets_must_follow_the_demand(targets):
    with pytest.raises(ValueError, match="consecutive slots"):
        lagged(SERIES, targets, 1)


def test_what_has_to_be_known_is_asked_for():
    np.testing.assert_array_equal(known(SERIES, range(4, 11), 4, 2), SERIES[:7])
    with pytest.raises(ValueError, match="no demand 4 slots before"):
        known(SERIES, range(3, 5), 4, 2)
    with pytest.raises(ValueError, match="fitted for 3"):
        known(SERIES, range(4, 5), 1, 3)
