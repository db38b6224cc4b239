"""Allocations of an exported model for a user's demand, slot by slot, in the user's units."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ddnn.demand import Demand
from ddnn.errors import ModelError
from ddnn.runtime.bundle import Decider, Model


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


def fit_demand(bundle: Model, demand: Demand) -> Demand:
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


def allocate(bundle: Model, demand: Demand, decider: Decider) -> Allocation:
    """Decide and allocate for each slot with a full window, up to the one after the demand's end.

    An earlier row never changes when the demand grows at its end, to the last bit.

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
        local, y = bundle.decide(scaled, demand.start, keys, decider)
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


def _slot_keys(bundle: Model, demand: Demand, targets: range) -> NDArray[np.int64]:
    """Number the slots from the start of the demand that the model was evaluated on.

    The random rules draw by this number: so a slot's draw is that of the evaluation, whichever
    part of the demand a file holds. Slots before that start count down from a large number.
    """
    first = (demand.start - bundle.facts.start) // bundle.facts.slot_seconds
    return (first + np.arange(targets.start, targets.stop, dtype=np.int64)) % 2**62


def _check_series(bundle: Model, demand: Demand) -> None:
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
