"""The history has no gaps; what is no next slot is refused and changes nothing."""

import base64

import numpy as np
import pytest

from ddnn.demand.repair import Rows, repair
from ddnn.errors import ArtefactError, DemandError
from ddnn.runtime.history import History, RepeatedError, Taken

SLOT = 3600


def row(value: float) -> np.ndarray:
    return np.array([value, 2 * value])


def make(*values: float, capacity: int = 30) -> History:
    history = History(capacity, SLOT, 0, 2)
    for place, value in enumerate(values):
        history.take(place * SLOT, row(value), "interpolate", 3)
    return history


def packed(*values: float) -> str:
    return base64.b64encode(np.array(values, dtype="<f8").tobytes()).decode()


def test_the_newest_slots_are_kept() -> None:
    history = make(1, 2, 3, 4, capacity=3)
    np.testing.assert_array_equal(history.values[:, 0], [2, 3, 4])
    assert history.newest == 3 * SLOT
    history.grow(4)
    history.take(4 * SLOT, row(5), "previous", 0)
    assert len(history) == 4


@pytest.mark.parametrize("policy", ["interpolate", "previous", "day_ago"])
def test_a_gap_is_repaired_as_the_training_does(policy: str) -> None:
    # 26 slots, then two missing: but for the border of a day, as ddnn.demand repairs them.
    values = np.random.default_rng(0).random((29, 2)) + 1
    times = np.array([*range(26), 28]) * SLOT
    rows = Rows(times, values[[*range(26), 28]], ("a", "b"), str)
    expected, _, _ = repair(rows, policy, 3)  # type: ignore[arg-type]

    history = History(40, SLOT, 0, 2)
    for time, value in zip(times, rows.values, strict=True):
        taken = history.take(int(time), value, policy, 3)

    np.testing.assert_allclose(history.values, expected)
    assert taken == Taken(filled=2, restarted=False)


def test_a_gap_too_long_begins_anew() -> None:
    history = make(1, 2, 3)
    assert history.take(6 * SLOT, row(9), "interpolate", 3) == Taken(3, False)
    assert history.take(12 * SLOT, row(8), "interpolate", 3) == Taken(0, True)
    np.testing.assert_array_equal(history.values[:, 0], [8])


def test_the_same_slot_again_is_told_apart() -> None:
    history = make(1, 2)
    with pytest.raises(RepeatedError):
        history.take(SLOT, row(2), "previous", 3)
    with pytest.raises(DemandError, match=r"newest slot is 3600; slot 3600 came before with"):
        history.take(SLOT, row(3), "previous", 3)
    with pytest.raises(DemandError, match="older"):
        history.take(0, row(1), "previous", 3)


@pytest.mark.parametrize(
    ("time", "demand", "said"),
    [
        (7200, [1.0], "1 values, but the model has 2 series"),
        (7200, [1.0, np.nan], "value 2 is not finite"),
        (7200, [np.inf, 1.0], "value 1 is not finite"),
        (7200, [1.0, -0.1], r"value 2 is negative \(-0.1\)"),
        (7200, [1e31, 1.0], "value 1 is beyond all bounds"),
        (7201, [1.0, 1.0], "7201 is not the start of a slot"),
        (-3600, [1.0, 1.0], "-3600 is not the start of a slot"),
    ],
)
def test_what_is_no_demand_changes_nothing(time: int, demand: list[float], said: str) -> None:
    history = make(1, 2)
    before = history.to_json()
    with pytest.raises(DemandError, match=said):
        history.take(time, np.array(demand), "interpolate", 3)
    assert history.to_json() == before


def test_it_goes_on_after_a_restart() -> None:
    history = make(1, 2, 3)
    again = History(30, SLOT, 0, 2).restore(history.to_json())
    np.testing.assert_array_equal(again.values, history.values)
    assert again.newest == history.newest
    assert History(30, SLOT, 0, 2).restore(make().to_json()).newest is None


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"newest": 1, "values": [[1, 2]]},
        {"newest": 1, "values": "no base64"},
        {"newest": 1, "values": packed(1, 2, 3)},
        {"newest": 1, "values": packed(-1, 2)},
        {"newest": 1, "values": packed(1, np.nan)},
        {"newest": 1, "values": ""},
        {"newest": None, "values": packed(1, 2)},
        {"newest": "x", "values": packed(1, 2)},
    ],
)
def test_what_is_no_history_is_refused(values: dict) -> None:
    with pytest.raises(ArtefactError, match="not a history"):
        History(30, SLOT, 0, 2).restore(values)
