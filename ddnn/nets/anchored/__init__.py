"""Exits that predict a distribution, anchored at the last value; costs come in afterwards."""

from ddnn.nets.anchored.allocation import Allocator, load_allocator, save_allocator
from ddnn.nets.anchored.exits import AnchoredExits, Distribution, build_anchored
from ddnn.nets.anchored.held_out import HeldOut, load_held_out, save_held_out
from ddnn.nets.anchored.prediction import predict, tensors
from ddnn.nets.anchored.presets import AnchoredPreset, find_anchored
from ddnn.nets.anchored.statistics import SeriesStatistics
from ddnn.nets.anchored.weights import load_anchored, save_anchored

__all__ = [
    "Allocator",
    "AnchoredExits",
    "AnchoredPreset",
    "Distribution",
    "HeldOut",
    "SeriesStatistics",
    "build_anchored",
    "find_anchored",
    "load_allocator",
    "load_anchored",
    "load_held_out",
    "predict",
    "save_allocator",
    "save_anchored",
    "save_held_out",
    "tensors",
]
