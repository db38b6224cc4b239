"""All results of a demand's pieces, as the bars ask for them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddnn.evaluation.worth.pooled import Costs, Key, Pool
from ddnn.evaluation.worth.result import Result
from ddnn.params import BootstrapParams, WorthParams

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """A piece that is finished; see ``tasks.worth.pieces``."""

    kind: str
    window: int
    seed: int | None
    c_u: float | None
    variation: str | None
    result: Result


@dataclass(frozen=True)
class Coverage:
    """How many trainings (window and seed) a number stands on, of how many that were asked for."""

    there: int
    asked: int

    @property
    def complete(self) -> bool:
        """All of them."""
        return self.there == self.asked


@dataclass(frozen=True)
class Measured:
    """What the finished pieces of one demand measured."""

    demand: str
    worth: WorthParams
    bootstrap: BootstrapParams
    found: tuple[Found, ...]

    def of(self, kind: str, variation: str | None = None) -> list[Found]:
        """Give the finished pieces of a kind."""
        return [e for e in self.found if e.kind == kind and e.variation == variation]

    def costs(self, kind: str, system: str, c_u: float, variation: str | None = None) -> Costs:
        """Cost (K,) of a system at a price, by window and seed."""
        return self.each(kind, c_u, lambda result: result.cost(system, c_u), variation)

    def each(
        self,
        kind: str,
        c_u: float,
        what: Callable[[Result], Array],
        variation: str | None = None,
    ) -> dict[Key, Array]:
        """Something (K,) of each finished piece of a kind that is for a price, or for all."""
        return {
            (e.window, e.seed): what(e.result)
            for e in self.of(kind, variation)
            if e.c_u is None or e.c_u == c_u
        }

    def coverage(self, *systems: Costs) -> Coverage:
        """Say how much of what was asked for all of the systems have, window by window."""
        windows, seeds = self.worth.windows, self.worth.seeds
        plain = [costs for costs in systems if not _seeded(costs)]
        complete = all((window, None) in costs for costs in plain for window in windows)
        if len(plain) == len(systems):
            return Coverage(len(windows) if complete else 0, len(windows))
        there = len(self.common_seeds(*systems)) * len(windows)
        return Coverage(there if complete else 0, len(seeds) * len(windows))

    def common_seeds(self, *systems: Costs) -> list[int]:
        """Give the seeds that every system with seeds has in every window."""
        seeded = [costs for costs in systems if _seeded(costs)]
        return [
            seed
            for seed in self.worth.seeds
            if all((window, seed) in costs for costs in seeded for window in self.worth.windows)
        ]

    def pool(self, *systems: Costs) -> Pool | None:
        """Give the draws for systems that are compared; None where one lacks a whole window."""
        if not systems or self.coverage(*systems).there == 0:
            return None
        slots = {}
        for window in self.worth.windows:
            slots[window] = next(
                len(values) for (at, _), values in systems[0].items() if at == window
            )
        return Pool.of(slots, self.slots_per_day, self.bootstrap, self.common_seeds(*systems))

    @property
    def slots_per_day(self) -> float:
        """Slots of a day, which all pieces of a demand share."""
        return float(self.found[0].result.facts["slots_per_day"])


def mixed(result: Result, c_u: float, local: NDArray[np.bool_]) -> Array:
    """Cost (K,) of the exits' decisions, true for local."""
    return np.where(local, result.cost("local", c_u), result.cost("remote", c_u))


def rule_name(rule: str, way: str, c_u: float) -> str:
    """Name a rule with the way its threshold was set, at a price, as the pieces do."""
    return f"{rule}_{way}_c{c_u:g}"


def _seeded(costs: Costs) -> bool:
    return any(seed is not None for _, seed in costs)
