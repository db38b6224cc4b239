"""Exits that predict a distribution, anchored at the last value; costs come in afterwards."""

from ddnn.nets.anchored.allocation import Allocator
from ddnn.nets.anchored.exits import AnchoredExits, Distribution, build_anchored
from ddnn.nets.anchored.prediction import predict, tensors
from ddnn.nets.anchored.presets import AnchoredPreset, find_anchored
from ddnn.nets.anchored.statistics import SeriesStatistics
from ddnn.nets.anchored.weights import load_anchored, save_anchored

__all__ = [
    "Allocator",
    "AnchoredExits",
    "AnchoredPreset",
    "Distribution",
    "SeriesStatistics",
    "build_anchored",
    "find_anchored",
    "load_anchored",
    "predict",
    "save_anchored",
    "tensors",
]
