"""The functions of :mod:`ddnn.grid` for thousands of VNFs: in blocks and float32, of equal names.

At 10,000 VNFs the originals would take hours and tens of GB. What comes out is theirs up to the
rounding that each function states; it is not theirs to the byte.
"""

from ddnn.grid.blocked.assignment import assign, quality, random_quality
from ddnn.grid.blocked.distance import shape_based_distance
from ddnn.grid.blocked.placement import normalised_stress, place

MANY = 500
"""VNFs above which the pipeline takes these functions; up to there the originals take seconds."""

__all__ = [
    "MANY",
    "assign",
    "normalised_stress",
    "place",
    "quality",
    "random_quality",
    "shape_based_distance",
]
