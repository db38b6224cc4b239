"""Figures as PNG bytes, the same for the same numbers."""

from ddnn.figures.decisions import (
    Series,
    benefit_over_time,
    example_vnfs,
    probability_against_benefit,
)
from ddnn.figures.tradeoff import captures, cost_bars, performance_curves, reached_share
from ddnn.figures.training import Placement, grid_picture, training_history

__all__ = [
    "Placement",
    "Series",
    "benefit_over_time",
    "captures",
    "cost_bars",
    "example_vnfs",
    "grid_picture",
    "performance_curves",
    "probability_against_benefit",
    "reached_share",
    "training_history",
]
