"""Stage ``worth.alternatives``: every alternative of the roster, at every price, on one window.

Leaves the costs ``<alternative>@c_u=<c_u>`` (K,).
"""

from ddnn.alternatives import Past
from ddnn.alternatives.roster import NAMES, Roster
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
    roster = Roster(Past.of(prepared.demand, prepared.split, prepared.scaling, prepared.N))
    d = demand_on(prepared, targets)
    arrays = {}
    for c_u, cost in costs_at(params.worth.c_u, params.setting).items():
        for name in NAMES:
            y = roster.fit(name, cost).allocate(prepared.values_scaled, targets)
            arrays[cost_name(name, c_u)] = cost_of_served(cost, y, d, prepared)
    write(stage, arrays, window_facts(prepared))
