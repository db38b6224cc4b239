"""The fast reader and the strict one agree, bit for bit, wherever the blocks are cut."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.milano_days import START, write_day
from ddnn.demand import day_blocks
from ddnn.demand.day_blocks import Day, read_blocks
from ddnn.demand.day_file import read_day, read_strictly
from ddnn.errors import DemandError

ROWS = st.lists(
    st.tuples(
        st.integers(1, 12),
        st.integers(0, 6),
        st.sampled_from([0, 33, 39, 1204]),
        st.one_of(st.none(), st.floats(0, 1e6)),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda row: row[:3],
)


def text(rows: list[tuple[int, int, int, float | None]]) -> str:
    return "".join(
        f"{square}\t{(START + 600 * slot) * 1000}\t{country}\t0.5\t\t\t\t"
        f"{'' if internet is None else repr(internet)}\n"
        for square, slot, country, internet in rows
    )


def same(one: Day, other: Day) -> bool:
    return (
        np.array_equal(one.activity, other.activity)
        and np.array_equal(one.times, other.times)
        and np.array_equal(one.squares, other.squares)
        and one.rows == other.rows
    )


@settings(deadline=None, max_examples=60)
@given(rows=ROWS, block=st.sampled_from([70, 150, 1 << 20]), line_break=st.booleans())
def test_both_readers_agree(
    rows: list[tuple[int, int, int, float | None]],
    block: int,
    line_break: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("days") / "day.txt"
    path.write_text(text(rows) if line_break else text(rows)[:-1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(day_blocks, "_BLOCK_BYTES", block)
        fast = read_blocks(path)
    assert fast is not None
    assert same(fast, read_strictly(path))


def test_a_day_in_the_published_form_is_read_fast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_day(tmp_path / "day.txt", squares=40)
    monkeypatch.setattr(day_blocks, "_BLOCK_BYTES", 1 << 16)
    fast = read_blocks(tmp_path / "day.txt", threads=2)
    assert fast is not None
    assert fast.squares.tolist() == list(range(1, 41))
    assert fast.activity.shape == (144, 40)
    assert same(fast, read_strictly(tmp_path / "day.txt"))
    some = read_day(tmp_path / "day.txt", [7, 3, 99])
    assert some.squares.tolist() == [3, 7]
    assert np.array_equal(some.activity, fast.activity[:, [2, 6]])


GOOD = text([(1, 0, 39, 1.0), (1, 1, 39, 2.0), (2, 0, 39, 3.0)])


@pytest.mark.parametrize(
    "line",
    [
        GOOD.splitlines(keepends=True)[0],  # a repeated row
        f"2\t{START * 1000 + 1}\t39\t\t\t\t\t1\n",
        f"2\t{(START + 30 * 86400) * 1000}\t39\t\t\t\t\t1\n",
        f"2\t{START * 1000}\t40\t\t\t\t\t-1\n",
        f"2\t{START * 1000}\t40\t\t\t\t\tnan\n",
        f"2\t{START * 1000}\t\t\t\t\t\t1\n",
        f"-2\t{START * 1000}\t39\t\t\t\t\t1\n",
        f"2\t{START * 1000}\t39\t\t\n",
        "\0\n",
        "<html>\n",
    ],
)
def test_what_is_not_plain_is_left_to_the_strict_reader(tmp_path: Path, line: str) -> None:
    path = tmp_path / "day.txt"
    path.write_text(GOOD + line)
    assert read_blocks(path) is None
    path.write_text(line + GOOD)
    assert read_blocks(path) is None


def test_an_unusual_number_is_taken_as_it_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "day.txt"
    path.write_text(GOOD.replace("\t39\t", "\t39.0\t"))
    assert read_blocks(path) is None
    assert read_day(path).activity.tolist() == [[1, 3], [2, 0]]
    path.write_text("")
    with pytest.raises(DemandError, match="is empty"):
        read_day(path)
