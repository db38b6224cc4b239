"""From stored days to demand: what is read, what is counted, and what is said about it."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.milano_days import START
from ddnn.demand.day_blocks import Day
from ddnn.demand.day_store import Origin, StoredDay, store_day, stored_day, stored_days
from ddnn.demand.milano import account, read_squares
from ddnn.errors import DemandError
from ddnn.params import SelectParams

SLOTS = 144


def day(
    folder: Path, number: int, squares: list[int], slots: range = range(SLOTS)
) -> tuple[StoredDay, Day]:
    times = START + 600 * (SLOTS * number + np.array(slots))
    rng = np.random.default_rng(number)
    activity = rng.lognormal(0, 1, (len(slots), len(squares)))
    name = f"sms-call-internet-mi-2013-11-{number + 1:02d}.txt"
    made = Day(Path(name), times, np.array(squares), activity, 7 * len(squares))
    return store_day(folder, made, Origin(name, 100, "md5:0")), made


def test_any_squares_come_back_as_they_were_stored(tmp_path: Path) -> None:
    squares = [*range(3, 40), *range(60, 75), 9999]  # 53: the last group is not full
    stored, made = day(tmp_path, 0, squares)
    again = stored_day(tmp_path, stored.origin.name)
    assert again is not None
    assert (again.origin, again.rows) == (stored.origin, 371)
    assert again.squares.tolist() == squares
    assert np.array_equal(again.times, made.times)
    assert np.array_equal(again.read(np.array(squares)), made.activity)
    chosen = np.array([9999, 61, 3, 50, 10_000, 1])  # in any order, some without a row
    values = again.read(chosen)
    assert np.array_equal(values[:, :3], made.activity[:, [52, 38, 0]])
    assert not values[:, 3:].any()
    assert stored_day(tmp_path, "sms-call-internet-mi-2013-12-01.txt") is None
    assert [each.origin for each in stored_days(tmp_path)] == [stored.origin]


def test_a_square_that_a_day_lacks_counts_0_and_is_not_drawn(tmp_path: Path) -> None:
    days = [day(tmp_path, 0, [1, 2, 3])[0], day(tmp_path, 1, [1, 3, 4])[0]]
    rows, warnings, squares = read_squares(days[::-1], None)
    assert rows.series == ("1", "2", "3", "4")
    assert rows.values.shape == (2 * SLOTS, 4)
    assert not rows.values[SLOTS:, 1].any()
    assert not rows.values[:SLOTS, 3].any()
    assert len(warnings) == 2
    assert "no row for square 4; read as no activity all day" in warnings[0]
    drawn, none, _ = read_squares(days, SelectParams(random=2))
    assert (drawn.series, none) == (("1", "3"), [])
    with pytest.raises(DemandError, match="3 series are wanted, but there are 2"):
        read_squares(days, SelectParams(random=3))
    with pytest.raises(DemandError, match="no such series in this demand: 5"):
        read_squares(days, SelectParams(squares=[5]))
    report = account(days, squares, "Europe/Rome")
    assert report["chosen_squares_without_a_row_for_a_day"] == {
        days[0].origin.name: {"count": 1, "first": [4]},
        days[1].origin.name: {"count": 1, "first": [2]},
    }
    assert report["squares_without_a_row"] == {"count": 9996, "first": list(range(5, 25))}


def test_the_account_counts_days_slots_and_the_time_zone(tmp_path: Path) -> None:
    whole, _ = day(tmp_path, 0, [1, 2])
    short, _ = day(tmp_path, 2, [1, 2], range(3, SLOTS))
    report = account([whole, short], np.array([1, 2]), "Europe/Rome")
    assert report["time_zone"] == {
        "name": "Europe/Rome",
        "utc_offsets": ["+0100"],
        "days_from_midnight_to_midnight": 1,
        "other_files": [short.origin.name],
    }
    assert report["missing_days"] == ["2013-11-02"]
    missing = report["slots_without_a_row"]
    assert missing["count"] == SLOTS + 3
    assert missing["first"][0] == "2013-11-01T23:00:00Z"
    assert report["files"][0] == {
        "name": whole.origin.name,
        "checksum": "md5:0",
        "rows": 14,
        "slots": SLOTS,
        "squares": 2,
    }
    elsewhere = account([whole], np.array([1]), "UTC")["time_zone"]
    assert elsewhere["days_from_midnight_to_midnight"] == 0


def test_slots_in_two_days_are_refused(tmp_path: Path) -> None:
    one, made = day(tmp_path, 0, [1])
    other = store_day(tmp_path, made, Origin("sms-call-internet-mi-2013-11-09.txt", 1, "md5:0"))
    with pytest.raises(DemandError, match=r"is in .* as well"):
        read_squares([one, other], None)


def test_a_store_that_is_full_keeps_no_half_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ddnn.demand.day_store.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        day(tmp_path, 0, [1])
    assert not list(tmp_path.iterdir())
