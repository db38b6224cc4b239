"""What a gap too long to repair leaves of the history: the slots before it, and a hole."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ddnn.runtime.history import History

SLOT = 3600


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=40),
    st.integers(2, 12),
    st.integers(0, 3),
)
def test_the_rows_are_those_of_a_naive_history(steps: list[int], capacity: int, most: int) -> None:
    """Steps of more than one slot leave slots out; up to ``most`` of them are repaired."""
    history, time = History(capacity, SLOT, 0, 1), 0
    naive: list[float] = []
    for place, step in enumerate(steps):
        time += SLOT * step
        missing = step - 1 if place else 0
        before = naive[-1] if naive else np.nan
        naive += [before if missing <= most else np.nan] * missing
        naive.append(float(place))
        history.take(time, np.array([float(place)]), "previous", most)
        if place == len(steps) // 2:
            history = History(capacity, SLOT, 0, 1).restore(history.to_json())

    kept = naive[-capacity:]
    np.testing.assert_array_equal(history.rows[:, 0], kept)
    gaps = np.flatnonzero(np.isnan(kept))
    known = kept[gaps[-1] + 1 :] if gaps.size else kept
    np.testing.assert_array_equal(history.values[:, 0], known)
    assert len(history) == len(known)


def test_it_grows_with_what_it_has() -> None:
    history = History(3, SLOT, 0, 1)
    for slot in range(5):
        history.take(slot * SLOT, np.array([float(slot)]), "previous", 0)
    history.grow(6)
    for slot in range(5, 20):
        history.take(slot * SLOT, np.array([float(slot)]), "previous", 0)
    np.testing.assert_array_equal(history.rows[:, 0], np.arange(14.0, 20.0))
