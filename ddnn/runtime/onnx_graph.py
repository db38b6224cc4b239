"""ONNX graphs of the parts that edge and cloud run, written layer by layer from torch modules.

Not through torch's exporter: dropout masks become inputs here, the same layers can read their
weights as int8, and a graph takes milliseconds instead of seconds to write.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from ddnn.errors import ModelError
from ddnn.nets import Exits
from ddnn.nets.volume import cell_sources
from ddnn.offload.optimized import BOUND, Gate

Precision = Literal["fp32", "int8"]

_OPSET = 17
_IR = 8  # what onnxruntime has read since 2021


class Graph:
    """A graph in the making; equal modules give equal bytes."""

    def __init__(self, precision: Precision = "fp32") -> None:
        """Begin an empty graph.

        Args:
            precision: ``int8`` reads the weights of wide dense layers as int8, with one scale for
                each output, and quantises their input on the way.
        """
        self._precision = precision
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def take(self, name: str, shape: Sequence[int]) -> str:
        """Declare an input (batch, *shape) in float32."""
        self._inputs.append(_declare(name, shape))
        return name

    def give(self, value: str, name: str, shape: Sequence[int]) -> None:
        """Declare a value as the output ``name`` (batch, *shape)."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(_declare(name, shape))

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output, and give that output's name."""
        return self._node(op, inputs, 1, attributes)[0]

    def constant(self, value: ArrayLike) -> str:
        """Store an array."""
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def volume(self, demand: str, exits: Exits) -> str:
        """Lay demand (batch, N, M) on the grid, as ``ddnn.nets.volume`` does."""
        sources = cell_sources(exits.grid).numpy()
        padded = self.add("Pad", demand, self.constant(np.array([0, 0, 0, 0, 0, 1])))
        cells = self.add("Gather", padded, self.constant(sources), axis=2)
        shape = np.array([-1, 1, exits.N, exits.grid.rows, exits.grid.columns])
        return self.add("Reshape", cells, self.constant(shape))

    def layers(
        self,
        value: str,
        modules: Iterable[nn.Module],
        masks: list[str] | None = None,
        dropout: float = 0.0,
    ) -> str:
        """Run modules one after the other, without dropout or with given masks.

        Args:
            value: Input of the first.
            modules: Convolutions with padding, dense layers, ReLU, dropout.
            masks: Names of the keep masks of the places of dropout, taken from the front.
            dropout: Their rate.

        Raises:
            ModelError: A module of another kind.
        """
        pads = [0] * 6
        for module in modules:
            if isinstance(module, nn.ConstantPad3d):
                pads = _onnx_pads(module)
            elif isinstance(module, nn.Conv3d):
                value = self._convolution(value, module, pads)
                pads = [0] * 6
            elif isinstance(module, nn.ReLU):
                value = self.add("Relu", value)
            elif isinstance(module, nn.Flatten):
                value = self.add("Flatten", value, axis=1)
            elif isinstance(module, nn.Linear):
                value = self._dense(value, module)
            elif isinstance(module, nn.Dropout):
                if masks:
                    kept = self.add("Mul", value, masks.pop(0))
                    value = self.add("Div", kept, self.constant(np.float32(1 - dropout)))
            else:
                raise ModelError(f"no ONNX graph for a layer {type(module).__name__}")
        return value

    def write(self, path: Path) -> None:
        """Check the graph and write it."""
        graph = helper.make_graph(self._nodes, "ddnn", self._inputs, self._outputs, self._weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR
        )
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString(deterministic=True))

    def _node(
        self, op: str, inputs: Sequence[str], outputs: int, attributes: dict[str, Any]
    ) -> list[str]:
        names = [f"v{len(self._nodes)}_{index}" for index in range(outputs)]
        self._nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names

    def _convolution(self, value: str, module: nn.Conv3d, pads: list[int]) -> str:
        own = [int(size) for size in module.padding]
        sides = [pad + own[index % 3] for index, pad in enumerate(pads)]
        return self.add("Conv", value, self._of(module.weight), self._of(module.bias), pads=sides)

    def _dense(self, value: str, module: nn.Linear) -> str:
        if self._precision == "int8" and module.in_features > _WIDE:
            return self._dense_int8(value, module)
        return self.add("Gemm", value, self._of(module.weight), self._of(module.bias), transB=1)

    def _dense_int8(self, value: str, module: nn.Linear) -> str:
        weight = module.weight.detach().numpy()
        scale = np.maximum(np.abs(weight).max(axis=1), np.float32(1e-30)) / np.float32(127)
        levels = np.round(weight / scale[:, None]).astype(np.int8)
        quantised, input_scale, zero = self._node("DynamicQuantizeLinear", [value], 3, {})
        product = self.add("MatMulInteger", quantised, self.constant(levels.T), zero)
        exact = self.add("Cast", product, to=TensorProto.FLOAT)
        factor = self.add("Mul", input_scale, self.constant(scale.astype(np.float32)))
        return self.add("Add", self.add("Mul", exact, factor), self._of(module.bias))

    def _of(self, tensor: Tensor | None) -> str:
        assert tensor is not None
        return self.constant(tensor.detach().float().numpy())


