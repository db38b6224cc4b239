import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.context import Clock
from ddnn.errors import ArtefactError, DemandError

START = 1383260400  # Friday 2013-11-01 00:00 in Milano
MILANO = Clock(START, 600, "Europe/Rome")


def test_a_day_begins_at_local_midnight_and_a_week_on_monday() -> None:
    day_sin, day_cos, week_sin, week_cos = MILANO.calendar(range(0, 1))[0]
    assert (day_sin, day_cos) == pytest.approx((0, 1), abs=1e-6)
    turn = 2 * np.pi * 4 / 7  # Friday
    assert (week_sin, week_cos) == pytest.approx((np.sin(turn), np.cos(turn)), abs=1e-6)
    monday = MILANO.calendar(range(3 * 144, 3 * 144 + 1))[0]
    assert monday == pytest.approx([0, 1, 0, 1], abs=1e-6)


@given(
    start=st.integers(0, 2**31),
    slot_seconds=st.sampled_from([60, 420, 600, 3600, 86400]),
    timezone=st.sampled_from(["UTC", "Europe/Rome", "Asia/Kolkata", "America/New_York"]),
    slot=st.integers(0, 20_000),
)
def test_the_circles_are_those_of_the_local_wall_clock(
    start: int, slot_seconds: int, timezone: str, slot: int
) -> None:
    found = Clock(start, slot_seconds, timezone).calendar(range(slot, slot + 1))[0]
    wall = datetime.fromtimestamp(start + slot * slot_seconds, ZoneInfo(timezone))
    day = (wall.hour * 3600 + wall.minute * 60 + wall.second) / 86400
    week = (wall.weekday() + day) / 7
    turns = 2 * np.pi * np.array([day, week])
    expected = [np.sin(turns[0]), np.cos(turns[0]), np.sin(turns[1]), np.cos(turns[1])]
    assert found == pytest.approx(expected, abs=1e-5)


def test_the_clocks_change_moves_the_hour() -> None:
    rome = Clock(1382824800, 3600, "Europe/Rome")  # 2013-10-27 00:00, summer time, ends at 03:00
    hours = np.arctan2(*rome.calendar(range(5))[:, :2].T) / (2 * np.pi) * 24
    assert hours == pytest.approx([0, 1, 2, 2, 3], abs=1e-4)


@pytest.mark.parametrize(
    ("slot_seconds", "day", "week"),
    [(600, 144, 1008), (420, 206, 1440), (50_000, 2, 12), (86_400, 1, 7)],
)
def test_days_are_counted_in_slots(slot_seconds: int, day: int, week: int) -> None:
    clock = Clock(0, slot_seconds, "UTC")
    assert (clock.slots_in(1), clock.slots_in(7)) == (day, week)


def test_no_slots_give_no_rows() -> None:
    assert MILANO.calendar(range(5, 5)).shape == (0, 4)


@pytest.mark.parametrize(
    ("slot_seconds", "timezone", "said"),
    [(0, "UTC", "slots of 0 s"), (86_401, "UTC", "86401"), (600, "Europe/Atlantis", "IANA")],
)
def test_a_clock_that_nobody_can_read_is_refused(
    slot_seconds: int, timezone: str, said: str
) -> None:
    with pytest.raises(DemandError, match=said):
        Clock(0, slot_seconds, timezone)


def test_days_and_hours_are_those_of_the_zone() -> None:
    clock = Clock(START, 600, "Europe/Rome")
    slots = range(142, 146)
    assert clock.hours(slots).tolist() == pytest.approx([23 + 4 / 6, 23 + 5 / 6, 0, 1 / 6])
    assert clock.weekdays(slots).tolist() == [4, 4, 5, 5]
    assert (clock.days(slots) - clock.days(range(1))).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("zone", ["Europe/Rome", "America/New_York", "Asia/Kathmandu", "UTC"])
def test_every_hour_of_a_year_is_what_the_zone_says(zone: str) -> None:
    clock = Clock(START, 3600 * 5, zone)  # the clocks change twice
    slots = range(0, 365 * 5)
    walls = [
        datetime.fromtimestamp(START + 3600 * 5 * slot, UTC).astimezone(ZoneInfo(zone))
        for slot in slots
    ]
    assert clock.hours(slots).tolist() == [wall.hour + wall.minute / 60 for wall in walls]
    assert clock.weekdays(slots).tolist() == [wall.weekday() for wall in walls]


@pytest.mark.parametrize(
    ("seconds", "day", "week"), [(600, 144, 1008), (7000, 12, 86), (86400, 1, 7)]
)
def test_a_day_and_a_week_ago_are_the_nearest_slots(seconds: int, day: int, week: int) -> None:
    clock = Clock(0, seconds, "UTC")
    assert (clock.slots_in(1), clock.slots_in(7)) == (day, week)


def test_json_round_trip() -> None:
    clock = Clock(START, 600, "Europe/Rome")
    assert Clock.from_json(json.loads(json.dumps(clock.to_json()))) == clock


@pytest.mark.parametrize(
    "change", [{"timezone": "Europe/Atlantis"}, {"slot_seconds": 0}, {"start": "x"}]
)
def test_damaged_json_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ArtefactError, match="not a clock"):
        Clock.from_json(Clock(0, 600, "UTC").to_json() | change)
