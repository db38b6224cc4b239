"""Exits that predict a distribution, on disk: weights as safetensors, facts as JSON."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ddnn.context import Clock
from ddnn.errors import ArtefactError, DdnnError
from ddnn.grid import Grid
from ddnn.nets.anchored.exits import AnchoredExits, build_anchored
from ddnn.nets.anchored.presets import find_anchored
from ddnn.nets.anchored.statistics import SeriesStatistics

_FORMAT = 1


def save_anchored(exits: AnchoredExits, folder: Path) -> None:
    """Write ``anchored.safetensors`` and ``anchored.json``; equal exits give equal bytes."""
    state = {name: value.detach().contiguous() for name, value in exits.state_dict().items()}
    save_file(state, folder / "anchored.safetensors")
    facts = {
        "format": _FORMAT,
        "preset": exits.preset.name,
        "N": exits.N,
        "clock": asdict(exits.clock),
        "grid": exits.grid.to_json(),
    }
    text = json.dumps(facts, indent=2, sort_keys=True, allow_nan=False)
    (folder / "anchored.json").write_text(text + "\n", encoding="utf-8")


def load_anchored(folder: Path) -> AnchoredExits:
    """Read what :func:`save_anchored` wrote, in evaluation mode; no stored code runs.

    Raises:
        ArtefactError: A file is missing, incomplete, or does not fit the other.
    """
    place, weights = folder / "anchored.json", folder / "anchored.safetensors"
    try:
        facts = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{place}: cannot be read: {error}; train again") from error
    exits = _rebuild(facts, place)
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


def _rebuild(facts: Any, place: Path) -> AnchoredExits:
    try:
        if facts["format"] != _FORMAT:
            raise ValueError(f"format {facts['format']}, this code reads {_FORMAT}")
        grid = Grid.from_json(facts["grid"])
        preset, clock = find_anchored(facts["preset"]), Clock(**facts["clock"])
        usual = SeriesStatistics.unit(grid.vnfs)
        return build_anchored(preset, grid, facts["N"], clock, usual, seed=0)
    except (KeyError, TypeError, ValueError, RuntimeError, DdnnError) as error:
        raise ArtefactError(f"{place}: not the facts of exits: {error}; train again") from error
