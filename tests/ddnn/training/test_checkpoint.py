from pathlib import Path

import pytest
import torch

from ddnn.training.checkpoint import read_checkpoint, set_aside, write_checkpoint

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b/step": torch.tensor(3)}
FACTS = {"epoch": 3, "cost": 1 / 3}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "scratch" / "state.safetensors"
    write_checkpoint(place, TENSORS, FACTS)
    return place


def test_tensors_and_facts_come_back_exactly(path: Path) -> None:
    found = read_checkpoint(path)
    assert found is not None
    tensors, facts = found
    assert facts == FACTS
    assert all(torch.equal(tensors[name], value) for name, value in TENSORS.items())


def test_nothing_but_the_file_is_left(path: Path) -> None:
    assert [place.name for place in path.parent.iterdir()] == [path.name]


def test_a_missing_file_is_no_damage(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "none") is None


def test_any_flipped_byte_is_found_and_the_file_set_aside(path: Path) -> None:
    content = path.read_bytes()
    for index in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[index] ^= 0x10
        path.write_bytes(damaged)
        with pytest.warns(RuntimeWarning, match="starting anew"):
            assert read_checkpoint(path) is None
        assert not path.exists()
        assert path.with_name(path.name + ".aside").read_bytes() == damaged


@pytest.mark.parametrize("keep", [0, 5, 60, -1])
def test_a_cut_file_is_set_aside(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.warns(RuntimeWarning, match="cannot be used"):
        assert read_checkpoint(path) is None


def test_the_reason_is_said_when_a_file_is_set_aside(path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="belongs to another"):
        set_aside(path, "belongs to another")