# Dense layers with more inputs are bound by reading their weights: there int8 pays.
_WIDE = 1024


def write_latent(exits: Exits, path: Path) -> None:
    """Write F0: ``demand`` (batch, N, M), scaled, to ``latent``."""
    graph = Graph()
    demand = graph.take("demand", (exits.N, exits.vnfs))
    graph.give(_latent(graph, demand, exits), "latent", latent_shape(exits))
    graph.write(path)


def write_local(exits: Exits, path: Path, precision: Precision = "fp32") -> None:
    """Write F1: ``latent`` to ``local`` (batch, M)."""
    graph = Graph(precision)
    latent = graph.take("latent", latent_shape(exits))
    graph.give(graph.layers(latent, exits.F1), "local", (exits.vnfs,))
    graph.write(path)


def write_remote(exits: Exits, path: Path) -> None:
    """Write F2: ``latent`` to ``remote`` (batch, M)."""
    graph = Graph()
    latent = graph.take("latent", latent_shape(exits))
    graph.give(graph.layers(latent, exits.F2), "remote", (exits.vnfs,))
    graph.write(path)


def write_masked(exits: Exits, path: Path) -> None:
    """Write F0 and F1 with dropout: ``demand`` and the masks ``mask0``, ... to ``local``."""
    graph = Graph()
    demand = graph.take("demand", (exits.N, exits.vnfs))
    masks = [graph.take(f"mask{i}", shape) for i, shape in enumerate(exits.mask_shapes)]
    volume = graph.volume(demand, exits)
    value = graph.layers(volume, (*exits.F0, *exits.F1), masks, exits.dropout)
    graph.give(value, "local", (exits.vnfs,))
    graph.write(path)


def write_gate(gate: Gate, exits: Exits, path: Path, precision: Precision = "fp32") -> None:
    """Write a gate: its log-odds ``odds`` (batch,).

    A gate on y_L reads ``local``. The others read ``demand`` and give z, too: F0 runs for every
    decision, and in one graph with the gate the two share what they read.
    """
    graph = Graph(precision)
    feature = gate.plan.feature
    if feature == "local":
        value = graph.take("local", (exits.vnfs,))
    else:
        demand = graph.take("demand", (exits.N, exits.vnfs))
        latent = _latent(graph, demand, exits)
        value = latent if feature == "latent" else demand
    value = _standardised(graph, value, gate)
    if feature == "volume":
        value = graph.volume(value, exits)
    odds = graph.layers(value, gate.layers)
    graph.give(graph.add("Squeeze", odds, graph.constant(np.array([1]))), "odds", ())
    if feature != "local":
        graph.give(latent, "latent", latent_shape(exits))
    graph.write(path)


def latent_shape(exits: Exits) -> tuple[int, ...]:
    """Shape of one sample's z."""
    filters = exits.preset.latent[-1].filters
    return (filters, exits.N, exits.grid.rows, exits.grid.columns)


def _latent(graph: Graph, demand: str, exits: Exits) -> str:
    return graph.layers(graph.volume(demand, exits), exits.F0)


def _standardised(graph: Graph, value: str, gate: Gate) -> str:
    center, spread = gate.get_buffer("center").numpy(), gate.get_buffer("spread").numpy()
    if center.any() or (spread != 1).any():
        value = graph.add("Sub", value, graph.constant(center))
        value = graph.add("Div", value, graph.constant(spread))
    bound = np.float32(BOUND)
    return graph.add("Clip", value, graph.constant(-bound), graph.constant(bound))


def _onnx_pads(module: nn.ConstantPad3d) -> list[int]:
    """Torch counts (before, behind) from the last axis on; ONNX all befores, then all behinds."""
    if module.value != 0:
        raise ModelError("no ONNX graph for a padding that is not 0")
    pairs = [module.padding[i : i + 2] for i in (4, 2, 0)]
    return [int(pair[side]) for side in (0, 1) for pair in pairs]


def _declare(name: str, shape: Sequence[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
