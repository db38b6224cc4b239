"""The stage `export`: a complete bundle, and the same bytes from another process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import onnx

from ddnn.runtime.manifest import MANIFEST, file_sha256
from tasks.stage import Stage

_ROOT = Path(__file__).parents[2]


def test_the_bundle_is_complete_and_tells_what_the_model_is_for(tiny_bundle: Path) -> None:
    manifest = json.loads((tiny_bundle / MANIFEST).read_text())

    assert set(manifest["files"]) == {
        "calibration_scores.safetensors",
        "cloud/remote.onnx",
        "edge/edge.json",
        "edge/int8/local.onnx",
        "edge/latent.onnx",
        "edge/local.onnx",
        "edge/masked.onnx",
        "exits.json",
        "exits.safetensors",
        "model.onnx",
        "thresholds.json",
        *(
            f"gates/{feature}_l{percent}.{kind}"
            for feature in ("volume", "local")
            for percent in (30, 50)
            for kind in ("json", "safetensors")
        ),
        *(
            f"edge/{kind}gates/{feature}_l{percent}.onnx"
            for feature in ("volume", "local")
            for percent in (30, 50)
            for kind in ("", "int8/")
        ),
    }
    facts = manifest["facts"]
    assert facts["series"] == [f"vnf{index}" for index in range(5)]
    assert (facts["N"], facts["slot_seconds"], facts["unit"]) == (4, 3600, "activity")
    assert (facts["rule"], facts["l0"]) == ("optimized_volume", 0.5)
    assert facts["cost"]["c_u"] == 1.0
    assert 0 <= facts["onnx_difference"] <= 1e-4
    assert 0 <= facts["parts_difference"] <= 1e-4


def test_another_process_writes_the_same_bytes(
    tiny_stage: Stage, tiny_bundle: Path, tmp_path: Path
) -> None:
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from ddnn.arithmetic import Arithmetic\n"
        "from ddnn.params import parse_params\n"
        "from tasks import export\n"
        "from tasks.stage import Stage\n"
        "order = json.load(sys.stdin)\n"
        "inputs = {name: Path(folder) for name, folder in order['inputs'].items()}\n"
        "out = Path(order['out'])\n"
        "how = Arithmetic.from_dict(order['how'])\n"
        "export.run(Stage(parse_params(order['params']), inputs, out, out, how))\n"
    )
    order = {
        "params": tiny_stage.params.model_dump(mode="json"),
        "inputs": {name: str(folder) for name, folder in tiny_stage.inputs.items()},
        "out": str(tmp_path),
        "how": tiny_stage.arithmetic.to_dict(),
    }
    # From another place, and with another order of hashes.
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(_ROOT)}
    subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(order),
        text=True,
        check=True,
        cwd=tmp_path.parent,
        env=environment,
    )

    assert file_sha256(tmp_path / "model.onnx") == file_sha256(tiny_bundle / "model.onnx")
    assert (tmp_path / MANIFEST).read_text() == (tiny_bundle / MANIFEST).read_text()


def test_the_onnx_file_holds_no_path_and_says_that_dropout_is_off(
    tiny_bundle: Path,
) -> None:
    file = tiny_bundle / "model.onnx"
    said = {entry.key: entry.value for entry in onnx.load(file).metadata_props}

    content = file.read_bytes()
    for trace in (str(_ROOT), str(Path.home()), ".py", "stack_trace"):
        assert trace.encode() not in content
    assert said["dropout"].startswith("off")
    assert json.loads(said["series"]) == [f"vnf{index}" for index in range(5)]
