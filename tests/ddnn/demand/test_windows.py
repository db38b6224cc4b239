import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.demand import Scaling, Split, history, split_by_days, windows
from ddnn.errors import ArtefactError, DemandError


def split(slots: int, slot_seconds: int = 600, N: int = 6, paper: bool = False) -> Split:
    return split_by_days(slots, slot_seconds, N, 5, 6, 2, paper)


def test_milano_split_has_720_test_slots_and_the_papers_714() -> None:
    ours = split(30 * 144)
    assert ours == Split(
        range(6, 19 * 144),
        range(19 * 144, 23 * 144),
        range(23 * 144, 25 * 144),
        range(25 * 144, 30 * 144),
    )
    assert ours.validation == range(19 * 144, 25 * 144)
    assert ours.learn_slots == range(0, 19 * 144)
    assert len(ours.test) == 720
    assert split(30 * 144, paper=True).test == range(25 * 144 + 6, 30 * 144)


def test_a_single_labelled_slot_is_refused_before_any_training() -> None:
    with pytest.raises(DemandError, match="two labelled slots"):
        split_by_days(40, 86400, 6, 5, 2, 1, False)
    assert len(split_by_days(40, 86400, 6, 5, 3, 1, False).validation_fit) == 2


@given(
    # Two days to label: a gate cannot learn from the one slot that a day may be.
    days=st.tuples(st.integers(1, 4), st.integers(2, 4), st.integers(1, 4)),
    N=st.integers(1, 40),
    slot_seconds=st.sampled_from([60, 420, 600, 3600, 5000, 86399, 86400]),
    spare=st.integers(1, 50),
)
def test_split_is_chronological_whole_and_by_days(
    days: tuple[int, int, int], N: int, slot_seconds: int, spare: int
) -> None:
    test_days, fit_days, calibration_days = days
    validation_days = fit_days + calibration_days
    held_out = -(-(test_days + validation_days) * 86400 // slot_seconds)
    slots = held_out + N + spare
    found = split_by_days(
        slots, slot_seconds, N, test_days, validation_days, calibration_days, False
    )
    ranges = [found.train, found.validation_fit, found.calibration, found.test]
    assert [slot for each in ranges for slot in each] == list(range(N, slots))
    assert all(len(each) > 0 for each in ranges)
    # A slot is a test slot when it starts in the last days.
    seconds_back = (slots - 1 - np.arange(slots)) * slot_seconds
    assert np.flatnonzero(seconds_back < test_days * 86400).tolist() == list(found.test)
    other_n = split_by_days(
        slots, slot_seconds, 1, test_days, validation_days, calibration_days, False
    )
    assert other_n.test == found.test


def test_one_slot_short_of_the_split_is_refused_with_the_numbers() -> None:
    enough = 11 * 144 + 7
    assert len(split(enough).train) == 1
    with pytest.raises(DemandError, match=r"1590 slots .* are too few.* take 1584.* N \+ 1 = 7"):
        split(enough - 1)


def test_slots_longer_than_a_day_are_refused() -> None:
    with pytest.raises(DemandError, match="at most a day"):
        split(400, slot_seconds=90000)


def test_paper_test_slots_must_leave_some() -> None:
    with pytest.raises(DemandError, match="none remain"):
        split_by_days(100, 86400, 6, 5, 6, 2, True)


@given(slots=st.integers(1, 30), vnfs=st.integers(1, 4), N=st.integers(1, 8), data=st.data())
def test_windows_hold_the_slots_before_their_target(
    slots: int, vnfs: int, N: int, data: st.DataObject
) -> None:
    values = np.arange(slots * vnfs, dtype=np.float64).reshape(slots, vnfs)
    start = data.draw(st.integers(N, N + slots))
    stop = data.draw(st.integers(start, start + slots))
    targets = range(start, stop)
    if targets and stop > slots:
        with pytest.raises(DemandError):
            windows(values, targets, N)
        return
    D, d = windows(values, targets, N)
    assert D.shape == (len(targets), N, vnfs)
    assert D.dtype == d.dtype == np.float32
    for index, slot in enumerate(targets):
        assert np.array_equal(D[index], values[slot - N : slot])
        assert np.array_equal(d[index], values[slot])


def test_a_window_reaches_the_slot_after_the_last_but_not_before_the_first() -> None:
    values = np.arange(12.0).reshape(6, 2)
    assert history(values, range(6, 7), 3)[0].tolist() == values[3:].tolist()
    with pytest.raises(DemandError, match="no full window of N = 3"):
        history(values, range(2, 5), 3)
    with pytest.raises(DemandError):
        history(values, range(6, 8), 3)


def test_windows_leave_the_demand_alone() -> None:
    values = np.ones((8, 2), dtype=np.float32)
    D, d = windows(values, range(3, 8), 3)
    D[0], d[0] = 5, 5
    assert (values == 1).all()


def test_scaling_brings_learned_slots_to_full_scale_and_back() -> None:
    values = np.array([[2.0, 7.0], [4.0, 7.0], [3.0, 7.0]])
    scaling = Scaling.fit(values)
    assert scaling.scale(values).tolist() == [[0, 0], [1, 0], [0.5, 0]]
    assert scaling.constant == (1,)
    assert scaling.scale(np.array([6.0, 9.0])).tolist() == [2.0, 2.0]
    assert np.allclose(scaling.unscale(scaling.scale(values)), values)


def test_scaling_survives_json() -> None:
    scaling = Scaling.fit(np.random.default_rng(0).random((9, 3)))
    again = Scaling.from_json(json.loads(json.dumps(scaling.to_json())))
    assert np.array_equal(again.minimum, scaling.minimum)
    assert np.array_equal(again.span, scaling.span)
    assert again.constant == ()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"minimum": [0], "span": [0], "constant": []},
        {"minimum": [0, 1], "span": [1], "constant": []},
        {"minimum": ["a"], "span": [1], "constant": []},
    ],
)
def test_a_damaged_scaling_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ArtefactError, match="scaling"):
        Scaling.from_json(values)
