"""The network that is cut between edge and cloud: F0, the local exit F1, the remote exit F2."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ddnn.errors import ModelError
from ddnn.grid import Grid
from ddnn.nets.layers import Convolution, Dropout
from ddnn.nets.presets import Conv, Preset
from ddnn.nets.volume import cell_sources, to_volume


class Exits(nn.Module):
    """F0, F1 and F2 of eqs. (4) to (6).

    Demand comes in VNF order and scaled; placing it on the grid, as a volume with the N slots as
    depth (newest last) and empty cells at 0, happens inside. Allocations are in scaled units too.

    Attributes:
        preset: The layers.
        grid: Where each VNF sits.
        N: Slots of a window.
        dropout: Rate of every dropout layer.
        remote_only: The preset has no local exit.
    """

    def __init__(self, preset: Preset, grid: Grid, N: int, dropout: float) -> None:
        super().__init__()
        self.preset = preset
        self.grid = grid
        self.N = N
        self.dropout = dropout if preset.dropout is None else preset.dropout
        self.remote_only = preset.local is None
        volume = N * grid.rows * grid.columns
        vnfs = grid.vnfs
        channels = preset.latent[-1].filters
        self.F0 = _convolutions(1, preset.latent)
        if preset.edge_dropout:
            self.F0.append(Dropout(self.dropout))
        if preset.local is not None:
            rate = self.dropout if preset.edge_dropout else None
            self.F1 = _dense(channels * volume, preset.local, vnfs, rate)
        remote = _convolutions(channels, preset.remote, self._remote_rate)
        remote.extend(_dense(preset.remote[-1].filters * volume, preset.remote_dense, vnfs, None))
        self.F2 = remote
        self.register_buffer("_source", cell_sources(grid), persistent=False)

    @property
    def vnfs(self) -> int:
        """M."""
        return self.grid.vnfs

    @property
    def mask_shapes(self) -> list[tuple[int, ...]]:
        """Shape for one sample of each dropout place at the edge, in order: z, then F1's layers."""
        if self.preset.local is None or not self.preset.edge_dropout:
            return []
        latent = (self.preset.latent[-1].filters, self.N, self.grid.rows, self.grid.columns)
        return [latent, *((size,) for size in self.preset.local)]

    def volume(self, D: Tensor) -> Tensor:
        """Place demand (batch, N, M) on the grid: (batch, 1, N, rows, columns)."""
        self._check_window(D)
        return to_volume(D, self.get_buffer("_source"), self.grid)

    def latent(self, D: Tensor) -> Tensor:
        """Eq. (4): z of shape (batch, filters, N, rows, columns) from demand (batch, N, M)."""
        z: Tensor = self.F0(self.volume(D))
        return z

    def local(self, z: Tensor) -> Tensor:
        """Eq. (5): the local allocation (batch, M).

        Raises:
            ModelError: The preset has no local exit.
        """
        self._refuse_without_local()
        y: Tensor = self.F1(z)
        return y

    def remote(self, z: Tensor) -> Tensor:
        """Eq. (6): the remote allocation (batch, M)."""
        y: Tensor = self.F2(z)
        return y

    def forward(self, D: Tensor) -> tuple[Tensor, Tensor]:
        """Give y_L and y_R, each (batch, M), of demand (batch, N, M).

        Raises:
            ModelError: The preset has no local exit, or the windows have another shape.
        """
        z = self.latent(D)
        return self.local(z), self.remote(z)

    def edge_masked(self, D: Tensor, masks: Sequence[Tensor]) -> Tensor:
        """Compute the local allocation with given dropout masks, whatever the mode of the modules.

        Args:
            D: Demand (batch, N, M).
            masks: One for each of :attr:`mask_shapes`, (batch, ...); 1 keeps a value and 0
                drops it. The scaling by 1 / (1 - dropout) is done here.

        Returns:
            y_L of shape (batch, M).

        Raises:
            ModelError: The preset has no local exit, or the masks have other shapes.
        """
        self._refuse_without_local()
        expected = [(len(D), *shape) for shape in self.mask_shapes]
        if [tuple(mask.shape) for mask in masks] != expected:
            raise ModelError(f"dropout masks must have the shapes {expected}")
        left = iter(masks)
        values = self.volume(D)
        for layer in (*self.F0, *self.F1):
            if isinstance(layer, Dropout):
                values = values * next(left) / (1 - self.dropout)
            else:
                values = layer(values)
        return values

    @property
    def _remote_rate(self) -> float | None:
        return self.dropout if self.preset.remote_dropout else None

    def _check_window(self, D: Tensor) -> None:
        if D.ndim != 3 or tuple(D.shape[1:]) != (self.N, self.vnfs):
            raise ModelError(
                f"this model takes windows (batch, {self.N}, {self.vnfs}), not {tuple(D.shape)}"
            )

    def _refuse_without_local(self) -> None:
        if self.remote_only:
            raise ModelError(f"preset {self.preset.name} has no local exit")


def build_exits(preset: Preset, grid: Grid, N: int, dropout: float, seed: int) -> Exits:
    """Build the network with seeded weights; the global random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Exits(preset, grid, N, dropout)


def _convolutions(
    channels: int, convs: tuple[Conv, ...], dropout: float | None = None
) -> nn.Sequential:
    layers = nn.Sequential()
    for conv in convs:
        layers.extend(_same(channels, conv))
        layers.append(nn.ReLU())
        if dropout is not None:
            layers.append(Dropout(dropout))
        channels = conv.filters
    return layers


def _same(channels: int, conv: Conv) -> list[nn.Module]:
    # Of a single channel torch's own gradient is the quicker one.
    kind = nn.Conv3d if channels == 1 else Convolution
    if conv.kernel % 2:
        return [kind(channels, conv.filters, conv.kernel, padding=conv.kernel // 2)]
    # An even kernel pads one more behind than before, as Keras does. torch's padding="same" would
    # do likewise, with a warning each time.
    before, behind = (conv.kernel - 1) // 2, conv.kernel // 2
    return [
        nn.ConstantPad3d((before, behind) * 3, 0.0),
        kind(channels, conv.filters, conv.kernel),
    ]


def _dense(inputs: int, hidden: tuple[int, ...], outputs: int, rate: float | None) -> nn.Sequential:
    layers = nn.Sequential(nn.Flatten())
    for size in hidden:
        layers.append(nn.Linear(inputs, size))
        layers.append(nn.ReLU())
        if rate is not None:
            layers.append(Dropout(rate))
        inputs = size
    layers.append(nn.Linear(inputs, outputs))
    return layers
