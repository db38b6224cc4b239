import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ddnn.context import Clock, Reach, Reaches, build_context, build_view
from ddnn.errors import DemandError

CLOCK = Clock(1383260400, 3600, "Europe/Rome")
VNFS = 3


def demand(slots: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).uniform(0.1, 1.0, (slots, VNFS))


reaches = st.builds(
    Reach,
    recent=st.integers(1, 9),
    around=st.integers(1, 4),
    lags=st.lists(st.integers(1, 30), max_size=2).map(tuple),
)


@given(reach=reaches, first=st.integers(1, 40), count=st.integers(0, 5))
def test_a_view_is_what_lies_there_or_zero(reach: Reach, first: int, count: int) -> None:
    values = demand(44)
    view = build_view(values, range(first, first + count), CLOCK, reach)
    assert len(view) == count

    def check(seen: NDArray[np.float32], known: np.float32, slot: int, target: int) -> None:
        there = 0 <= slot < target
        assert known == there
        assert seen == pytest.approx(values[slot] if there else np.zeros(VNFS))

    for k, target in enumerate(range(first, first + count)):
        for r in range(reach.recent):
            slot = target - reach.recent + r
            check(view.recent[k, r], view.recent_known[k, r], slot, target)
        for i, lag in enumerate(reach.lags):
            for j in range(reach.width):
                slot = target - lag - reach.around + j
                check(view.ago[k, i, j], view.ago_known[k, i, j], slot, target)


@given(reach=reaches, target=st.integers(1, 30))
def test_nothing_from_the_target_on_is_seen(reach: Reach, target: int) -> None:
    values = demand(35)
    changed = values.copy()
    changed[target:] = 1e9
    views = [build_view(v, range(target, target + 1), CLOCK, reach) for v in (values, changed)]
    for before, after in zip(views[0].arrays, views[1].arrays, strict=True):
        assert np.array_equal(before, after)


def test_the_slot_after_the_last_can_be_decided_on_with_what_an_edge_remembers() -> None:
    reach = Reach(4, 2, (24, 24 * 7))
    values = demand(24 * 8)
    whole = build_view(values, range(len(values), len(values) + 1), CLOCK, reach)
    kept = 24 * 7 + 2
    later = Clock(CLOCK.start + (len(values) - kept) * 3600, 3600, CLOCK.timezone)
    remembered = build_view(values[-kept:], range(kept, kept + 1), later, reach)
    for one, other in zip(whole.arrays, remembered.arrays, strict=True):
        assert np.array_equal(one, other)
    assert whole.ago_known.all()


def test_parts_are_the_decisions_asked_for() -> None:
    both = Reaches(Reach(2, 1, (24,)), Reach(30, 3, (24,)))
    context = build_context(demand(60), range(10, 50), CLOCK, both)
    part = context.part(slice(5, 8))
    alone = build_context(demand(60), range(15, 18), CLOCK, both)
    assert (len(context), len(part)) == (40, 3)
    for mine, other in ((part.edge, alone.edge), (part.cloud, alone.cloud)):
        for one, two in zip(mine.arrays, other.arrays, strict=True):
            assert np.array_equal(one, two)


def test_all_is_single_precision() -> None:
    for array in build_view(demand(30), range(3, 5), CLOCK, Reach(2, 1, (24,))).arrays:
        assert array.dtype == np.float32


@pytest.mark.parametrize("targets", [range(0, 3), range(5, 12)])
def test_targets_without_a_past_are_refused(targets: range) -> None:
    with pytest.raises(DemandError, match="but there are 10"):
        build_view(demand(10), targets, CLOCK, Reach(2, 1, (24,)))


def test_targets_must_follow_one_another() -> None:
    with pytest.raises(ValueError, match="consecutive"):
        build_view(demand(10), range(2, 8, 2), CLOCK, Reach(2, 1, (24,)))


@pytest.mark.parametrize(("recent", "around", "lags"), [(0, 1, (1,)), (1, 0, (1,)), (1, 1, (0,))])
def test_a_reach_without_slots_is_refused(recent: int, around: int, lags: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least"):
        Reach(recent, around, lags)


def test_an_edge_node_needs_numpy_alone() -> None:
    code = (
        "import sys, ddnn.context; print([m for m in ('torch', 'scipy', 'pandas', 'pydantic') "
        "if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
