"""The network with two exits, its named presets, and its weights on disk."""

from ddnn.nets.exits import Exits, build_exits
from ddnn.nets.presets import Conv, Preset, find_preset
from ddnn.nets.weights import load_exits, save_exits

__all__ = ["Conv", "Exits", "Preset", "build_exits", "find_preset", "load_exits", "save_exits"]
