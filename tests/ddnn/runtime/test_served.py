"""The halves decide as the offline evaluation does, without torch."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ddnn.cost import sla_cost
from ddnn.demand import Demand, read_demand, windows
from ddnn.errors import ArtefactError, ModelError, ParamsError
from ddnn.grid import Grid
from ddnn.nets import build_exits, find_preset
from ddnn.offload import decide
from ddnn.offload.optimized import Gate, GatePlan
from ddnn.offload.samples import gather
from ddnn.runtime.bundle import load_bundle
from ddnn.runtime.onnx_graph import write_gate, write_latent, write_local, write_remote
from ddnn.runtime.onnx_run import Part
from ddnn.runtime.served import CloudHalf, EdgeHalf
from tasks.stage import Stage

ROOT = Path(__file__).parents[3]
RULES = ("cloud", "edge", "random", "uncertainty_b2", "optimized_volume", "optimized_local")


@pytest.fixture(scope="module")
def demand(tiny_stage: Stage) -> Demand:
    return read_demand(tiny_stage.inputs["download"])


@pytest.mark.parametrize("rule", RULES)
def test_every_slot_is_decided_as_offline(tiny_bundle: Path, demand: Demand, rule: str) -> None:
    bundle = load_bundle(tiny_bundle)
    targets = range(4, demand.slots)
    D, d = windows(bundle.scaling.scale(demand.values), targets, 4)
    samples = gather(bundle.exits, D, d, np.array(targets), sla_cost(1.0))
    decider = bundle.decider(rule, 0.5)
    local = decide(decider.rule.score(samples), decider.threshold)
    expected = np.where(local[:, None], samples.local, samples.remote)

    edge, cloud = EdgeHalf(tiny_bundle, rule, 0.5), CloudHalf(tiny_bundle)
    assert edge.threshold == pytest.approx(decider.threshold, rel=2e-5)
    for row, slot in enumerate(targets):
        found = edge.first(np.ascontiguousarray(D[row : row + 1]), slot)
        stays = edge.keeps(found.score)
        assert stays == local[row]
        y = edge.local(found.latent) if stays else cloud.remote(found.latent)
        np.testing.assert_allclose(y[0], expected[row], atol=1e-5)
        if found.local is not None:
            np.testing.assert_array_equal(found.local, edge.local(found.latent))


def test_the_masks_depend_on_seed_and_slot_and_make_a_variance(
    tiny_bundle: Path, demand: Demand
) -> None:
    edge = EdgeHalf(tiny_bundle, "uncertainty_b2", 0.5)
    window = edge.facts.scale(demand.values[:4]).astype(np.float32)[None]

    scores = [edge.first(window, slot).score for slot in (7, 8, 7)]

    assert min(scores) > 0
    assert scores[0] == scores[2] != scores[1]


def test_it_serves_in_units_and_never_below_zero(tiny_bundle: Path, demand: Demand) -> None:
    facts = EdgeHalf(tiny_bundle).facts
    scaled = facts.scale(demand.values[:2]).astype(np.float32)

    np.testing.assert_allclose(facts.serve(scaled), demand.values[:2], rtol=1e-5, atol=1e-4)
    assert (facts.serve(scaled - 100) == 0).all()
    assert facts.slot(demand.start + 3 * demand.slot_seconds) == 3
    assert facts.cost([2.0] * 5, [1.0] * 5) == pytest.approx(5.0)


def test_the_edge_needs_its_own_half_only(tiny_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bundle / "edge", tmp_path / "edge")
    shutil.copyfile(tiny_bundle / "bundle.json", tmp_path / "bundle.json")

    assert EdgeHalf(tmp_path).facts.model == load_bundle(tiny_bundle).model
    with pytest.raises(ArtefactError, match="missing from the model's folder"):
        CloudHalf(tmp_path)


@pytest.mark.parametrize("name", ["edge/local.onnx", "edge/edge.json", "bundle.json"])
def test_a_flipped_byte_is_found(tiny_bundle: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(tiny_bundle, tmp_path / "model")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 4
    (folder / name).write_bytes(content)

    with pytest.raises(ArtefactError, match=r"altered|not a model's manifest"):
        EdgeHalf(folder)


def test_what_the_model_lacks_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(ModelError, match=r"no rule optimized_latent; this model has cloud"):
        EdgeHalf(tiny_bundle, "optimized_latent")
    with pytest.raises(ModelError, match=r"no gate for L0 = 0\.4; trained are 0\.3, 0\.5"):
        EdgeHalf(tiny_bundle, "optimized_volume", 0.4)
    with pytest.raises(ParamsError, match=r"L0 1\.2: must lie in"):
        EdgeHalf(tiny_bundle, "edge", 1.2)


def test_the_scores_of_the_calibration_days_give_the_threshold(tiny_bundle: Path) -> None:
    scores = json.loads((tiny_bundle / "edge/edge.json").read_text())["rules"]
    for l0 in (0.3, 0.5):
        edge = EdgeHalf(tiny_bundle, "optimized_volume", l0)
        assert len(edge.scores) == 24
        at = np.sort(edge.scores)[int(np.ceil(l0 * 24)) - 1]
        assert at < edge.threshold <= at * (1 + 2e-5)
        assert (edge.scores <= edge.threshold).sum() == np.ceil(l0 * 24)
    assert len(scores["uncertainty_b2"]["scores"]) == 24


def test_int8_is_close_to_fp32(tmp_path: Path) -> None:
    # The tiny model's layers are too narrow for int8: one of the paper's width.
    exits = build_exits(find_preset("table3"), Grid.in_order(20), 6, dropout=0.1, seed=0).eval()
    write_local(exits, tmp_path / "fp32.onnx")
    write_local(exits, tmp_path / "int8.onnx", "int8")
    z = exits.latent(torch.rand(3, 6, 20)).detach().numpy()

    exact = Part(tmp_path / "fp32.onnx", ["local"])(latent=z)[0]
    coarse = Part(tmp_path / "int8.onnx", ["local"])(latent=z)[0]

    assert 0 < np.abs(coarse - exact).max() < 0.02 * np.abs(exact).max()
    size = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("fp32", "int8")]
    assert size[1] < 0.3 * size[0]


@pytest.mark.parametrize("preset", ["paper", "table3"])
@pytest.mark.parametrize("feature", ["volume", "demand", "latent", "local"])
def test_each_gate_and_preset_has_a_graph(tmp_path: Path, preset: str, feature: str) -> None:
    grid = Grid(3, 3, np.array([4, 8, 0, 2, 7]))  # with empty cells, out of order
    exits = build_exits(find_preset(preset), grid, 4, dropout=0.1, seed=1).eval()
    shapes = {"latent": (32, 4, 3, 3), "local": (5,)}
    plan = GatePlan(feature, shapes.get(feature, (4, 5)), 8, 0.3, grid)  # type: ignore[arg-type]
    gate = Gate(plan).eval()
    gate.get_buffer("center").fill_(0.1)
    gate.get_buffer("spread").fill_(0.01)  # so that the inputs' bound is met, too
    D = torch.rand(3, 4, 5)
    write_gate(gate, exits, tmp_path / "gate.onnx")
    with torch.no_grad():
        z = exits.latent(D)
        y_L, y_R = exits.local(z), exits.remote(z)
        odds = gate({"latent": z, "local": y_L}.get(feature, D))

    if feature == "local":
        (found,) = Part(tmp_path / "gate.onnx", ["odds"])(local=y_L.numpy())
    else:
        found, latent = Part(tmp_path / "gate.onnx", ["odds", "latent"])(demand=D.numpy())
        np.testing.assert_allclose(latent, z, atol=1e-5)
    np.testing.assert_allclose(found, odds, rtol=1e-4, atol=1e-4)
    for write, name, value in ((write_local, "local", y_L), (write_remote, "remote", y_R)):
        write(exits, tmp_path / "exit.onnx")
        np.testing.assert_allclose(
            Part(tmp_path / "exit.onnx", [name])(latent=z.numpy())[0], value, atol=1e-5
        )


def test_an_even_kernel_is_padded_as_torch_does(tmp_path: Path) -> None:
    exits = build_exits(find_preset("deepcog_original"), Grid.in_order(4), 3, 0.1, seed=0).eval()
    D = torch.rand(2, 3, 4)
    write_latent(exits, tmp_path / "latent.onnx")
    write_remote(exits, tmp_path / "remote.onnx")
    with torch.no_grad():
        z = exits.latent(D)
        expected = exits.remote(z)

    (found,) = Part(tmp_path / "latent.onnx", ["latent"])(demand=D.numpy())
    np.testing.assert_allclose(found, z, atol=1e-5)
    (y,) = Part(tmp_path / "remote.onnx", ["remote"])(latent=found)
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_the_halves_need_neither_torch_nor_pydantic(tiny_bundle: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ddnn.runtime.served import CloudHalf, EdgeHalf\n"
        "EdgeHalf(Path(sys.argv[1]), 'uncertainty_b2'); CloudHalf(Path(sys.argv[1]))\n"
        "heavy = 'torch scipy pandas pyarrow sklearn pydantic yaml onnx safetensors prefect'\n"
        "print([name for name in heavy.split() if name in sys.modules])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tiny_bundle)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"
