"""Where the VNFs lie on the regular grid: their distance, eq. (12), the assignment to cells."""

from ddnn.grid.assignment import (
    RANDOM_PLACEMENTS,
    Quality,
    assign,
    fit_to_grid,
    quality,
    random_grid,
    random_quality,
)
from ddnn.grid.distance import shape_based_distance
from ddnn.grid.grid import Grid, grid_shape
from ddnn.grid.placement import normalised_stress, place, stress

__all__ = [
    "RANDOM_PLACEMENTS",
    "Grid",
    "Quality",
    "assign",
    "fit_to_grid",
    "grid_shape",
    "normalised_stress",
    "place",
    "quality",
    "random_grid",
    "random_quality",
    "shape_based_distance",
    "stress",
]
