"""Allocations of an exported model for a user's demand, slot by slot, in the user's units."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ddnn.demand import Demand, history
from ddnn.errors import ModelError
from ddnn.nets import Exits
from ddnn.offload import decide
from ddnn.offload.optimized import OptimizedRule
from ddnn.offload.rules import Rule
from ddnn.offload.samples import EdgeSamples
from ddnn.runtime.bundle import Bundle, Decider

_BATCH = 64


@dataclass(frozen=True, eq=False)
class Allocation:
    """What a model allocates, for every slot from the first with a full window."""

    times: NDArray[np.int64]
    """(K,) start of each slot, epoch seconds (UTC); the last one follows the demand's last slot."""
    local: NDArray[np.bool_]
    """(K,): taken at the edge."""
    amounts: NDArray[np.float64]
    """(K, M) in the demand's unit, never negative."""
    series: tuple[str, ...]
    """M names."""


def fit_demand(bundle: Bundle, demand: Demand) -> Demand:
    """Bring demand into the order of the series that a model was trained on.

    Raises:
        ModelError: Other series, another slot length, or no full window.
    """
    _check_series(bundle, demand)
    if demand.slot_seconds != bundle.facts.slot_seconds:
        raise ModelError(
            f"{demand.name}: slots of {demand.slot_seconds} s, but model {bundle.model} was "
            f"trained on slots of {bundle.facts.slot_seconds} s; bring demand in such slots, or "
            "train a model on yours"
        )
    if demand.slots < bundle.facts.N:
        raise ModelError(
            f"{demand.name}: {demand.slots} slots, but a decision of model {bundle.model} needs "
            f"the N = {bundle.facts.N} slots before it; bring at least {bundle.facts.N} slots"
        )
    place = {name: index for index, name in enumerate(demand.series)}
    order = [place[name] for name in bundle.facts.series]
    return replace(demand, values=demand.values[:, order], series=bundle.facts.series)


def allocate(bundle: Bundle, demand: Demand, decider: Decider) -> Allocation:
    """Decide and allocate for each slot with a full window, up to the one after the demand's end.

    F1 runs for the slots that stay local and F2 for the others only (a gate that reads y_L needs
    F1 for all). An earlier row never changes when the demand grows at its end, to the last bit.

    Args:
        bundle: The model.
        demand: As :func:`fit_demand` gives it; it may leave the range that the model has seen.
        decider: Rule and threshold.

    Raises:
        ModelError: The demand is so far outside the model's range that the result is no number.
    """
    targets = range(bundle.facts.N, demand.slots + 1)
    keys = _slot_keys(bundle, demand, targets)
    # Demand beyond all bounds overflows in float32; what comes of it is caught below.
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = bundle.scaling.scale(demand.values)
        local, y = _run(bundle.exits, scaled, targets, keys, decider)
        units = bundle.scaling.unscale(y.astype(np.float64))
    if not np.isfinite(units).all():
        row, column = np.argwhere(~np.isfinite(units))[0]
        raise ModelError(
            f"{demand.name}: no allocation for series {demand.series[column]} in slot "
            f"{targets[int(row)]}: the demand before it is too far outside what model "
            f"{bundle.model} was trained on; train on this demand"
        )
    times = demand.start + demand.slot_seconds * np.arange(targets.start, targets.stop)
    return Allocation(times.astype(np.int64), local, np.maximum(units, 0.0), demand.series)


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


def _run(
    exits: Exits,
    scaled: NDArray[np.float64],
    targets: range,
    keys: NDArray[np.int64],
    decider: Decider,
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
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
            scores = decider.rule.score(_observed(exits, decider.rule, slots, D, z))
            local[rows] = decide(scores, decider.threshold)[: len(rows)]
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


def _slot_keys(bundle: Bundle, demand: Demand, targets: range) -> NDArray[np.int64]:
    """Number the slots from the start of the demand that the model was evaluated on.

    The random rules draw by this number: so a slot's draw is that of the evaluation, whichever
    part of the demand a file holds. Slots before that start count down from a large number.
    """
    first = (demand.start - bundle.facts.start) // bundle.facts.slot_seconds
    return (first + np.arange(targets.start, targets.stop, dtype=np.int64)) % 2**62


def _check_series(bundle: Bundle, demand: Demand) -> None:
    trained = bundle.facts.series
    known, given = set(trained), set(demand.series)
    missing = [name for name in trained if name not in given]
    extra = [name for name in demand.series if name not in known]
    if not missing and not extra:
        return
    what = f"there is no series {missing[0]!r}" if missing else f"{extra[0]!r} is one too many"
    raise ModelError(
        f"{demand.name}: {what}: model {bundle.model} allocates for the {len(trained)} series "
        f"that it was trained on ({_some(trained)}) and no others; bring these, or train a model "
        "on yours"
    )


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{names[0]}, {names[1]}, ..., {names[-1]}"
