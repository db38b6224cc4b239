"""ONNX graphs of exits that predict a distribution: the features fused with the layers they feed.

A view of the past comes as one input ``view`` (batch, planes, rows, columns), on the grid: the R
newest slots and then those around each lag, scaled, less the mean of the series; then what tells
series apart; then planes of one number each: a flag for each lag, the target's calendar, a 1.
Where a slot is unknown another one stands for it, so that their difference is 0 (view_inputs.py). A
feature is one row of a matrix (a plane, or the difference of two), in the series' units, and cut.
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
from ddnn.runtime.view_inputs import Layout

Floats = NDArray[np.floating[Any]]


def write_edge(exits: AnchoredExits, path: Path) -> None:
    """Write F0 and F1: a view to ``latent`` (batch, channels, rows, columns) and ``local``.

    ``local`` (batch, 2, rows, columns) is the location less the newest demand, then the log-spread.
    """
    graph = Graph()
    cells = _features(graph, exits.edge_features, exits.reaches.edge, exits)
    latent = _layers(graph, cells, exits.F0, exits.grid)
    graph.give(latent, "latent", (exits.preset.latent[-1], exits.grid.rows, exits.grid.columns))
    graph.give(_head(graph, latent, exits.F1, exits), "local", _told(exits))
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
    graph.give(_head(graph, cells, exits.F2_head, exits), "remote", _told(exits))
    graph.write(path)


def write_whole(exits: AnchoredExits, path: Path) -> None:
    """Write both exits in one graph, for other software.

    Inputs are the edge's ``view``, and ``far_view``, the cloud's; outputs ``local`` and ``remote``.
    """
    graph = Graph()
    near = _features(graph, exits.edge_features, exits.reaches.edge, exits)
    z = _layers(graph, near, exits.F0, exits.grid)
    graph.give(_head(graph, z, exits.F1, exits), "local", _told(exits))
    far = _features(graph, exits.cloud_features, exits.reaches.cloud, exits, "far_view")
    memory = _layers(graph, far, [exits.memory], exits.grid)
    cells = _layers(graph, graph.add("Concat", z, memory, axis=1), exits.F2, exits.grid)
    graph.give(_head(graph, cells, exits.F2_head, exits), "remote", _told(exits))
    graph.write(path)


def travels_shape(exits: AnchoredExits) -> tuple[int, int, int]:
    """Shape of what one offloaded decision sends: z and the memory, channel by channel."""
    channels = exits.preset.latent[-1] + exits.preset.memory
    return channels, exits.grid.rows, exits.grid.columns


def _told(exits: AnchoredExits) -> tuple[int, int, int]:
    return 2, exits.grid.rows, exits.grid.columns


def layout(exits: AnchoredExits, features: Features, reach: Reach) -> Layout:
    """Say how the graphs of these exits read a view."""
    mean, kind = (features.get_buffer(name).numpy() for name in ("mean", "kind"))
    grid = exits.grid
    cells = np.asarray(grid.cells)
    return Layout(reach, grid.rows, grid.columns, cells, mean.astype(np.float64), kind)


def graph_inputs(view: View, how: Layout) -> NDArray[np.float32]:
    """Lay out a view of K decisions as a graph reads it: (K, planes, rows, columns)."""
    K, _, vnfs = view.recent.shape
    slots = np.concatenate([view.recent, view.ago.reshape(K, -1, vnfs)], axis=1) - how.mean
    known = np.concatenate([view.recent_known, view.ago_known.reshape(K, -1)], axis=1) > 0
    found = np.repeat(how.empty(), K, axis=0)
    planes = found.reshape(K, how.planes, -1)
    planes[:, : how.slots, how.cells] = slots
    planes[:, -5:-1] = view.calendar[..., None]
    for row in range(K):
        how.mark(planes[row], known[row])
    return found


class _Channel(NamedTuple):
    """A feature: (plus - minus) * per, of two planes."""

    per: Floats
    """(M,)"""
    plus: int
    minus: int | None = None


def _channels(features: Features, how: Layout) -> list[_Channel]:
    """List the channels in the order in which :class:`Features` gives them."""
    back, beside, far, level = (
        features.get_buffer(name).numpy() for name in ("back", "beside", "far", "level")
    )
    reach, one = how.reach, np.ones_like(level)
    last, behind = reach.recent - 1, how.slots + len(how.kind)
    found = [_Channel(1 / back[i], i, last) for i in range(last)]
    found.append(_Channel(1 / level, last))
    found += [_Channel(one, plane) for plane in range(how.slots, behind)]
    for lag in range(len(reach.lags)):
        first = reach.recent + lag * reach.width
        anchor = first + reach.around - 1
        then = [slot for slot in range(first, first + reach.width) if slot != anchor]
        pairs = zip(then, beside, strict=True)
        found += [_Channel(1 / units, slot, anchor) for slot, units in pairs]
        found.append(_Channel(1 / far, anchor, last))
    return found + [_Channel(one, plane) for plane in range(behind, how.planes)]


def _features(
    graph: Graph, features: Features, reach: Reach, exits: AnchoredExits, named: str = "view"
) -> str:
    """Give cells (batch, channels, rows, columns); a cell without a VNF is 0 in all of them."""
    grid, bound = exits.grid, np.float32(exits.preset.input_bound)
    if bound < 1:
        raise ModelError(f"no ONNX graph for inputs cut at {bound}, which cuts a calendar too")
    how = layout(exits, features, reach)
    channels = _channels(features, how)
    view = graph.take(named, (how.planes, grid.rows, grid.columns))
    matrix = np.zeros((len(channels), how.planes, 1, 1), dtype=np.float32)
    for row, channel in enumerate(channels):
        matrix[row, channel.plus] += 1
        if channel.minus is not None:
            matrix[row, channel.minus] -= 1
    per = grid.to_volume(np.stack([channel.per for channel in channels])).astype(np.float32)
    cells = graph.add("Conv", view, graph.constant(matrix))
    cells = graph.add("Mul", cells, graph.constant(per))
    return graph.add("Clip", cells, graph.constant(-bound), graph.constant(bound))


def _layers(graph: Graph, cells: str, layers: Iterable[nn.Module], grid: Grid) -> str:
    """Run convolutions, each with a ReLU, and 0 where no VNF lies."""
    for layer in layers:
        convolution = layer.get_submodule("convolution")
        assert isinstance(convolution, nn.Conv2d)
        pad = convolution.kernel_size[0] // 2
        cells = graph.add("Conv", cells, *_constants(graph, convolution), pads=[pad] * 4)
        cells = graph.add("Relu", cells)
        if not grid.mask.all():
            cells = graph.add("Mul", cells, graph.constant(grid.mask.astype(np.float32)))
    return cells


def _head(graph: Graph, cells: str, head: Head, exits: AnchoredExits) -> str:
    """Give (batch, 2, rows, columns): the residual in full scales, and the log-spread."""
    grid, preset = exits.grid, exits.preset
    for layer in head.hidden:
        convolution = layer.get_submodule("convolution")
        assert isinstance(convolution, nn.Conv2d)
        cells = graph.add("Relu", graph.add("Conv", cells, *_constants(graph, convolution)))
    bounds = np.array([preset.residual_bound, preset.spread_bound], dtype=np.float32)
    cells = graph.add("Tanh", graph.add("Conv", cells, *_constants(graph, head.last, 1 / bounds)))
    step = head.get_buffer("step").numpy()
    times = grid.to_volume(bounds[:, None] * np.stack([step, np.ones_like(step)]))
    plus = grid.to_volume(np.stack([np.zeros_like(step), np.log(step)]))
    cells = graph.add("Mul", cells, graph.constant(times.astype(np.float32)))
    return graph.add("Add", cells, graph.constant(plus.astype(np.float32)))


def _constants(graph: Graph, layer: nn.Conv2d, factor: Floats | None = None) -> tuple[str, str]:
    """Store weight and bias, times a factor (outputs,)."""
    weight, bias = _weights(layer)
    if factor is not None:
        weight, bias = weight * factor[:, None, None, None], bias * factor
    return graph.constant(weight), graph.constant(bias)


def _weights(layer: nn.Conv2d) -> tuple[Floats, Floats]:
    assert layer.bias is not None
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()
