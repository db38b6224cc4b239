"""Runs exits that allocate over the slots of a demand, so that a row depends on its past alone."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ddnn.demand import history
from ddnn.nets import Exits
from ddnn.offload import decide
from ddnn.offload.optimized import OptimizedRule
from ddnn.offload.rules import Rule
from ddnn.offload.samples import EdgeSamples

_BATCH = 64


class _Exit:
    """Runs one exit on the rows it is given, in batches of one size.

    A matrix product may round a row differently in a batch of another size; so the rows wait
    until a batch is full, and only the last one is filled up.
    """

    def __init__(self, layers: Callable[[Tensor], Tensor], out: NDArray[np.float32]) -> None:
        self._layers = layers
        self._out = out
        self._rows: list[int] = []
        self._latent: list[Tensor] = []

    def take(self, rows: NDArray[np.int64], latent: Tensor) -> None:
        """Take rows of the output, with their z (len(rows), ...)."""
        for row, z in zip(rows.tolist(), latent, strict=True):
            self._rows.append(row)
            self._latent.append(z)
            if len(self._rows) == _BATCH:
                self.finish()

    def finish(self) -> None:
        """Run what still waits."""
        if not self._rows:
            return
        filled = self._latent + self._latent[-1:] * (_BATCH - len(self._latent))
        y = self._layers(torch.stack(filled))
        self._out[self._rows] = y[: len(self._rows)].numpy()
        self._rows.clear()
        self._latent.clear()


def run_exits(
    exits: Exits,
    scaled: NDArray[np.float64],
    targets: range,
    keys: NDArray[np.int64],
    rule: Rule,
    threshold: float,
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Decide and allocate for each target, in blocks of one size.

    F1 runs for the slots that stay local and F2 for the others only (a gate that reads y_L needs
    F1 for all).

    Args:
        exits: In evaluation mode.
        scaled: (T, M).
        targets: K consecutive slots, from N on; the last may be T, the slot after.
        keys: (K,) their numbers, for the rules that draw.
        rule: Of offloading.
        threshold: A decision is local when its score is at most this.

    Returns:
        Which are local (K,), and the allocations (K, M), scaled.
    """
    local = np.zeros(len(targets), dtype=np.bool_)
    y = np.empty((len(targets), exits.vnfs), dtype=np.float32)
    at_edge, in_cloud = _Exit(exits.local, y), _Exit(exits.remote, y)
    with torch.inference_mode():
        for start in range(0, len(targets), _BATCH):
            rows = np.arange(start, min(start + _BATCH, len(targets)))
            chosen = targets[start : start + _BATCH]
            fill = ((0, _BATCH - len(rows)), (0, 0), (0, 0))
            D = np.pad(history(scaled, chosen, exits.N), fill, mode="edge")
            z = exits.latent(torch.from_numpy(D))
            slots = np.pad(keys[rows], fill[0], mode="edge")
            scores = rule.score(_observed(exits, rule, slots, D, z))
            local[rows] = decide(scores, threshold)[: len(rows)]
            for layers, mine in ((at_edge, local[rows]), (in_cloud, ~local[rows])):
                layers.take(rows[mine], z[: len(rows)][torch.from_numpy(mine)])
        at_edge.finish()
        in_cloud.finish()
    return local, y


def _observed(
    exits: Exits, rule: Rule, slots: NDArray[np.int64], D: NDArray[np.float32], z: Tensor
) -> EdgeSamples:
    """Give the rule what it reads, and compute y_L only for the one gate that reads it."""
    reads_local = isinstance(rule, OptimizedRule) and rule.gate.plan.feature == "local"
    y_L = exits.local(z) if reads_local else z.new_empty((len(z), 0))
    return EdgeSamples(slots=slots, demand=D, local=y_L.numpy(), latent=z.numpy())
