"""ONNX graphs of exits that predict a distribution: the features fused with the layers they feed.

A view of the past comes as two inputs. ``slots`` (batch, S, M): the R newest slots and then those
around each lag, scaled, 0 where unknown. ``weights`` (batch, channels, 1): what each feature
counts, the product of two facts: which slots are known, the target's calendar, and a 1 (see
:func:`weighing`). A feature is one row of a matrix (a difference of two slots), divided by the
series' units, cut, and weighed. All of it is done on the grid.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ddnn.context import Reach, View
from ddnn.errors import ModelError
from ddnn.grid import Grid
from ddnn.nets.anchored import AnchoredExits
from ddnn.nets.anchored.exits import Head
from ddnn.nets.anchored.features import Features
from ddnn.runtime.onnx_graph import Graph

Floats = NDArray[np.floating[Any]]


def write_edge(exits: AnchoredExits, path: Path) -> None:
    """Write F0 and F1: a view to ``latent`` (batch, channels, rows, columns) and ``local``.

    ``local`` (batch, 2, M) is the location less the newest demand, then the log-spread.
    """
    graph = Graph()
    cells = _features(graph, exits.edge_features, exits.reaches.edge, exits)
    latent = _layers(graph, cells, exits.F0, exits.grid)
    graph.give(latent, "latent", (exits.preset.latent[-1], exits.grid.rows, exits.grid.columns))
    graph.give(_head(graph, latent, exits.F1, exits), "local", (2, exits.vnfs))
    graph.write(path)


def write_memory(exits: AnchoredExits, path: Path) -> None:
    """Write what F2 makes of the long view, cell by cell: ``memory``."""
    graph = Graph()
    cells = _features(graph, exits.cloud_features, exits.reaches.cloud, exits)
    memory = _layers(graph, cells, [exits.memory], exits.grid)
    graph.give(memory, "memory", (exits.preset.memory, exits.grid.rows, exits.grid.columns))
    graph.write(path)


def write_remote(exits: AnchoredExits, path: Path) -> None:
    """Write the rest of F2: ``latent``, z and then the memory, to ``remote``, as ``local`` is."""
    graph = Graph()
    latent = graph.take("latent", travels_shape(exits))
    cells = _layers(graph, latent, exits.F2, exits.grid)
    graph.give(_head(graph, cells, exits.F2_head, exits), "remote", (2, exits.vnfs))
    graph.write(path)


def write_whole(exits: AnchoredExits, path: Path) -> None:
    """Write both exits in one graph, for other software.

    Inputs are those of the edge's view, and ``far_slots`` and ``far_weights`` of the cloud's;
    outputs ``local`` and ``remote``.
    """
    graph = Graph()
    near = _features(graph, exits.edge_features, exits.reaches.edge, exits)
    z = _layers(graph, near, exits.F0, exits.grid)
    graph.give(_head(graph, z, exits.F1, exits), "local", (2, exits.vnfs))
    far = _features(graph, exits.cloud_features, exits.reaches.cloud, exits, "far_")
    memory = _layers(graph, far, [exits.memory], exits.grid)
    cells = _layers(graph, graph.add("Concat", z, memory, axis=1), exits.F2, exits.grid)
    graph.give(_head(graph, cells, exits.F2_head, exits), "remote", (2, exits.vnfs))
    graph.write(path)


def travels_shape(exits: AnchoredExits) -> tuple[int, int, int]:
    """Shape of what one offloaded decision sends: z and the memory, channel by channel."""
    channels = exits.preset.latent[-1] + exits.preset.memory
    return channels, exits.grid.rows, exits.grid.columns


def weighing(features: Features, reach: Reach) -> list[list[int]]:
    """Give the two facts, by index, whose product each channel counts: (2, channels).

    Facts are S times known or not, the calendar of the target (4), and a 1.
    """
    channels = _channels(features, reach)
    return [[channel.a for channel in channels], [channel.b for channel in channels]]


def graph_inputs(view: View, features: Features, reach: Reach) -> dict[str, NDArray[np.float32]]:
    """Lay out a view of K decisions as a graph reads it."""
    K, _, vnfs = view.recent.shape
    slots = np.concatenate([view.recent, view.ago.reshape(K, -1, vnfs)], axis=1)
    known = (view.recent_known, view.ago_known.reshape(K, -1))
    facts = np.concatenate([*known, view.calendar, np.ones((K, 1), np.float32)], axis=1)
    a, b = weighing(features, reach)
    return {"slots": slots, "weights": (facts[:, a] * facts[:, b])[..., None]}


class _Channel(NamedTuple):
    """A feature: (plus - minus - base) * per, times the facts a and b."""

    per: Floats
    """(M,)"""
    base: Floats
    """(M,)"""
    plus: int | None
    minus: int | None
    a: int
    b: int


def _channels(features: Features, reach: Reach) -> list[_Channel]:
    """List the channels in the order in which :class:`Features` gives them."""
    back, beside, far, mean, level, kind = (
        features.get_buffer(name).numpy()
        for name in ("back", "beside", "far", "mean", "level", "kind")
    )
    ago = reach.recent  # the first slot that is not recent
    last, always = ago - 1, ago + len(reach.lags) * reach.width + 4
    none, one = np.zeros_like(mean), np.ones_like(mean)
    found = [_Channel(1 / back[i], none, i, last, i, always) for i in range(last)]
    found.append(_Channel(1 / level, mean, last, None, always, always))
    found += [_Channel(one, -each, None, None, always, always) for each in kind]
    for lag in range(len(reach.lags)):
        first = ago + lag * reach.width
        anchor = first + reach.around - 1
        then = [slot for slot in range(first, first + reach.width) if slot != anchor]
        found += [
            _Channel(1 / units, none, slot, anchor, slot, anchor)
            for slot, units in zip(then, beside, strict=True)
        ]
        found.append(_Channel(1 / far, none, anchor, last, anchor, always))
    flags = [ago + lag * reach.width + reach.around for lag in range(len(reach.lags))]
    shared = [*flags, *range(always - 4, always + 1)]
    return found + [_Channel(one, -one, None, None, fact, always) for fact in shared]


def _features(
    graph: Graph, features: Features, reach: Reach, exits: AnchoredExits, named: str = ""
) -> str:
    """Give cells (batch, channels, rows, columns); a cell without a VNF is 0 in all of them."""
    grid, bound = exits.grid, np.float32(exits.preset.input_bound)
    if bound < 1:
        raise ModelError(f"no ONNX graph for inputs cut at {bound}, which cuts a calendar too")
    channels = _channels(features, reach)
    S = reach.recent + len(reach.lags) * reach.width
    slots = graph.take(f"{named}slots", (S, exits.vnfs))
    weights = graph.take(f"{named}weights", (len(channels), 1))
    differences = np.zeros((len(channels), S), dtype=np.float32)
    for row, channel in enumerate(channels):
        if channel.plus is not None:
            differences[row, channel.plus] += 1
        if channel.minus is not None:
            differences[row, channel.minus] -= 1
    # An empty cell reads any VNF, and then counts for nothing.
    placed = graph.add("Gather", slots, graph.constant(np.maximum(_vnf_of_cell(grid), 0)), axis=2)
    cells = graph.add("MatMul", graph.constant(differences), placed)
    bases, pers = (
        _on_grid(np.stack([getattr(channel, name) for channel in channels]), grid)
        for name in ("base", "per")
    )
    cells = graph.add("Sub", cells, graph.constant(bases))
    cells = graph.add("Mul", cells, graph.constant(pers))
    cells = graph.add("Clip", cells, graph.constant(-bound), graph.constant(bound))
    shape = graph.constant(np.array([-1, len(channels), grid.rows, grid.columns]))
    return graph.add("Reshape", graph.add("Mul", cells, weights), shape)


def _layers(graph: Graph, cells: str, layers: Iterable[nn.Module], grid: Grid) -> str:
    """Run convolutions, each with a ReLU, and 0 where no VNF lies."""
    for layer in layers:
        convolution = layer.get_submodule("convolution")
        assert isinstance(convolution, nn.Conv2d)
        weight, bias = _weights(convolution)
        pad = convolution.kernel_size[0] // 2
        cells = graph.add("Conv", cells, *map(graph.constant, (weight, bias)), pads=[pad] * 4)
        cells = graph.add("Relu", cells)
        if not grid.mask.all():
            cells = graph.add("Mul", cells, graph.constant(grid.mask.astype(np.float32)))
    return cells


def _head(graph: Graph, cells: str, head: Head, exits: AnchoredExits) -> str:
    """Give (batch, 2, M): the residual in full scales, and the log-spread."""
    grid, preset = exits.grid, exits.preset
    channels = graph.constant(np.array([0, -1, grid.rows * grid.columns]))
    value = graph.add("Reshape", cells, channels)
    value = graph.add("Gather", value, graph.constant(np.asarray(grid.cells)), axis=2)
    for layer in head.hidden:
        convolution = layer.get_submodule("convolution")
        assert isinstance(convolution, nn.Conv2d)
        value = graph.add("Relu", _pointwise(graph, value, convolution))
    bounds = np.array([[preset.residual_bound], [preset.spread_bound]], dtype=np.float32)
    value = graph.add("Tanh", _pointwise(graph, value, head.last, 1 / bounds[:, 0]))
    step = head.get_buffer("step").numpy()
    value = graph.add("Mul", value, graph.constant(bounds * np.stack([step, np.ones_like(step)])))
    return graph.add("Add", value, graph.constant(np.stack([np.zeros_like(step), np.log(step)])))


def _pointwise(graph: Graph, value: str, layer: nn.Conv2d, factor: Floats | None = None) -> str:
    """Run a 1 x 1 convolution on (batch, channels, M), its outputs times a factor (outputs,)."""
    weight, bias = _weights(layer)
    if factor is not None:
        weight, bias = weight * factor[:, None, None, None], bias * factor
    return graph.add("Conv", value, graph.constant(weight[:, :, 0]), graph.constant(bias))


def _weights(layer: nn.Conv2d) -> tuple[Floats, Floats]:
    assert layer.bias is not None
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


def _vnf_of_cell(grid: Grid) -> NDArray[np.int64]:
    """Index of the VNF in each cell; -1 where there is none."""
    found = np.full(grid.rows * grid.columns, -1, dtype=np.int64)
    found[np.asarray(grid.cells)] = np.arange(grid.vnfs)
    return found


def _on_grid(values: Floats, grid: Grid) -> Floats:
    """Bring values (channels, M) to cells (channels, cells), 0 where no VNF lies."""
    placed = np.zeros((len(values), grid.rows * grid.columns), dtype=np.float32)
    placed[:, np.asarray(grid.cells)] = values
    return placed
