"""The paper's exits on disk: ``exits.safetensors`` and ``exits.json``."""

from pathlib import Path
from typing import Any

from ddnn.grid import Grid
from ddnn.nets.exits import Exits, build_exits
from ddnn.nets.presets import find_preset
from ddnn.nets.stored import restore, store

_NAME = "exits"


def save_exits(exits: Exits, folder: Path) -> None:
    """Write them; equal exits give equal bytes."""
    facts = {
        "preset": exits.preset.name,
        "N": exits.N,
        "dropout": exits.dropout,
        "grid": exits.grid.to_json(),
    }
    store(exits, facts, folder, _NAME)


def load_exits(folder: Path) -> Exits:
    """Read what :func:`save_exits` wrote, in evaluation mode; no stored code runs.

    Raises:
        ArtefactError: A file is missing, incomplete, or does not fit the other.
    """
    return restore(_rebuild, folder, _NAME)


def _rebuild(facts: Any) -> Exits:
    grid, preset = Grid.from_json(facts["grid"]), find_preset(facts["preset"])
    return build_exits(preset, grid, facts["N"], facts["dropout"], seed=0)
