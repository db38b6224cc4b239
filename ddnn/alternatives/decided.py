"""From a predicted distribution to an allocation: a constant multiple of the spread, or a rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.alternatives.boosting import BoostingPredictor
from ddnn.alternatives.past import Floats
from ddnn.alternatives.predictor import Predictor
from ddnn.alternatives.ridge import RidgePredictor
from ddnn.alternatives.search import best_constant
from ddnn.cost import AllocationCost, Penalty, PenaltyForm
from ddnn.decision import DecisionRule, Predicted, ResidualShape
from ddnn.errors import ArtefactError, ParamsError

_PREDICTORS: dict[str, type[RidgePredictor] | type[BoostingPredictor]] = {
    "ridge": RidgePredictor,
    "boosting": BoostingPredictor,
}


@dataclass(frozen=True, eq=False)
class ConstantMultiple:
    """Allocate location + multiple * spread."""

    predictor: Predictor
    multiple: float

    @classmethod
    def fit(
        cls, predictor: Predictor, predicted: Predicted, demand: Floats, cost: AllocationCost
    ) -> Self:
        """Find the multiple of least mean cost, one for all VNFs.

        Args:
            predictor: Fitted on all days.
            predicted: What was predicted for days left out, (K, M).
            demand: What they met, (K, M).
            cost: The hard cost.
        """

        def cost_at(multiple: Floats) -> Floats:
            y = predicted.location + multiple * predicted.spread
            return np.atleast_1d(cost.per_vnf(y, demand).sum())

        met = ((demand - predicted.location) / predicted.spread).reshape(-1, 1)
        return cls(predictor, float(best_constant(met, cost_at)[0]))

    def allocate(self, values: NDArray[np.floating], targets: range) -> Floats:
        """Allocate y (K, M) for the targets; see :class:`ddnn.alternatives.past.Alternative`."""
        predicted = self.predictor.predict(values, targets)
        return np.asarray(predicted.location + self.multiple * predicted.spread)

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        return {"multiple": self.multiple, "predictor": _predictor_to_json(self.predictor)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of a predictor with a multiple.
        """
        try:
            multiple = float(values["multiple"])
            predictor = _predictor_from_json(values["predictor"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not a multiple ({error!r}); fit the alternative again") from error
        if not isfinite(multiple):
            raise ArtefactError("not a multiple (not finite); fit the alternative again")
        return cls(predictor, multiple)


@dataclass(frozen=True, eq=False)
class Decided:
    """Allocate what costs least under the predicted distribution."""

    predictor: Predictor
    shape: ResidualShape
    cost: AllocationCost

    @classmethod
    def fit(
        cls, predictor: Predictor, predicted: Predicted, demand: Floats, cost: AllocationCost
    ) -> Self:
        """Learn the distribution's shape; arguments as those of :meth:`ConstantMultiple.fit`."""
        return cls(predictor, ResidualShape.fit(predicted, demand), cost)

    @cached_property
    def rule(self) -> DecisionRule:
        """The rule of least expected cost."""
        return DecisionRule(self.shape, self.cost)

    def allocate(self, values: NDArray[np.floating], targets: range) -> Floats:
        """Allocate y (K, M) for the targets; see :class:`ddnn.alternatives.past.Alternative`."""
        return self.rule.allocate(self.predictor.predict(values, targets))

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file.

        Raises:
            ParamsError: A penalty is a function without a name.
        """
        return {
            "shape": self.shape.to_json(),
            "under": _penalty_to_json(self.cost.under),
            "over": _penalty_to_json(self.cost.over),
            "predictor": _predictor_to_json(self.predictor),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of a predictor with its decision rule.
        """
        try:
            cost = AllocationCost(*(_penalty_from_json(values[name]) for name in ("under", "over")))
            shape = ResidualShape.from_json(values["shape"])
            found = cls(_predictor_from_json(values["predictor"]), shape, cost)
            found.rule  # noqa: B018 - it checks the weights
        except (KeyError, TypeError, ValueError, ParamsError) as error:
            raise ArtefactError(f"not a decision ({error!r}); fit the alternative again") from error
        return found


def _predictor_to_json(predictor: Predictor) -> dict[str, Any]:
    kind = next(name for name, kind in _PREDICTORS.items() if isinstance(predictor, kind))
    return {"kind": kind} | predictor.to_json()


def _predictor_from_json(values: Mapping[str, Any]) -> Predictor:
    return _PREDICTORS[values["kind"]].from_json(values)


def _penalty_to_json(penalty: Penalty) -> dict[str, Any]:
    if not isinstance(penalty, PenaltyForm):
        raise ParamsError("a penalty without a name cannot be stored; use one of PenaltyForm")
    weight = np.asarray(penalty.weight).tolist()
    return {"form": penalty.form, "weight": weight, "exponent": penalty.exponent}


def _penalty_from_json(values: Mapping[str, Any]) -> PenaltyForm:
    weight, exponent = values["weight"], values["exponent"]
    return PenaltyForm(
        values["form"],
        tuple(float(each) for each in weight) if isinstance(weight, list) else float(weight),
        None if exponent is None else float(exponent),
    )
