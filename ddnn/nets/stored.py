"""A network on disk: weights as safetensors, facts as JSON; loading runs no stored code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from ddnn.errors import ArtefactError, DdnnError

_FORMAT = 1

M = TypeVar("M", bound=nn.Module)


def store(module: nn.Module, facts: dict[str, Any], folder: Path, name: str) -> None:
    """Write ``<name>.safetensors`` and ``<name>.json``; equal networks give equal bytes."""
    state = {key: value.detach().float().contiguous() for key, value in module.state_dict().items()}
    save_file(state, folder / f"{name}.safetensors")
    text = json.dumps({"format": _FORMAT} | facts, indent=2, sort_keys=True, allow_nan=False)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def restore(build: Callable[[Any], M], folder: Path, name: str) -> M:
    """Read what :func:`store` wrote.

    Args:
        build: Makes the network of these facts; its weights do not matter.
        folder: Where the files lie.
        name: Of the files.

    Returns:
        The network in float32 and in evaluation mode.

    Raises:
        ArtefactError: A file is missing, incomplete, or does not fit the other.
    """
    place, weights = folder / f"{name}.json", folder / f"{name}.safetensors"
    try:
        facts = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{place}: cannot be read: {error}; train again") from error
    try:
        if facts["format"] != _FORMAT:
            raise ValueError(f"format {facts['format']}, this code reads {_FORMAT}")
        module = build(facts)
    except (KeyError, TypeError, ValueError, RuntimeError, DdnnError) as error:
        raise ArtefactError(f"{place}: not the facts of exits: {error}; train again") from error
    try:
        state = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise ArtefactError(f"{weights}: cannot be read: {error}; train again") from error
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise ArtefactError(f"{weights}: has weights that are not finite; train again")
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise ArtefactError(f"{weights}: does not fit {place.name}; train again") from error
    return module.eval()
