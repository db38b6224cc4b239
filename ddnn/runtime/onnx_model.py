"""Both exits as one ONNX model in the user's own units, for whoever serves models as ONNX."""

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ddnn.errors import ModelError
from ddnn.nets import Exits

TOLERANCE = 1e-4
"""Largest difference from torch that is accepted, in units of a VNF's full scale."""


class UnitExits(nn.Module):
    """The exits, in evaluation mode, with the scaling inside: demand and allocations in units."""

    def __init__(self, exits: Exits, minimum: ArrayLike, span: ArrayLike) -> None:
        super().__init__()
        self.exits = exits
        self.register_buffer("minimum", torch.as_tensor(np.asarray(minimum, dtype=np.float32)))
        self.register_buffer("span", torch.as_tensor(np.asarray(span, dtype=np.float32)))
        self.eval()

    def forward(self, demand: Tensor) -> tuple[Tensor, Tensor]:
        """Give both allocations, each (batch, M), of demand (batch, N, M), newest slot last."""
        minimum, span = self.get_buffer("minimum"), self.get_buffer("span")
        y_L, y_R = self.exits((demand - minimum) / span)
        return y_L * span + minimum, y_R * span + minimum


def export_onnx(model: UnitExits, path: Path, facts: dict[str, Any]) -> None:
    """Write the model as ONNX; equal models give equal bytes, without any path of this machine.

    Input ``demand`` (batch, N, M) float32, outputs ``local`` and ``remote`` (batch, M), of any
    batch size. Dropout is off in the graph, so the Uncertainty Rule cannot run on it; the file's
    metadata says so.

    Args:
        model: The exits in units.
        path: The file to write.
        facts: What the metadata is to say besides, as plain JSON values.
    """
    exits = model.exits
    # Two windows: with a single one the exporter would take the batch for a constant.
    example = torch.zeros((2, exits.N, exits.vnfs), dtype=torch.float32)
    with _quiet_exporter():
        program = torch.onnx.export(
            model,
            (example,),
            dynamo=True,
            verbose=False,
            input_names=["demand"],
            output_names=["local", "remote"],
            dynamic_shapes={"demand": {0: torch.export.Dim("batch", min=1)}},
        )
    assert program is not None  # it is None only where torch writes the file itself
    proto = program.model_proto
    _strip(proto)
    onnx.helper.set_model_props(proto, _metadata(exits, facts))
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString(deterministic=True))


def check_onnx(path: Path, model: UnitExits, demand: NDArray[np.float32]) -> float:
    """Compare an exported file with the torch model that it came from.

    Args:
        path: The file.
        model: The torch model.
        demand: Windows (K, N, M) in units.

    Returns:
        The largest difference of any allocation, in units of its VNF's full scale.

    Raises:
        ModelError: The difference is above :data:`TOLERANCE`.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # with more, the last bits of the difference would vary
    session = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    with torch.inference_mode():
        expected = model(torch.from_numpy(demand))
    found = session.run(["local", "remote"], {"demand": demand})
    span = model.get_buffer("span").numpy()
    worst = max(
        float(np.max(np.abs(there - here.numpy()) / span, initial=0.0))
        for here, there in zip(expected, found, strict=True)
    )
    if not worst <= TOLERANCE:  # a NaN too
        raise ModelError(
            f"{path.name}: differs from torch by {worst:.2g} of full scale, more than "
            f"{TOLERANCE:g}; try other releases of onnx and onnxruntime"
        )
    return worst


def _metadata(exits: Exits, facts: dict[str, Any]) -> dict[str, str]:
    said = {
        **facts,
        "preset": exits.preset.name,
        "N": exits.N,
        "dropout": "off: this graph is deterministic, and unfit for the Uncertainty Rule",
    }
    return {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for name, value in sorted(said.items())
    }


def _strip(proto: onnx.ModelProto) -> None:
    """Take out what the exporter notes for debugging: stack traces, hence paths, and shapes."""
    graph = proto.graph
    for holder in (proto, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        holder.ClearField("doc_string")
        holder.ClearField("metadata_props")
    graph.ClearField("value_info")


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep the exporter's own housekeeping from the user; real warnings still come through."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)  # "torchvision is not installed. Skipping ..."
    try:
        with warnings.catch_warnings():
            # torch 2.13 copies its own deprecated tree specification while it exports.
            warnings.filterwarnings("ignore", r".*treespec, LeafSpec", FutureWarning)
            yield
    finally:
        registration.setLevel(level)
