from pathlib import Path

import numpy as np
import pytest

from ddnn.demand.milano_raw import day_files, read_folder
from ddnn.errors import DemandError
from ddnn.params import SelectParams

START = 1383260400


def line(
    square: object, slot: object, country: object = 39, internet: object = "", sms: str = ""
) -> str:
    stamp = (START + 600 * slot) * 1000 if isinstance(slot, int) else slot
    return f"{square}\t{stamp}\t{country}\t{sms}\t\t\t\t{internet}\n"


def folder(path: Path, *days: str) -> Path:
    for day, content in enumerate(days, start=1):
        (path / f"day-{day}.txt").write_text(content)
    return path


GOOD = "".join(line(square, slot, 39, square + slot) for square in (1, 2) for slot in range(4))


def test_country_codes_are_summed_and_empty_fields_add_nothing(tmp_path: Path) -> None:
    content = line(2, 0, 39, 1.5) + line(2, 0, 33, 0.25) + line(2, 0, 0, sms="0.7")
    content += line(1, 0, 0, sms="0.1") + line(1, 1, 39, 4)
    found, warnings = read_folder(folder(tmp_path, content), None)
    assert found.series == ("1", "2")
    # Square 2 has no row in slot 1: no activity. Square 1 has one without internet in slot 0.
    assert found.values.tolist() == [[0, 1.75], [4, 0]]
    assert found.times.tolist() == [START, START + 600]
    assert warnings == []


def test_days_follow_by_time_and_squares_as_asked(tmp_path: Path) -> None:
    days = [
        "".join(line(s, t, 39, 10 * s + t) for s in (1, 2, 3) for t in r)
        for r in (range(2, 4), range(0, 2))
    ]
    found, _ = read_folder(folder(tmp_path, *days), [3, 1])
    assert found.series == ("3", "1")
    assert found.values.tolist() == [[30 + t, 10 + t] for t in range(4)]


def test_slot_without_any_row_stays_out(tmp_path: Path) -> None:
    content = "".join(line(1, slot, 39, 1) for slot in (0, 1, 3))
    found, _ = read_folder(folder(tmp_path, content), None)
    assert np.diff(found.times).tolist() == [600, 1200]
    assert found.row(2).endswith("day-1.txt: slot 2013-10-31T23:30:00Z")


def test_missing_line_break_at_the_end_is_told(tmp_path: Path) -> None:
    _, warnings = read_folder(folder(tmp_path, GOOD[:-1]), None)
    assert warnings == [
        "day-1.txt: the last line has no line break at its end; the file may be cut"
    ]


BAD = {
    "empty": ("", "is empty"),
    "binary": (GOOD + "\0\0", "line 9 is not text"),
    "cut row": (GOOD[:-5], "the last row 8 has 5 fields, expected 8"),
    "few fields": (line(1, 0)[:-3] + "\n" + GOOD, "row 1 has 6 fields, expected 8"),
    "commas": (GOOD.replace("\t", ","), r"row 1 has 1 fields, expected 8; separate fields"),
    "text": (GOOD + line(1, 3, 40, "x"), "row 9, column 'internet': 'x' is not a number"),
    "nan": (GOOD + line(1, 3, 40, "nan"), "row 9, column 'internet': 'nan' is not a number"),
    "infinite": (GOOD + line(1, 3, 40, "1e999"), "row 9, column 'internet': demand is"),
    "negative": (GOOD + line(1, 3, 40, -1), r"row 9, column 'internet': demand is .*\(-1\)"),
    "no square": (GOOD + line("", 3), "row 9, column 'square': nan is no whole number"),
    "half a square": (GOOD + line(1.5, 3), "row 9, column 'square': 1.5 is no whole number"),
    "no country": (GOOD + line(1, 3, ""), "row 9, column 'country'"),
    "no stamp": (GOOD + line(1, ""), "row 9: the time stamp is missing"),
    "small stamp": (GOOD + line(1, "12"), "row 9: 12 is no epoch time in milliseconds"),
    "repeated row": (GOOD + line(2, 1, 39, 5), "row 9: square, slot and country code repeat"),
}


