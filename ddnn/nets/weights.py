"""Exits on disk: weights as safetensors, facts as JSON; loading runs no stored code."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ddnn.errors import ArtefactError, DdnnError
from ddnn.grid import Grid
from ddnn.nets.exits import Exits, build_exits
from ddnn.nets.presets import find_preset

_FORMAT = 1


def save_exits(exits: Exits, folder: Path) -> None:
    """Write ``exits.safetensors`` and ``exits.json``; equal exits give equal bytes."""
    state = {
        name: value.detach().float().contiguous() for name, value in exits.state_dict().items()
    }
    save_file(state, folder / "exits.safetensors")
    facts = {
        "format": _FORMAT,
        "preset": exits.preset.name,
        "N": exits.N,
        "dropout": exits.dropout,
        "grid": exits.grid.to_json(),
    }
    text = json.dumps(facts, indent=2, sort_keys=True, allow_nan=False)
    (folder / "exits.json").write_text(text + "\n", encoding="utf-8")


def load_exits(folder: Path) -> Exits:
    """Read what :func:`save_exits` wrote.

    Returns:
        The exits in float32 and in evaluation mode.

    Raises:
        ArtefactError: A file is missing, incomplete, or does not fit the other.
    """
    place = folder / "exits.json"
    try:
        facts = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{place}: cannot be read: {error}; train again") from error
    exits = _rebuild(facts, place)
    weights = folder / "exits.safetensors"
    try:
        state = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise ArtefactError(f"{weights}: cannot be read: {error}; train again") from error
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise ArtefactError(f"{weights}: has weights that are not finite; train again")
    try:
        exits.load_state_dict(state)
    except RuntimeError as error:
        raise ArtefactError(f"{weights}: does not fit {place.name}; train again") from error
    return exits.eval()


def _rebuild(facts: Any, place: Path) -> Exits:
    try:
        if facts["format"] != _FORMAT:
            raise ValueError(f"format {facts['format']}, this code reads {_FORMAT}")
        grid = Grid.from_json(facts["grid"])
        preset = find_preset(facts["preset"])
        return build_exits(preset, grid, facts["N"], facts["dropout"], seed=0)
    except (KeyError, TypeError, ValueError, RuntimeError, DdnnError) as error:
        raise ArtefactError(f"{place}: not the facts of exits: {error}; train again") from error
