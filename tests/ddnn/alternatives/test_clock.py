import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ddnn.alternatives import Clock
from ddnn.errors import ArtefactError

NOVEMBER = 1383260400  # 2013-11-01 00:00 in Rome, a Friday


def test_days_and_hours_are_those_of_the_zone():
    clock = Clock(NOVEMBER, 600, "Europe/Rome")
    slots = range(142, 146)
    assert clock.hours(slots).tolist() == pytest.approx([23 + 4 / 6, 23 + 5 / 6, 0, 1 / 6])
    assert clock.weekdays(slots).tolist() == [4, 4, 5, 5]
    assert (clock.days(slots) - clock.days(range(1))).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("zone", ["Europe/Rome", "America/New_York", "Asia/Kathmandu", "UTC"])
def test_every_hour_of_a_year_is_what_the_zone_says(zone):
    clock = Clock(NOVEMBER, 3600 * 5, zone)  # the clocks change twice
    slots = range(0, 365 * 5)
    walls = [
        datetime.fromtimestamp(NOVEMBER + 3600 * 5 * slot, UTC).astimezone(ZoneInfo(zone))
        for slot in slots
    ]
    assert clock.hours(slots).tolist() == [wall.hour + wall.minute / 60 for wall in walls]
    assert clock.weekdays(slots).tolist() == [wall.weekday() for wall in walls]


@pytest.mark.parametrize(
    ("seconds", "day", "week"), [(600, 144, 1008), (7000, 12, 86), (86400, 1, 7), (10**6, 1, 1)]
)
def test_a_day_and_a_week_ago_are_the_nearest_slots(seconds, day, week):
    clock = Clock(0, seconds, "UTC")
    assert (clock.day, clock.week) == (day, week)


def test_json_round_trip():
    clock = Clock(NOVEMBER, 600, "Europe/Rome")
    assert Clock.from_json(json.loads(json.dumps(clock.to_json()))) == clock


@pytest.mark.parametrize(
    "change", [{"timezone": "Europe/Atlantis"}, {"slot_seconds": 0}, {"start": "x"}]
)
def test_damaged_json_is_refused(change):
    with pytest.raises(ArtefactError, match="not a clock"):
        Clock.from_json(Clock(0, 600, "UTC").to_json() | change)
