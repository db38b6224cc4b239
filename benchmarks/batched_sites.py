"""The exits of many sites as one network: grouped convolutions and batched matrix products.

What torch.func.vmap makes of the same layers, spelled out, for the preset ``paper`` on full grids
of one shape. Adam works number by number, so training the batch is training each site.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ddnn.nets import Exits
from ddnn.nets.layers import Dropout

_CONVOLUTIONS = ("F0.0", "F2.0")
_LOCAL = ("F1.1", "F1.4")
_REMOTE = ("F2.3", "F2.5", "F2.7")


class BatchedExits(nn.Module):
    """S networks of one shape; demand (S, batch, N, M) in each one's order of VNFs."""

    def __init__(self, members: Sequence[Exits]) -> None:
        super().__init__()
        first = members[0]
        self.sites = len(members)
        self.shape = (first.N, first.grid.rows, first.grid.columns)
        sources = torch.stack([member.get_buffer("_source") for member in members])
        self.register_buffer("sources", sources)
        self.dropout = Dropout(first.dropout)
        states = [member.state_dict() for member in members]
        self.weights = nn.ParameterDict()
        for name in (*_CONVOLUTIONS, *_LOCAL, *_REMOTE):
            for kind in ("weight", "bias"):
                stacked = torch.stack([state[f"{name}.{kind}"] for state in states])
                if name in _CONVOLUTIONS:  # the sites are groups of channels
                    stacked = stacked.flatten(0, 1)
                elif kind == "weight":
                    stacked = stacked.transpose(1, 2)
                else:
                    stacked = stacked[:, None]
                self.weights[f"{name}.{kind}".replace(".", "_")] = nn.Parameter(
                    stacked.contiguous()
                )

    def forward(self, D: Tensor) -> tuple[Tensor, Tensor]:
        """Give y_L and y_R, each (S, batch, M)."""
        sites, batch = D.shape[:2]
        cells = D.gather(3, self.sources[:, None, None].expand(-1, *D.shape[1:3], -1))
        volume = cells.transpose(0, 1).reshape(batch, sites, *self.shape)
        z = self.dropout(functional.relu(self._convolve(volume, "F0.0")))
        local = self._dense(self._flat(z), "F1.1")
        y_L = self._dense(self.dropout(functional.relu(local)), "F1.4")
        remote = self._flat(functional.relu(self._convolve(z, "F2.0")))
        for name in _REMOTE[:-1]:
            remote = functional.relu(self._dense(remote, name))
        return y_L, self._dense(remote, _REMOTE[-1])

    def _convolve(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._of(name)
        return functional.conv3d(x, weight, bias, padding=weight.shape[-1] // 2, groups=self.sites)

    def _dense(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._of(name)
        return torch.baddbmm(bias, x, weight)

    def _flat(self, x: Tensor) -> Tensor:
        """(batch, S * channels, ...) to (S, batch, channels * ...)."""
        return x.reshape(len(x), self.sites, -1).transpose(0, 1)

    def _of(self, name: str) -> tuple[Tensor, Tensor]:
        key = name.replace(".", "_")
        return self.weights[f"{key}_weight"], self.weights[f"{key}_bias"]
