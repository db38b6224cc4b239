"""From a view of the past to channels over the grid: relative, in usual spreads, bounded."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ddnn.context import Reach
from ddnn.grid import Grid
from ddnn.nets.anchored.statistics import SeriesStatistics
from ddnn.nets.volume import cell_sources, to_volume


class Seen(NamedTuple):
    """A :class:`~ddnn.context.View` as tensors, in its order."""

    recent: Tensor
    recent_known: Tensor
    ago: Tensor
    ago_known: Tensor
    calendar: Tensor

    @property
    def last(self) -> Tensor:
        """(batch, M): the newest demand, the anchor."""
        return self.recent[:, -1]


class Features(nn.Module):
    """Channels of each cell; a cell without a VNF is 0 in all of them.

    A difference over k slots is divided by what a random walk with the series' steps would do, but
    at most by what two independent values differ by: so no channel is large, however far back.

    Attributes:
        channels: How many.
    """

    def __init__(self, reach: Reach, grid: Grid, statistics: SeriesStatistics, bound: float):
        super().__init__()
        self._reach, self._grid, self._bound = reach, grid, bound
        step, level = (torch.from_numpy(s)[None] for s in (statistics.step, statistics.level))
        back = torch.arange(reach.recent - 1, 0, -1)[:, None]
        beside = (torch.arange(reach.width)[:, None] - (reach.around - 1)).abs()
        beside = torch.cat([beside[: reach.around - 1], beside[reach.around :]])
        far = level * 2**0.5
        self._keep("mean", torch.from_numpy(statistics.mean))
        self._keep("level", level[0])
        self._keep("far", far[0])
        self._keep("back", torch.minimum(step * back.sqrt(), far))
        self._keep("beside", torch.minimum(step * beside.sqrt(), far))
        self._keep("kind", torch.stack([(step / level)[0].log(), level[0].log() + 2]))
        self.register_buffer("source", cell_sources(grid), persistent=False)
        lags = len(reach.lags)
        self.channels = (reach.recent - 1) + 1 + 2 + lags * (reach.width + 1) + 4 + 1

    def forward(self, seen: Seen) -> Tensor:
        """Give (batch, channels, rows, columns)."""
        cells = torch.cat([*self._recent(seen), *self._ago(seen)], dim=1)
        cells = cells.clamp(-self._bound, self._bound)
        cells = torch.cat([cells, self._same_for_all(seen)], dim=1)
        return to_volume(cells, self.get_buffer("source"), self._grid)[:, 0]

    def _keep(self, name: str, values: Tensor) -> None:
        self.register_buffer(name, values.to(torch.float32).contiguous())

    def _recent(self, seen: Seen) -> list[Tensor]:
        last = seen.last[:, None]
        changes = (seen.recent[:, :-1] - last) / self.get_buffer("back")
        level = (last - self.get_buffer("mean")) / self.get_buffer("level")
        kind = self.get_buffer("kind").expand(len(last), -1, -1)
        return [changes * seen.recent_known[:, :-1, None], level, kind]

    def _ago(self, seen: Seen) -> list[Tensor]:
        """Give how demand went on then, after the slot that lies where the last one does now."""
        before = self._reach.around - 1
        parts = []
        for lag in range(len(self._reach.lags)):
            then, known = seen.ago[:, lag], seen.ago_known[:, lag, :, None]
            anchor, both = then[:, before : before + 1], known * known[:, before : before + 1]
            went = (_without(then, before) - anchor) / self.get_buffer("beside")
            apart = (anchor - seen.last[:, None]) / self.get_buffer("far")
            parts += [went * _without(both, before), apart * known[:, before : before + 1]]
        return parts

    def _same_for_all(self, seen: Seen) -> Tensor:
        flags = seen.ago_known[:, :, self._reach.around]
        one = torch.ones_like(seen.calendar[:, :1])
        shared = torch.cat([flags, seen.calendar, one], dim=1)
        return shared[:, :, None].expand(-1, -1, self._grid.vnfs)


def _without(values: Tensor, index: int) -> Tensor:
    return torch.cat([values[:, :index], values[:, index + 1 :]], dim=1)


def occupied(grid: Grid) -> Tensor:
    """(rows, columns): 1 where a VNF lies, else 0."""
    return torch.from_numpy(grid.mask.astype(np.float32))
