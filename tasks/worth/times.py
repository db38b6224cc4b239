"""Stage ``worth.times``: one decision of the served edge half against boosting, same process.

Both decide for all VNFs on the same test slots, turn by turn, one thread: from the demand up to the
slot to an allocation. Leaves the seconds of each slot (S,): ``edge``, ``edge_gated`` with the
model's own gate before it, ``boosting_best``, and ``boosting_trees``, its trees alone, without the
features.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.alternatives import Past
from ddnn.alternatives.boosting import BoostingPredictor
from ddnn.alternatives.decided import Decided
from ddnn.alternatives.roster import Roster
from ddnn.cost import sla_cost
from ddnn.demand import Demand
from ddnn.runtime.anchored_served import AnchoredEdge
from ddnn.runtime.history import History
from tasks.prepared import prepare
from tasks.stage import Stage
from tasks.worth.judged import window_facts, write

_SLOTS = 200
_WARM_UP = 20
_BLOCK = 20
"""Slots that one decides in a row before it is the next one's turn."""


def run(stage: Stage) -> None:
    """Write result.npz."""
    prepared, params = prepare(stage), stage.params
    cost = sla_cost(params.worth.c_u[0], params.setting.c_o)
    past = Past.of(prepared.demand, prepared.split, prepared.scaling, prepared.N)
    boosting = Roster(past).fit("boosting_best", cost)
    assert isinstance(boosting, Decided)
    assert isinstance(boosting.predictor, BoostingPredictor)
    values, trees = prepared.values_scaled, boosting.predictor

    def by_boosting(slot: int) -> Callable[[], object]:
        return partial(boosting.allocate, values[:slot], range(slot, slot + 1))

    def by_trees(slot: int) -> Callable[[], object]:
        rows = trees.features.table(values[:slot], range(slot, slot + 1))[0]
        return lambda: (trees.location.predict(rows), trees.spread.predict(rows))

    slots = prepared.split.test[: _SLOTS + _WARM_UP]
    deciders = {"boosting_best": by_boosting, "boosting_trees": by_trees}
    for name, rule in (("edge", "edge"), ("edge_gated", None)):
        half = AnchoredEdge(stage.inputs["export"], rule)
        deciders[name] = edge_decider(half, prepared.demand, slots.start)
    write(stage, race(deciders, slots), window_facts(prepared))


def edge_decider(
    edge: AnchoredEdge, demand: Demand, first: int
) -> Callable[[int], Callable[[], object]]:
    """Give what makes the edge's decision for a target, from ``first`` on one after the other."""
    facts = edge.facts
    history = History(edge.wanted, demand.slot_seconds, demand.start, demand.vnfs)

    def take(slot: int) -> None:
        start, values = int(demand.times[slot]), demand.values[slot]
        history.take(start, values, facts.gap_policy, facts.longest_gap)

    for slot in range(max(0, first - 1 - edge.wanted), first - 1):
        take(slot)

    def decide(target: int) -> None:
        take(target - 1)
        seen = edge.see(history.rows, int(demand.times[target]))
        edge.keeps(seen.score)
        edge.here(seen)

    return lambda target: partial(decide, target)


def race(
    deciders: dict[str, Callable[[int], Callable[[], object]]], slots: range
) -> dict[str, NDArray[Any]]:
    """Time all on the same slots, in turns of some slots; the first slots warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in deciders}
    for begin in range(slots.start, slots.stop, _BLOCK):
        for name, decider in deciders.items():
            for slot in range(begin, min(begin + _BLOCK, slots.stop)):
                call = decider(slot)
                started = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - started)
    return {name: np.array(each[_WARM_UP:]) for name, each in seconds.items()}
