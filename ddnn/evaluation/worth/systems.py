"""Everything that was measured at every price, side by side: what each system costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.worth.cost_bars import whole_cost
from ddnn.evaluation.worth.measured import Measured
from ddnn.evaluation.worth.pooled import Costs

REFERENCE = "boosting_best"
"""What the others are held against: of the alternatives the cheapest."""


@dataclass(frozen=True)
class System:
    """A system's costs at each price."""

    name: str
    """For a reader."""
    ours: bool
    """Whether it is the anchored exits', and no alternative."""
    costs: Mapping[float, Costs]

    def mean(self, measured: Measured, c_u: float) -> float | None:
        """Give the mean cost per slot over all windows and seeds; None where one is missing."""
        pool = measured.pool(self.costs[c_u])
        return None if pool is None else pool.mean(self.costs[c_u])[0]


@dataclass(frozen=True)
class Compared:
    """A system's cost over the reference's at each price, with paired intervals."""

    system: System
    ratios: Mapping[float, Interval]


def systems(measured: Measured) -> list[System]:
    """Give the alternatives by name, the anchored exits, the paper's, and the whole system."""
    prices = measured.worth.c_u

    def of(name: str, kind: str, system: str, ours: bool = False) -> System:
        costs = {c_u: measured.costs(kind, system, c_u) for c_u in prices}
        return System(name, ours, costs)

    results = (found.result for found in measured.of("alternatives"))
    names = sorted({array.partition("@")[0] for result in results for array in result.arrays})
    whole = {
        c_u: measured.each("anchored", c_u, partial(whole_cost, measured, c_u)) for c_u in prices
    }
    return [
        *(of(name, "alternatives", name) for name in names),
        of("anchored, local exit", "anchored", "local", ours=True),
        of("anchored, remote exit", "anchored", "remote", ours=True),
        of("the paper's local exit", "exits", "paper_local"),
        of("the paper's remote exit", "exits", "paper_remote"),
        of("deepcog", "exits", "deepcog"),
        System("whole system", ours=True, costs=whole),
    ]


def against_reference(measured: Measured) -> list[Compared]:
    """Hold each system that was measured at every price against the reference; empty without it."""
    found = systems(measured)
    reference = next((each for each in found if each.name == REFERENCE), None)
    compared = []
    for system in found:
        ratios = {}
        for c_u, costs in system.costs.items():
            other = None if reference is None else reference.costs[c_u]
            pool = None if other is None else measured.pool(costs, other)
            if pool is not None and other is not None:
                ratios[c_u] = pool.interval(*pool.ratio(costs, other))
        if len(ratios) == len(system.costs):
            compared.append(Compared(system, ratios))
    return compared
