"""The network with two exits that each predict a distribution: F0, F1 at the edge, F2 beyond."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ddnn.context import Clock, Reaches
from ddnn.errors import ModelError
from ddnn.grid import Grid
from ddnn.nets.anchored.features import Features, Seen, occupied
from ddnn.nets.anchored.presets import AnchoredPreset
from ddnn.nets.anchored.statistics import SeriesStatistics


class Distribution(NamedTuple):
    """Student's t of each VNF's demand, scaled units."""

    location: Tensor
    """(batch, M)."""
    log_spread: Tensor
    """(batch, M): of the scale parameter, not of the standard deviation."""
    dof: Tensor
    """(): degrees of freedom."""


class AnchoredExits(nn.Module):
    """F0, F1 and F2 of eqs. (4) to (6), with a distribution where the paper has an allocation.

    A location is the last value plus a bounded residual, a spread the series' own times a bounded
    factor. All layers are convolutions whose weights the cells share; M decides nothing but how
    many cells there are. Inside, cells without a VNF are 0 after each layer.

    Attributes:
        preset: The layers and bounds.
        grid: Where each VNF sits.
        clock: Of the slots that it was built for.
        reaches: How far back each side looks: what to build a context with.
    """

    def __init__(
        self,
        preset: AnchoredPreset,
        grid: Grid,
        N: int,
        clock: Clock,
        statistics: SeriesStatistics,
    ) -> None:
        super().__init__()
        self.preset, self.grid, self.N, self.clock = preset, grid, N, clock
        self.reaches: Reaches = preset.reaches(N, clock)
        bound = preset.input_bound
        self.edge_features = Features(self.reaches.edge, grid, statistics, bound)
        self.F0 = _cells(self.edge_features.channels, preset.latent, 3, grid)
        self.F1 = Head(preset.latent[-1], preset.local, preset, grid, statistics)
        self.cloud_features = Features(self.reaches.cloud, grid, statistics, bound)
        self.memory = _Cells(self.cloud_features.channels, preset.memory, 1, grid)
        channels = preset.latent[-1] + preset.memory
        self.F2 = _cells(channels, preset.remote, 3, grid)
        self.F2_head = Head(preset.remote[-1], preset.remote_dense, preset, grid, statistics)

    @property
    def vnfs(self) -> int:
        """M."""
        return self.grid.vnfs

    def latent(self, edge: Seen) -> Tensor:
        """Eq. (4): z of shape (batch, channels, rows, columns) from the edge's view.

        Raises:
            ModelError: The view is not one of this network's reach and VNFs.
        """
        self._check(edge, self.reaches.edge.recent)
        z: Tensor = self.F0(self.edge_features(edge))
        return z

    def local(self, z: Tensor, last: Tensor) -> Distribution:
        """Eq. (5), as a distribution; ``last`` (batch, M) is the newest demand, scaled."""
        predicted: Distribution = self.F1(z, last)
        return predicted

    def remote(self, z: Tensor, cloud: Seen) -> Distribution:
        """Eq. (6), as a distribution, from z and the cloud's own view.

        Raises:
            ModelError: The view is not one of this network's reach and VNFs.
        """
        self._check(cloud, self.reaches.cloud.recent)
        memory = self.memory(self.cloud_features(cloud))
        predicted: Distribution = self.F2_head(self.F2(torch.cat([z, memory], 1)), cloud.last)
        return predicted

    def forward(self, edge: Seen, cloud: Seen) -> tuple[Distribution, Distribution]:
        """Predict at both exits."""
        z = self.latent(edge)
        return self.local(z, edge.last), self.remote(z, cloud)

    def _check(self, seen: Seen, recent: int) -> None:
        if tuple(seen.recent.shape[1:]) != (recent, self.vnfs):
            raise ModelError(
                f"this model takes the newest slots as (batch, {recent}, {self.vnfs}), not "
                f"{tuple(seen.recent.shape)}; build the context with its own reaches"
            )


def build_anchored(
    preset: AnchoredPreset,
    grid: Grid,
    N: int,
    clock: Clock,
    statistics: SeriesStatistics,
    seed: int,
) -> AnchoredExits:
    """Build the network with seeded weights; the global random state stays as it was.

    Untrained, both exits predict the last value with the series' usual spread.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AnchoredExits(preset, grid, N, clock, statistics)


class _Cells(nn.Module):
    """A convolution over the grid, a ReLU, and 0 where no VNF lies."""

    def __init__(self, inputs: int, outputs: int, kernel: int, grid: Grid) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        self.register_buffer("occupied", occupied(grid), persistent=False)

    def forward(self, cells: Tensor) -> Tensor:
        """(batch, inputs, rows, columns) to (batch, outputs, rows, columns)."""
        return torch.relu(self.convolution(cells)) * self.get_buffer("occupied")


class Head(nn.Module):
    """1 x 1 layers to a residual and a log-spread for each cell, read out in VNF order."""

    def __init__(
        self,
        inputs: int,
        hidden: tuple[int, ...],
        preset: AnchoredPreset,
        grid: Grid,
        statistics: SeriesStatistics,
    ) -> None:
        super().__init__()
        self._residual_bound, self._spread_bound = preset.residual_bound, preset.spread_bound
        self.hidden = _cells(inputs, hidden, 1, grid)
        self.last = nn.Conv2d(hidden[-1] if hidden else inputs, 2, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.constant_(self.last.get_parameter("bias"), 0.0)
        tail = torch.tensor(3.0 if preset.dof is None else preset.dof - 1).expm1().log()
        if preset.dof is None:
            self.tail = nn.Parameter(tail)
        else:
            self.register_buffer("tail", tail)
        self.register_buffer("step", torch.from_numpy(statistics.step.astype(np.float32)))
        self.register_buffer("cells", torch.tensor(grid.cells.tolist()), persistent=False)

    def forward(self, cells: Tensor, last: Tensor) -> Distribution:
        """Predict from (batch, inputs, rows, columns) and the anchor (batch, M)."""
        outputs = self.last(self.hidden(cells)).float().flatten(2)
        raw = outputs.index_select(2, self.get_buffer("cells"))
        residual = _bounded(raw[:, 0], self._residual_bound)
        log_factor = _bounded(raw[:, 1], self._spread_bound)
        step = self.get_buffer("step")
        return Distribution(
            last + step * residual, step.log() + log_factor, 1 + functional.softplus(self.tail)
        )


def _cells(inputs: int, outputs: tuple[int, ...], kernel: int, grid: Grid) -> nn.Sequential:
    sizes = (inputs, *outputs)
    return nn.Sequential(*(_Cells(*pair, kernel, grid) for pair in pairwise(sizes)))


def _bounded(x: Tensor, bound: float) -> Tensor:
    """Approach +-bound smoothly, with slope 1 at 0: a gradient finds its way back."""
    return bound * torch.tanh(x / bound)
