"""Stage ``worth.times``: one edge decision of the anchored exits against boosting, same process.

Both decide for all VNFs on the same test slots, one after the other, one thread: from the demand up
to the slot to an allocation. Leaves the seconds of each slot (S,): ``edge``, ``boosting_best``, and
``boosting_trees``, its trees alone, without the features.
"""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ddnn.alternatives import Past
from ddnn.alternatives.boosting import BoostingPredictor
from ddnn.alternatives.decided import Decided
from ddnn.alternatives.roster import Roster
from ddnn.context.view import build_view
from ddnn.cost import sla_cost
from ddnn.decision import Predicted
from ddnn.nets.anchored import Allocator, AnchoredExits, load_anchored, tensors
from tasks.prepared import Prepared, prepare
from tasks.stage import Stage
from tasks.worth.judged import clock_of, window_facts, write

_SLOTS = 200
_WARM_UP = 20


def run(stage: Stage) -> None:
    """Write result.npz."""
    prepared, params = prepare(stage), stage.params
    torch.set_num_threads(1)
    cost = sla_cost(params.worth.c_u[0], params.setting.c_o)
    folder = stage.inputs["worth.anchored"]
    exits = load_anchored(folder)
    allocator = Allocator.from_json(json.loads((folder / "allocator.json").read_text("utf-8")))
    rule, _ = allocator.rules(cost)
    past = Past.of(prepared.demand, prepared.split, prepared.scaling, prepared.N)
    boosting = Roster(past).fit("boosting_best", cost)
    assert isinstance(boosting, Decided)
    assert isinstance(boosting.predictor, BoostingPredictor)
    values = prepared.values_scaled
    trees, features = boosting.predictor, boosting.predictor.features

    def edge(slot: int) -> None:
        rule.allocate(_predict_at_edge(exits, prepared, slot))

    def by_trees(slot: int) -> Callable[[], object]:
        rows = features.table(values[:slot], range(slot, slot + 1))[0]
        return lambda: (trees.location.predict(rows), trees.spread.predict(rows))

    seconds: dict[str, list[float]] = {"edge": [], "boosting_best": [], "boosting_trees": []}
    slots = list(prepared.split.test)[:_SLOTS]
    for turn, slot in enumerate([*slots[:_WARM_UP], *slots]):
        known, target = values[:slot], range(slot, slot + 1)
        taken = {
            "edge": _time(partial(edge, slot)),
            "boosting_best": _time(partial(boosting.allocate, known, target)),
            "boosting_trees": _time(by_trees(slot)),
        }
        if turn >= _WARM_UP:
            for name, each in taken.items():
                seconds[name].append(each)
    arrays: dict[str, NDArray[Any]] = {name: np.array(each) for name, each in seconds.items()}
    write(stage, arrays, window_facts(prepared))


def _predict_at_edge(exits: AnchoredExits, prepared: Prepared, slot: int) -> Predicted:
    clock = clock_of(prepared)
    view = build_view(
        prepared.values_scaled[:slot], range(slot, slot + 1), clock, exits.reaches.edge
    )
    with torch.inference_mode():
        seen = tensors(view)
        found = exits.local(exits.latent(seen), seen.last)
    return Predicted(found.location.numpy(), np.exp(found.log_spread.numpy()))


def _time(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
