"""All alternatives by name: fitted on one past, whatever the cost, and read back."""

from collections.abc import Callable, Mapping
from typing import Any

from ddnn.alternatives.autoscaler import Autoscaler
from ddnn.alternatives.boosting import BoostingPredictor
from ddnn.alternatives.decided import ConstantMultiple, Decided
from ddnn.alternatives.past import Alternative, Past
from ddnn.alternatives.predictor import Predictor
from ddnn.alternatives.ridge import RidgePredictor
from ddnn.alternatives.seasonal import SlotHeadroom
from ddnn.cost import AllocationCost
from ddnn.decision import Predicted
from ddnn.errors import ArtefactError


class Roster:
    """Fits alternatives on one past; predictors know no cost, so each is fitted once for all."""

    def __init__(self, past: Past, *, threads: int = 1, seed: int = 0) -> None:
        """Start without anything fitted.

        Args:
            past: Demand, days and clock.
            threads: Of boosting; the same number gives the same trees.
            seed: Of boosting.
        """
        self.past = past
        self.threads = threads
        self.seed = seed
        self._predictors: dict[str, tuple[Predictor, Predicted]] = {}

    def fit(self, name: str, cost: AllocationCost) -> Alternative:
        """Fit one of :data:`NAMES` for a cost.

        Raises:
            ValueError: There is no such alternative, or the past is too short for it.
        """
        if name not in _FACTORIES:
            raise ValueError(f"no alternative {name!r}; there are {', '.join(NAMES)}")
        return _FACTORIES[name](self, cost)

    def predictor(self, name: str) -> tuple[Predictor, Predicted]:
        """Give one of ``ridge``, ``boosting_plain``, ``boosting``, ``boosting_best``, fitted.

        Returns:
            The predictor, and what was predicted for all days, each left out, (K, M).
        """
        if name not in self._predictors:
            self._predictors[name] = _PREDICTORS[name](self)
        return self._predictors[name]

    def boosting(self, *, week: bool, bag: bool = False) -> tuple[Predictor, Predicted]:
        """Fit boosted trees with this roster's threads and seed."""
        return BoostingPredictor.fit(
            self.past, week=week, bag=bag, threads=self.threads, seed=self.seed
        )


def to_json(alternative: Alternative) -> dict[str, Any]:
    """Give plain values for a JSON file, from which :func:`from_json` rebuilds any of them.

    Raises:
        ParamsError: Its cost has a penalty without a name.
    """
    kind = next(name for name, kind in _KINDS.items() if isinstance(alternative, kind))
    return {"kind": kind} | alternative.to_json()


def from_json(values: Mapping[str, Any]) -> Alternative:
    """Rebuild what :func:`to_json` gave; nothing that is read is run.

    Raises:
        ArtefactError: The values are not those of an alternative.
    """
    kind = str(values.get("kind"))
    if kind not in _KINDS:
        raise ArtefactError(f"no kind of alternative: {kind}; fit it again")
    return _KINDS[kind].from_json(values)


def _slot(lag: Callable[[Past], int]) -> Callable[[Roster, AllocationCost], Alternative]:
    return lambda roster, cost: SlotHeadroom.fit(roster.past, cost, lag(roster.past))


def _learned(
    how: type[ConstantMultiple] | type[Decided], predictor: str
) -> Callable[[Roster, AllocationCost], Alternative]:
    def fit(roster: Roster, cost: AllocationCost) -> Alternative:
        found, predicted = roster.predictor(predictor)
        return how.fit(found, predicted, roster.past.demand(roster.past.days), cost)

    return fit


_PREDICTORS: dict[str, Callable[[Roster], tuple[Predictor, Predicted]]] = {
    "ridge": lambda roster: RidgePredictor.fit(roster.past),
    "boosting_plain": lambda roster: roster.boosting(week=False),
    "boosting": lambda roster: roster.boosting(week=True),
    "boosting_best": lambda roster: roster.boosting(week=True, bag=True),
}

_FACTORIES: dict[str, Callable[[Roster, AllocationCost], Alternative]] = {
    "last_value_headroom": _slot(lambda past: 1),
    "same_slot_day": _slot(lambda past: past.clock.slots_in(1)),
    "same_slot_week": _slot(lambda past: past.clock.slots_in(7)),
    "autoscaler": lambda roster, cost: Autoscaler.fit(roster.past, cost),
    "ridge_constant": _learned(ConstantMultiple, "ridge"),
    "ridge_decision": _learned(Decided, "ridge"),
    "boosting_plain": _learned(ConstantMultiple, "boosting_plain"),
    "boosting_decision": _learned(Decided, "boosting"),
    "boosting_best": _learned(Decided, "boosting_best"),
}

SEEDED = ("boosting_plain", "boosting_decision", "boosting_best")
"""Those that a roster's seed changes."""

NAMES = tuple(_FACTORIES)
"""Of all alternatives, from the simplest on."""

_KINDS: dict[str, type[Alternative]] = {
    "slot_headroom": SlotHeadroom,
    "autoscaler": Autoscaler,
    "constant_multiple": ConstantMultiple,
    "decided": Decided,
}
