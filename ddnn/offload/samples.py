"""What a rule may look at, and what only the judge knows afterwards."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ddnn.errors import ModelError
from ddnn.nets.exits import Exits

Floats = NDArray[np.float32]
Costs = NDArray[np.float64]
Slots = NDArray[np.int64]

_BATCH = 256


@dataclass(frozen=True)
class EdgeSamples:
    """What the edge knows when it decides: the past demand and what its own layers make of it.

    Rules score these, so that no rule can see the demand to come or the remote exit.
    """

    slots: Slots
    """``(K,)`` index of the slot that each decision is for, counted from the demand's first."""
    demand: Floats
    """``(K, N, M)`` scaled past demand D; ``[:, -1]`` is the newest slot."""
    local: Floats
    """``(K, M)`` allocation y_L of the local exit, scaled."""
    latent: Floats | None
    """``(K, ...)`` latent variable z; null where it was not asked for."""

    def __len__(self) -> int:
        return len(self.slots)


@dataclass(frozen=True)
class Samples(EdgeSamples):
    """Decisions with their outcome, for labelling, for the Oracle, and for evaluation."""

    target: Floats
    """``(K, M)`` scaled demand d of the slot."""
    remote: Floats
    """``(K, M)`` allocation y_R of the remote exit, scaled."""
    local_cost: Costs
    """``(K,)`` hard cost of the local exit, summed over VNFs."""
    remote_cost: Costs
    """``(K,)`` hard cost of the remote exit."""

    @property
    def benefit(self) -> Costs:
        """``(K,)`` what the cloud saves: local cost minus remote cost, line 1 of Algorithm 1."""
        return self.local_cost - self.remote_cost


def observe(
    exits: Exits, demand: Floats, slots: Slots | range, keep_latent: bool = True
) -> EdgeSamples:
    """Run the edge's layers on past demand, without dropout.

    Args:
        exits: The trained network.
        demand: ``(K, N, M)`` scaled.
        slots: ``(K,)``.
        keep_latent: Keep z (N x 49 x 32 numbers a sample on 49 VNFs) for the gates that read it.

    Raises:
        ModelError: The numbers of windows and slots differ, or the network has no local exit.
    """
    _check(demand, slots)
    latents: list[torch.Tensor] = []
    locals_: list[torch.Tensor] = []
    for latent in _latents(exits, demand):
        with torch.no_grad():
            locals_.append(exits.local(latent))
        if keep_latent:
            latents.append(latent)
    return EdgeSamples(
        slots=np.asarray(slots, dtype=np.int64),
        demand=demand,
        local=_joined(locals_),
        latent=_joined(latents) if keep_latent else None,
    )


def gather(
    exits: Exits,
    demand: Floats,
    target: Floats,
    slots: Slots | range,
    cost: Callable[[Costs, Costs], Costs],
    keep_latent: bool = True,
) -> Samples:
    """Run both exits on past demand, without dropout, and price what they allocate.

    Args:
        exits: The trained network.
        demand: ``(K, N, M)`` scaled.
        target: ``(K, M)`` scaled demand of the slots.
        slots: ``(K,)``.
        cost: Hard cost of ``(y, d)``, both ``(K, M)``, to ``(K,)``: an ``AllocationCost``.
        keep_latent: Keep z for the gates that read it.

    Raises:
        ModelError: The numbers of windows, targets and slots differ, or there is no local exit.
    """
    _check(demand, slots, target)
    latents: list[torch.Tensor] = []
    locals_: list[torch.Tensor] = []
    remotes: list[torch.Tensor] = []
    for latent in _latents(exits, demand):
        with torch.no_grad():
            locals_.append(exits.local(latent))
            remotes.append(exits.remote(latent))
        if keep_latent:
            latents.append(latent)
    local, remote = _joined(locals_), _joined(remotes)
    wanted = target.astype(np.float64)
    return Samples(
        slots=np.asarray(slots, dtype=np.int64),
        demand=demand,
        local=local,
        latent=_joined(latents) if keep_latent else None,
        target=target,
        remote=remote,
        local_cost=cost(local.astype(np.float64), wanted),
        remote_cost=cost(remote.astype(np.float64), wanted),
    )


def _latents(exits: Exits, demand: Floats) -> Iterator[torch.Tensor]:
    exits.eval()
    # A copy: windows may be read-only views, at which torch warns.
    for start in range(0, len(demand), _BATCH):
        batch = torch.from_numpy(np.array(demand[start : start + _BATCH], dtype=np.float32))
        with torch.no_grad():
            latent = exits.latent(batch)
        yield latent


def _joined(parts: list[torch.Tensor]) -> Floats:
    joined: Floats = torch.cat(parts).contiguous().numpy()
    return joined


def _check(demand: Floats, slots: Slots | range, target: Floats | None = None) -> None:
    counts = {len(demand), len(slots)} | ({len(target)} if target is not None else set())
    if len(counts) != 1 or counts == {0}:
        raise ModelError(
            f"need one slot and one target for each of one or more windows, but have "
            f"{len(demand)} windows, {len(slots)} slots"
            + (f", {len(target)} targets" if target is not None else "")
        )
