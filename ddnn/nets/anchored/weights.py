"""Exits that predict a distribution, on disk: ``anchored.safetensors`` and ``anchored.json``."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ddnn.context import Clock
from ddnn.grid import Grid
from ddnn.nets.anchored.exits import AnchoredExits, build_anchored
from ddnn.nets.anchored.presets import find_anchored
from ddnn.nets.anchored.statistics import SeriesStatistics
from ddnn.nets.stored import restore, store

_NAME = "anchored"


def save_anchored(exits: AnchoredExits, folder: Path) -> None:
    """Write them; equal exits give equal bytes."""
    facts = {
        "preset": exits.preset.name,
        "N": exits.N,
        "clock": asdict(exits.clock),
        "grid": exits.grid.to_json(),
    }
    store(exits, facts, folder, _NAME)


def load_anchored(folder: Path) -> AnchoredExits:
    """Read what :func:`save_anchored` wrote, in evaluation mode; no stored code runs.

    Raises:
        ArtefactError: A file is missing, incomplete, or does not fit the other.
    """
    return restore(_rebuild, folder, _NAME)


def _rebuild(facts: Any) -> AnchoredExits:
    grid, preset = Grid.from_json(facts["grid"]), find_anchored(facts["preset"])
    clock, usual = Clock(**facts["clock"]), SeriesStatistics.unit(grid.vnfs)
    return build_anchored(preset, grid, facts["N"], clock, usual, seed=0)
