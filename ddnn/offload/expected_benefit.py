"""Rank decisions by the benefit that the edge expects of the remote exit (numpy only)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.cost import AllocationCost
from ddnn.decision import DecisionRule, Predicted, ResidualShape
from ddnn.errors import ArtefactError
from ddnn.offload.known import Floats, Known
from ddnn.offload.student import AllocationStudent, DistributionStudent

_STUDENTS: dict[str, type[AllocationStudent] | type[DistributionStudent]] = {
    "allocations": AllocationStudent,
    "distributions": DistributionStudent,
}


@dataclass(frozen=True, eq=False)
class ExpectedBenefit:
    """Score = E[cost(y_L, d) - cost(predicted y_R, d)], summed over the VNFs.

    The expectation is taken over the demand that the edge thinks possible, y_R is what a small
    student of the remote exit predicts from what the edge knows. One fit serves every L0.

    Two kinds of remote exit. One that gives *allocations* (the paper's): the student predicts y_R,
    and the distribution is that of a predictor at the edge. One that gives *distributions*
    (``anchored``): the student predicts what the remote exit would say of the demand; y_R and the
    benefit follow under any cost, so that one fit serves every cost too (:meth:`priced`). There
    the edge's own distribution would call every y_L the best: the expectation is taken under what
    the remote exit may say, the student's errors included.
    """

    student: AllocationStudent | DistributionStudent
    """Of the remote exit."""
    shape: ResidualShape
    """Of what the expectation is taken under: the edge's predictions, or the remote exit's where
    it gives distributions."""
    cost: AllocationCost

    name = "expected_benefit"

    @classmethod
    def fit(
        cls,
        known: Known,
        remote: NDArray[np.floating[Any]] | Predicted,
        shape: ResidualShape,
        cost: AllocationCost,
    ) -> Self:
        """Fit the student; no demand of the slots is looked at.

        So the days that the exits were trained on will do, beside the validation days.

        Args:
            known: K past decisions.
            remote: What the remote exit gave for them: allocations y_R (K, M), scaled, or
                predictions (K, M).
            shape: Fitted on validation days, of the edge's predictions (``known.predicted``)
                where the remote exit gives allocations, else of the remote exit's.
            cost: Under which decisions are to be ranked; :meth:`priced` changes it.

        Raises:
            ValueError: There are no decisions, or the arrays do not fit one another.
        """
        if isinstance(remote, Predicted):
            return cls(DistributionStudent.fit(known, remote), shape, cost)
        return cls(AllocationStudent.fit(known, np.asarray(remote)), shape, cost)

    def priced(self, cost: AllocationCost) -> Self:
        """Give the same gate under another cost; nothing is fitted again.

        Exits that give allocations have learned for one cost: there it only judges otherwise.
        """
        return replace(self, cost=cost)

    @cached_property
    def rule(self) -> DecisionRule:
        """The expected cost of an allocation, and the allocation for which it is least."""
        return DecisionRule(self.shape, self.cost)

    def score(self, known: Known) -> Floats:
        """Give the expected benefit (K,) of K decisions, in units of cost: higher is harder.

        Raises:
            ValueError: The decisions are of other VNFs or another N than those of the fit.
        """
        told = self.student.predict(known)
        if isinstance(told, Predicted):  # (Q, K, M): each as likely as the others
            both = np.empty((2, *told.location.shape))
            both[0], both[1] = known.local, self.rule.allocate(told)
            costs = self.rule.expected_cost(both, told)
            return np.asarray((costs[0] - costs[1]).sum(axis=(0, 2)) / len(told.location))
        local, remote = self.rule.expected_cost(np.stack([known.local, told]), known.predicted)
        return np.asarray((local - remote).sum(axis=-1))

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file; the cost is not in it."""
        kind = next(name for name, each in _STUDENTS.items() if isinstance(self.student, each))
        return {"remote": kind, "student": self.student.to_json(), "shape": self.shape.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], cost: AllocationCost) -> Self:
        """Rebuild what :meth:`to_json` gave, under a cost.

        Raises:
            ArtefactError: The values are not those of such a gate.
        """
        try:
            kind, student, shape = _STUDENTS[values["remote"]], values["student"], values["shape"]
            found = cls(kind.from_json(student), ResidualShape.from_json(shape), cost)
        except (KeyError, TypeError, AttributeError) as error:
            raise ArtefactError(f"not a gate by expected benefit ({error!r}); fit again") from error
        if found.shape.spread_cap.size != found.student.step.size:
            raise ArtefactError(
                "not a gate by expected benefit (student and shape are of different VNFs); "
                "fit it again"
            )
        return found
