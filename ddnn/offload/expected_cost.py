"""Rank decisions by what the edge expects its own allocation to cost (numpy only)."""

from dataclasses import dataclass

from ddnn.decision import DecisionRule
from ddnn.offload.known import Floats, Known


@dataclass(frozen=True, eq=False)
class ExpectedCost:
    """Score = E[cost(y_L, d)] under the edge's own distribution, summed over the VNFs.

    Nothing is learned for it: where the edge is unsure, the cloud is asked.
    """

    rule: DecisionRule
    """Of the local exit."""

    name = "expected_cost"

    def score(self, known: Known) -> Floats:
        """Give the expected cost (K,) of K decisions: higher is harder.

        Raises:
            ValueError: The decisions are of other VNFs than the rule.
        """
        scores: Floats = self.rule.expected_cost(known.local, known.predicted).sum(axis=-1)
        return scores
