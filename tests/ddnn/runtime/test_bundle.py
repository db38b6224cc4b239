"""A bundle gives back the trained system, or nothing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ddnn.errors import ArtefactError, ModelError, ParamsError
from ddnn.nets import load_exits
from ddnn.runtime.bundle import load_bundle
from ddnn.runtime.manifest import MANIFEST, write_manifest
from tasks.stage import Stage


@pytest.fixture
def copied(tiny_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bundle, tmp_path / "model")


def test_the_exits_are_those_that_were_trained(tiny_bundle: Path, tiny_stage: Stage) -> None:
    trained, bundle = load_exits(tiny_stage.inputs["train"]), load_bundle(tiny_bundle)
    D = torch.rand(3, 4, 5)

    with torch.no_grad():
        for here, there in zip(bundle.exits(D), trained(D), strict=True):
            assert torch.equal(here, there)


@pytest.mark.parametrize(
    "name", ["exits.safetensors", "model.onnx", "gates/local_l30.safetensors", "thresholds.json"]
)
def test_a_flipped_byte_is_found_before_anything_is_loaded(
    copied: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("ddnn.runtime.bundle.load_exits")
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 4
    (copied / name).write_bytes(content)

    with pytest.raises(ArtefactError, match=rf"{name}: altered .*export the model again"):
        load_bundle(copied)


def test_parts_of_two_models_are_refused_though_their_hashes_hold(copied: Path) -> None:
    facts = json.loads((copied / MANIFEST).read_text())["facts"]
    write_manifest(copied, {**facts, "N": 5})

    with pytest.raises(ArtefactError, match=r"exits for N = 4 and 5 series, but .* N = 5"):
        load_bundle(copied)


def test_facts_that_are_none_are_refused_by_name(copied: Path) -> None:
    facts = json.loads((copied / MANIFEST).read_text())["facts"]
    write_manifest(copied, {**facts, "l0": 3})

    with pytest.raises(ArtefactError, match=r"bundle\.json: l0: "):
        load_bundle(copied)


def test_weights_that_are_not_numbers_are_refused(copied: Path) -> None:
    state = load_file(copied / "exits.safetensors")
    save_file({name: value * np.nan for name, value in state.items()}, copied / "exits.safetensors")
    write_manifest(copied, json.loads((copied / MANIFEST).read_text())["facts"])

    with pytest.raises(ArtefactError, match="not finite"):
        load_bundle(copied)


def test_each_rule_of_the_trained_system_decides(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)

    own = bundle.decider()
    assert (own.rule.name, own.l0) == ("optimized_volume", 0.5)
    for rule in ("cloud", "edge", "random", "uncertainty_b2"):
        assert bundle.decider(rule, 0.123).rule.name == rule
    assert (
        bundle.decider("optimized_local", 0.3).threshold
        < bundle.decider("optimized_local", 0.5).threshold
    )


@pytest.mark.parametrize("l0", [-0.1, 1.01, float("nan")])
def test_a_share_outside_its_range_is_refused(tiny_bundle: Path, l0: float) -> None:
    with pytest.raises(ParamsError, match=r"--l0 .* must lie in \[0, 1\]"):
        load_bundle(tiny_bundle).decider("cloud", l0)


def test_a_gate_serves_the_shares_that_it_was_trained_for(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)

    with pytest.raises(ModelError, match=r"no gate for L0 = 0\.4; trained are 0\.3, 0\.5"):
        bundle.decider("optimized_volume", 0.4)
    with pytest.raises(ModelError, match=r"no rule optimized_latent; this model has cloud, "):
        bundle.decider("optimized_latent")
