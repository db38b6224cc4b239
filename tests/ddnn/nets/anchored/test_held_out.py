"""Predictions for days left out: kept, checked, and taken where they are there."""

import io
from pathlib import Path

import numpy as np
import pytest

from ddnn.decision import Predicted
from ddnn.errors import ArtefactError, ModelError
from ddnn.nets.anchored import HeldOut, load_held_out, save_held_out

RNG = np.random.default_rng(0)


def said(slots: int, vnfs: int = 2) -> Predicted:
    return Predicted(RNG.normal(size=(slots, vnfs)), RNG.uniform(0.1, 1, (slots, vnfs)))


HELD = HeldOut(4, said(6), said(6))


def same(one: Predicted, location: object, spread: object) -> bool:
    return np.array_equal(one.location, location) and np.array_equal(one.spread, spread)


def test_what_is_kept_comes_back_and_equal_ones_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        save_held_out(HELD, tmp_path / name)
    one, two = ((tmp_path / name / "held_out.npz").read_bytes() for name in ("one", "two"))
    assert one == two
    found = load_held_out(tmp_path / "one")
    assert found.slots == HELD.slots == range(4, 10)
    for before, after in ((HELD.local, found.local), (HELD.remote, found.remote)):
        assert same(after, before.location, before.spread)


def test_targets_get_their_own_rows() -> None:
    local, remote = HELD.on(range(5, 8))
    assert same(local, HELD.local.location[1:4], HELD.local.spread[1:4])
    assert same(remote, HELD.remote.location[1:4], HELD.remote.spread[1:4])


@pytest.mark.parametrize("targets", [range(3, 6), range(8, 11), range(20, 22), range(4, 10, 2)])
def test_targets_without_a_prediction_are_refused(targets: range) -> None:
    with pytest.raises(ModelError, match="slots 4 to 9 only"):
        HELD.on(targets)


def test_they_stand_in_place_of_the_exits_own_wherever_there_are_some() -> None:
    own = said(5), said(5)
    slots = np.array([9, 2, 4, 10, 2**62 - 1])
    for unseen, mine, found in zip(
        (HELD.local, HELD.remote), own, HELD.instead_of(own, slots), strict=True
    ):
        for part in ("location", "spread"):
            rows = [getattr(each, part) for each in (unseen, mine, found)]
            expected = rows[1].copy()
            expected[0], expected[2] = rows[0][5], rows[0][0]
            np.testing.assert_array_equal(rows[2], expected)


def test_exits_of_different_slots_are_refused() -> None:
    with pytest.raises(ValueError, match="remote"):
        HeldOut(0, said(3), said(4))
    with pytest.raises(ValueError, match=r"\(K, M\)"):
        HeldOut(0, said(0), said(0))


def written(tmp_path: Path, arrays: dict[str, np.ndarray], pickled: bool = False) -> Path:
    content = io.BytesIO()
    np.savez(content, allow_pickle=pickled, **arrays)
    (tmp_path / "held_out.npz").write_bytes(content.getvalue())
    return tmp_path


CHANGES = {
    "lacks": {"remote_spread": None},
    "too many": {"more": np.zeros(2)},
    "shape": {"remote_location": np.zeros((5, 2)), "remote_spread": np.ones((5, 2))},
    "single precision": {"local_location": HELD.local.location.astype(np.float32)},
    "infinite": {"local_location": np.full((6, 2), np.inf)},
    "no spread": {"local_spread": np.zeros((6, 2))},
    "first": {"first": np.array([4, 5])},
    "before the demand": {"first": np.array(-1)},
    "objects": {"local_location": np.full((6, 2), None)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_no_such_file_is_refused(tmp_path: Path, change: str) -> None:
    changed = {**HELD.arrays(), **CHANGES[change]}
    arrays = {name: array for name, array in changed.items() if array is not None}
    with pytest.raises(ArtefactError, match=r"held_out.npz: .*train again"):
        load_held_out(written(tmp_path, arrays, pickled=True))


def test_a_missing_a_cut_and_a_flipped_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="train again"):
        load_held_out(tmp_path)
    save_held_out(HELD, tmp_path)
    place = tmp_path / "held_out.npz"
    content = place.read_bytes()
    flipped = bytearray(content)
    flipped[flipped.index(HELD.local.location.tobytes()) + 3] ^= 1
    for damaged in (content[: len(content) // 2], bytes(flipped), b"", b"text"):
        place.write_bytes(damaged)
        with pytest.raises(ArtefactError, match="train again"):
            load_held_out(tmp_path)
