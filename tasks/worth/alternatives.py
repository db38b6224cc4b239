"""Stage ``worth.alternatives``: every alternative of the roster, at every price, on one window.

Leaves the costs ``<alternative>@c_u=<c_u>`` (K,); of what is drawn by a seed, their mean over the
seeds, as the exits are judged over seeds.
"""

import numpy as np
from numpy.typing import NDArray

from ddnn.alternatives import Past
from ddnn.alternatives.roster import NAMES, SEEDED, Roster
from tasks.prepared import prepare
from tasks.stage import Stage
from tasks.worth.judged import (
    cost_name,
    cost_of_served,
    costs_at,
    demand_on,
    window_facts,
    write,
)


def run(stage: Stage) -> None:
    """Write result.npz."""
    prepared, params = prepare(stage), stage.params
    targets = prepared.split.test
    past = Past.of(prepared.demand, prepared.split, prepared.scaling, prepared.N)
    d = demand_on(prepared, targets)
    costs: dict[str, list[NDArray[np.float64]]] = {}
    for index, seed in enumerate(params.worth.boosting_seeds):
        roster = Roster(past, seed=seed)
        for c_u, cost in costs_at(params.worth.c_u, params.setting).items():
            for name in SEEDED if index else NAMES:
                y = roster.fit(name, cost).allocate(prepared.values_scaled, targets)
                found = costs.setdefault(cost_name(name, c_u), [])
                found.append(cost_of_served(cost, y, d, prepared))
    arrays = {name: np.mean(each, axis=0) for name, each in costs.items()}
    write(stage, arrays, window_facts(prepared))
