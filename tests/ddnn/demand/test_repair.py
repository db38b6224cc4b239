import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.demand.repair import Repairs, Rows, repair
from ddnn.errors import DemandError

HOUR = 3600
NAN = np.nan


def rows(values: np.ndarray, times: np.ndarray | None = None) -> Rows:
    values = np.asarray(values, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if times is None:
        times = HOUR * np.arange(len(values), dtype=np.int64)
    names = tuple(f"s{index}" for index in range(values.shape[1]))
    return Rows(times, values, names, lambda index: f"file: row {index + 2}")


def repaired(values: list[float], policy: str, longest: int = 3) -> list[float]:
    found, slot_seconds, _ = repair(rows(np.array(values)), policy, longest)
    assert slot_seconds == HOUR
    return found[:, 0].tolist()


def holed(*hours: int) -> list[float]:
    """48 hours, slot h holds h or nothing; the border between the days is before 24."""
    return [NAN if hour in hours else float(hour) for hour in range(48)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("interpolate", [30, 31, 32]), ("previous", [29, 29, 29]), ("day_ago", [6, 7, 8])],
)
def test_short_gap_by_each_policy(policy: str, expected: list[float]) -> None:
    found = repaired(holed(30, 31, 32), policy)
    assert found[30:33] == pytest.approx(expected)
    assert found[:30] + found[33:] == holed()[:30] + holed()[33:]


@pytest.mark.parametrize("policy", ["interpolate", "previous", "day_ago"])
def test_gap_at_the_end_takes_what_is_before(policy: str) -> None:
    assert repaired(holed(46, 47), policy)[46:] == ([22, 23] if policy == "day_ago" else [45, 45])


@pytest.mark.parametrize("policy", ["interpolate", "previous", "day_ago"])
def test_gap_at_the_start_takes_the_next_value_of_its_day(policy: str) -> None:
    assert repaired(holed(0, 1), policy)[:3] == [2, 2, 2]


def test_gap_at_the_start_that_fills_a_day_is_refused() -> None:
    with pytest.raises(DemandError, match="file: row 2, column 's0': demand begins with a gap"):
        repaired(holed(*range(24)), "interpolate", longest=24)


def test_day_ago_reaches_over_gaps_of_its_own() -> None:
    values = [float(hour) for hour in range(24 * 4)]
    for hour in (5, 29, 53):
        values[hour] = NAN
    found = repaired(values, "day_ago")
    assert [found[hour] for hour in (5, 29, 53)] == [4, 4, 4]


def test_interpolation_does_not_look_into_the_next_day() -> None:
    assert repaired(holed(22, 23, 24), "interpolate")[22:25] == pytest.approx([21, 21, 24])


@given(
    policy=st.sampled_from(["interpolate", "previous", "day_ago"]),
    missing=st.sets(st.tuples(st.integers(0, 99), st.integers(0, 1)), max_size=60),
    border_day=st.integers(1, 4),
    seed=st.integers(0, 5),
)
def test_no_slot_depends_on_a_later_day(
    policy: str, missing: set[tuple[int, int]], border_day: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(1, 9, (100, 2))
    for place in missing:
        values[place] = NAN
    border = 100 - 24 * border_day
    other = values.copy()
    other[border:] = np.where(np.isnan(other[border:]), NAN, rng.uniform(1, 9, (100 - border, 2)))
    try:
        first, _, counts = repair(rows(values), policy, 99)
    except DemandError:
        with pytest.raises(DemandError):
            repair(rows(other), policy, 99)
        return
    second, _, _ = repair(rows(other), policy, 99)
    assert np.array_equal(first[:border], second[:border])
    assert np.isfinite(first).all()
    assert sum(counts.cells.values()) == len(missing)
    kept = ~np.isnan(values)
    assert np.array_equal(first[kept], values[kept])


def test_missing_rows_and_empty_cells_are_counted() -> None:
    values = np.arange(20.0).reshape(10, 2)
    times = HOUR * np.array([0, 1, 2, 3, 6, 7, 8, 9, 10, 11])
    values[3, 1] = NAN
    found, _, counts = repair(rows(values, times), "interpolate", 3)
    assert found.shape == (12, 2)
    assert counts == Repairs(missing_slots=2, empty_cells=1, longest=3, cells={"interpolated": 5})
    assert found[4:6, 0] == pytest.approx([6 + 2 / 3, 7 + 1 / 3])


def test_nothing_missing_is_nothing_repaired() -> None:
    values = np.arange(10.0)
    found, _, counts = repair(rows(values), "interpolate", 0)
    assert np.array_equal(found[:, 0], values)
    assert counts == Repairs(0, 0, 0, {})


def test_input_is_left_alone() -> None:
    values = np.array(holed(3))
    repair(rows(values), "previous", 1)
    assert np.isnan(values[3])


def test_longest_zero_refuses_every_gap() -> None:
    with pytest.raises(DemandError, match=r"row 5, column 's0': 1 slots .*\(0 slots\)"):
        repaired(holed(3), "interpolate", longest=0)


def test_earliest_long_gap_is_named() -> None:
    values = np.ones((30, 3))
    values[20:25, 0] = NAN
    values[10:15, 2] = NAN
    with pytest.raises(DemandError, match="row 12, column 's2': 5 slots"):
        repair(rows(values), "previous", 4)


def test_day_ago_needs_slots_that_divide_a_day() -> None:
    values = np.array([1.0, NAN, 1.0, 1.0])
    with pytest.raises(DemandError, match="420 s do not divide a day"):
        repair(rows(values, 420 * np.arange(4)), "day_ago", 3)
