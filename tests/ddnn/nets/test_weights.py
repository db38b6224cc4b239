import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ddnn.errors import ArtefactError
from ddnn.grid import Grid
from ddnn.nets import Exits, build_exits, find_preset, load_exits, save_exits

FILES = ["exits.json", "exits.safetensors"]


def build(preset: str = "paper", seed: int = 0) -> Exits:
    grid = Grid(rows=2, columns=3, cells=np.array([4, 0, 5, 2, 1]))
    return build_exits(find_preset(preset), grid, 2, 0.25, seed)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_exits(build(), tmp_path)
    return tmp_path


@pytest.mark.parametrize("preset", ["paper", "table3", "deepcog_original"])
def test_exits_come_back_as_they_were(tmp_path: Path, preset: str) -> None:
    exits = build(preset).eval()
    save_exits(exits, tmp_path)
    back = load_exits(tmp_path)
    D = torch.rand(4, 2, 5)
    assert not back.training
    assert torch.equal(back.remote(back.latent(D)), exits.remote(exits.latent(D)))
    assert back.dropout == exits.dropout
    assert back.mask_shapes == exits.mask_shapes


def test_dropout_still_acts_after_a_round_trip(saved: Path) -> None:
    back = load_exits(saved).train()
    D = torch.rand(4, 2, 5)
    draws = torch.stack([back(D)[0] for _ in range(5)])
    assert bool((draws.var(dim=0) > 0).all())


def test_equal_exits_give_equal_bytes_whatever_their_memory_layout(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    save_exits(build(), tmp_path / "a")
    save_exits(build().to(memory_format=torch.channels_last_3d), tmp_path / "b")
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(ArtefactError, match=name):
        load_exits(saved)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_named(saved: Path, name: str) -> None:
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ArtefactError, match=name):
        load_exits(saved)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("preset", "alexnet"),
        ("preset", "table3"),
        ("format", 2),
        ("N", 3),
        ("N", "two"),
        ("dropout", 7.0),
        ("grid", {"rows": 1}),
    ],
)
def test_facts_that_do_not_fit_are_refused(saved: Path, key: str, value: object) -> None:
    facts = json.loads((saved / "exits.json").read_text())
    (saved / "exits.json").write_text(json.dumps(facts | {key: value}))
    with pytest.raises(ArtefactError, match=r"exits\.(json|safetensors)"):
        load_exits(saved)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    exits = build()
    with torch.no_grad():
        next(exits.parameters()).fill_(float("nan"))
    save_exits(exits, tmp_path)
    with pytest.raises(ArtefactError, match="not finite"):
        load_exits(tmp_path)