@pytest.mark.parametrize(("content", "said"), BAD.values(), ids=BAD.keys())
def test_bad_day_files_are_refused_in_one_line(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(DemandError, match=said) as caught:
        read_folder(folder(tmp_path, content), None)
    assert str(caught.value).startswith(f"{tmp_path / 'day-1.txt'}: ")
    assert "\n" not in str(caught.value)


def test_square_that_a_file_lacks_is_refused(tmp_path: Path) -> None:
    later = "".join(line(1, slot, 39, 1) for slot in range(4, 8))
    with pytest.raises(DemandError, match=r"day-2\.txt: no row for square 2"):
        read_folder(folder(tmp_path, GOOD, later), None)
    assert read_folder(tmp_path, [1])[0].values.shape == (8, 1)
    with pytest.raises(DemandError, match=r"day-1\.txt: no row for square 7"):
        read_folder(tmp_path, [1, 7])
    with pytest.raises(DemandError, match="square occurs twice"):
        read_folder(tmp_path, [1, 1])


def test_squares_are_selected_from_those_that_every_file_has(tmp_path: Path) -> None:
    later = "".join(line(square, slot, 39, 1) for square in (1, 102, 101) for slot in range(4, 8))
    first = GOOD + "".join(line(square, 0, 39, 1) for square in (101, 102))
    days = folder(tmp_path, first, later)
    assert read_folder(days, None, SelectParams(random=3))[0].series == ("1", "101", "102")
    with pytest.raises(DemandError, match="4 series are wanted, but there are 3"):
        read_folder(days, None, SelectParams(random=4))
    assert read_folder(days, None, SelectParams(squares=[102, 1]))[0].series == ("102", "1")
    with pytest.raises(DemandError, match=r"day-2\.txt: no row for square 2"):
        read_folder(days, None, SelectParams(block=(1, 102)))
    with pytest.raises(DemandError, match="Milano's squares have numbers"):
        read_folder(days, None, SelectParams(squares=["north"]))


def test_slots_in_two_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DemandError, match=r"day-2\.txt: slot .* is in day-1\.txt as well"):
        read_folder(folder(tmp_path, GOOD, GOOD), None)


def test_interleaved_files_are_refused(tmp_path: Path) -> None:
    halves = ["".join(line(1, t, 39, 1) for t in range(first, 6, 2)) for first in (0, 1)]
    with pytest.raises(DemandError, match="its slots lie among those of"):
        read_folder(folder(tmp_path, *halves), None)


def test_folder_must_hold_day_files(tmp_path: Path) -> None:
    with pytest.raises(DemandError, match="no such folder"):
        day_files(tmp_path / "absent")
    (tmp_path / "readme.md").write_text("no demand")
    with pytest.raises(DemandError, match="no day file"):
        day_files(tmp_path)


@pytest.mark.milano
def test_real_rows_are_summed_as_by_hand(milano_dir: Path, tmp_path: Path) -> None:
    lines = (milano_dir / "raw-rows-squares-1-10-100.tsv").read_text().splitlines(keepends=True)
    whole = "".join(lines[:-1])  # the published head may be cut inside its last line
    found, warnings = read_folder(folder(tmp_path, whole), None)
    sums: dict[tuple[str, int], float] = {}
    for fields in (each.rstrip("\n").split("\t") for each in lines[:-1]):
        cell = (fields[0], int(fields[1]) // 1000)
        sums[cell] = sums.get(cell, 0.0) + float(fields[7] or 0)
    assert found.series == ("1", "10", "100", "1000")
    assert found.times.tolist() == [START + 600 * slot for slot in range(144)]
    for column, square in enumerate(found.series):
        expected = [sums.get((square, int(time)), 0.0) for time in found.times]
        assert found.values[:, column].tolist() == expected
    assert warnings == []


@pytest.mark.milano
def test_real_rows_cut_inside_a_line_are_refused(milano_dir: Path, tmp_path: Path) -> None:
    content = (milano_dir / "raw-rows-squares-1-10-100.tsv").read_text()
    # As it stands the last line has all its fields: whether its number is whole, none can tell.
    _, warnings = read_folder(folder(tmp_path, content), None)
    assert len(warnings) == 1
    with pytest.raises(DemandError, match="the last row 1245 has 7 fields, expected 8"):
        read_folder(folder(tmp_path, content.rpartition("\t")[0]), None)
