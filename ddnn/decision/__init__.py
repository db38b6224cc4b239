"""Predict a distribution, then decide: the allocation of least expected cost (numpy only)."""

from ddnn.decision.capacity import Capped, allocate_within
from ddnn.decision.predicted import Predicted
from ddnn.decision.rule import DecisionRule
from ddnn.decision.shape import ResidualShape

__all__ = ["Capped", "DecisionRule", "Predicted", "ResidualShape", "allocate_within"]
