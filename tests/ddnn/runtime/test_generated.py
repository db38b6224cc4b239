"""The generated code is that of ddnn.proto."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAMES = ("ddnn_pb2.py", "ddnn_pb2.pyi", "ddnn_pb2_grpc.py")


def test_the_generated_code_is_current(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools")
    makefile = (ROOT / "Makefile").read_text()
    assert "grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=." in makefile
    outs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", *outs, "ddnn/runtime/ddnn.proto"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for name in NAMES:
        made = (tmp_path / "ddnn" / "runtime" / name).read_text()
        assert made == (ROOT / "ddnn" / "runtime" / name).read_text(), f"{name}: run `make proto`"
