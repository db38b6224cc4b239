"""Where a long computation stands, in one file that is whole or not there, and is checked."""

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and plain facts; a kill at any time leaves the old file or the new one."""
    contiguous = {name: value.detach().contiguous() for name, value in tensors.items()}
    text = json.dumps(facts, sort_keys=True)
    content = save(contiguous, {"facts": text, "sha256": _digest(contiguous, text)})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Read what :func:`write_checkpoint` wrote; None, with the reason in a warning, if damaged.

    A damaged file is set aside under another name, so that the computation can start anew.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.get("sha256") != _digest(tensors, metadata.get("facts", "")):
            raise ValueError("its content does not have the recorded sha256")
        return tensors, json.loads(metadata["facts"])
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        set_aside(path, f"cannot be used ({error})")
        return None


def set_aside(path: Path, reason: str) -> None:
    """Move a checkpoint out of the way, keep it for a look, and say so in a warning."""
    aside = path.with_name(path.name + ".aside")
    path.replace(aside)
    warnings.warn(
        f"checkpoint {path}: {reason}; kept as {aside.name}, starting anew",
        RuntimeWarning,
        stacklevel=2,
    )


def _digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    digest = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).numpy().data)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
