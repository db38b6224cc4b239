import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ddnn.context import Context
from ddnn.errors import ArtefactError
from ddnn.nets.anchored import AnchoredExits, find_anchored, load_anchored, predict, save_anchored

FILES = ["anchored.json", "anchored.safetensors"]
Build = Callable[..., AnchoredExits]


@pytest.fixture
def exits(build: Build) -> AnchoredExits:
    preset = find_anchored("anchored")
    sizes = ("latent", "local", "memory", "remote", "remote_dense")
    return build(**{name: getattr(preset, name) for name in sizes})


@pytest.fixture
def saved(exits: AnchoredExits, tmp_path: Path) -> Path:
    save_anchored(exits, tmp_path)
    return tmp_path


def test_exits_come_back_as_they_were(
    exits: AnchoredExits, saved: Path, see: Callable[..., Context]
) -> None:
    back = load_anchored(saved)
    assert (back.reaches, back.clock, back.N) == (exits.reaches, exits.clock, exits.N)
    assert not back.training
    for one, other in zip(predict(back, see(back)), predict(exits, see(exits)), strict=True):
        assert np.array_equal(one.location, other.location)
        assert np.array_equal(one.spread, other.spread)


def test_equal_exits_give_equal_bytes(exits: AnchoredExits, saved: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    save_anchored(load_anchored(saved), again)
    for name in FILES:
        assert (saved / name).read_bytes() == (again / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0.0, 0.5, None])
def test_a_missing_or_cut_file_is_named(saved: Path, name: str, kept: float | None) -> None:
    place = saved / name
    content = place.read_bytes()
    place.unlink()
    if kept is not None:
        place.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ArtefactError, match=name):
        load_anchored(saved)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("preset", "adrift"),
        ("format", 2),
        ("N", 4),
        ("N", "two"),
        ("clock", {"start": 0, "slot_seconds": 0, "timezone": "UTC"}),
        ("clock", {"start": 0, "slot_seconds": 60, "timezone": "UTC"}),
        ("grid", {"rows": 1}),
    ],
)
def test_facts_that_do_not_fit_are_refused(saved: Path, key: str, value: object) -> None:
    facts = json.loads((saved / "anchored.json").read_text())
    (saved / "anchored.json").write_text(json.dumps(facts | {key: value}))
    with pytest.raises(ArtefactError, match=r"anchored\.(json|safetensors)"):
        load_anchored(saved)


def test_weights_that_are_not_finite_are_refused(exits: AnchoredExits, tmp_path: Path) -> None:
    with torch.no_grad():
        next(exits.parameters()).fill_(float("nan"))
    save_anchored(exits, tmp_path)
    with pytest.raises(ArtefactError, match="not finite"):
        load_anchored(tmp_path)
