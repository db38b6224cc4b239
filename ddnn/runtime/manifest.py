"""The manifest of a bundle: what is in the folder, hash by hash, and what the model is for."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ddnn.errors import ArtefactError

MANIFEST = "bundle.json"
FORMAT = 1

ORIGIN = "origin.json"
"""Beside the manifest, written when the model was registered: its MLflow run, name and version.

Equal models have equal ids, whichever run made them: so it is no part of what is hashed.
"""

# A finished stage's store puts its own manifest beside the bundle's files. It is no part of the
# bundle and nothing here reads it.
_NOT_OURS = frozenset({"manifest.json", ORIGIN})
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_WAY_OUT = "export the model again (`ddnn stage export`), or take an undamaged copy of the folder"


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> str:
    """Write ``bundle.json`` over all files that are in the folder, and give the model's id.

    Args:
        folder: The bundle, with all its other files written.
        facts: What the model is for, as plain JSON values.

    Raises:
        ArtefactError: A file's name is not one that a bundle may hold.
    """
    names = sorted(_names(folder))
    for name in names:
        _check_name(name, folder)
    values = {
        "format": FORMAT,
        "facts": dict(facts),
        "files": {name: file_sha256(folder / name) for name in names},
    }
    text = _dump({**values, "checksum": _checksum(values)})
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return model_id(text)


def verify(folder: Path, only: str | None = None) -> tuple[dict[str, Any], str]:
    """Hold every byte of a bundle against its manifest, the manifest's own bytes included.

    Args:
        folder: The bundle.
        only: A folder of the bundle, as ``edge``: what lies outside it may be missing.

    Returns:
        The facts, and the model's id: the head of the manifest's sha256, which hangs on every
        byte of the bundle.

    Raises:
        ArtefactError: The folder is no bundle, its format is not known here, or a file is
            missing, added or altered; the line names the file and the way out.
    """
    text, manifest = _read(folder)
    files: dict[str, str] = manifest["files"]
    for name in files:
        _check_name(name, folder)
    found = _names(folder)
    for name in sorted(files.keys() | found):
        if only is not None and name not in found and not name.startswith(f"{only}/"):
            continue
        if name not in found:
            raise ArtefactError(f"{folder / name}: missing from the model's folder; {_WAY_OUT}")
        if name not in files:
            raise ArtefactError(
                f"{folder / name}: not a file of this model; take it out of the folder"
            )
        if file_sha256(folder / name) != files[name]:
            raise ArtefactError(f"{folder / name}: altered since the export; {_WAY_OUT}")
    return manifest["facts"], model_id(text)


def bundle_files(folder: Path) -> dict[str, str]:
    """Give the sha256 of each file by name, as an unaltered manifest lists them.

    Raises:
        ArtefactError: There is no manifest, or it was altered.
    """
    files: dict[str, str] = _read(folder)[1]["files"]
    for name in files:
        _check_name(name, folder)
    return files


def read_facts(folder: Path) -> dict[str, Any]:
    """Give what a model is for, as an unaltered manifest says; no other file is looked at.

    Raises:
        ArtefactError: There is no manifest, or it was altered.
    """
    facts: dict[str, Any] = _read(folder)[1]["facts"]
    return facts


def read_origin(folder: Path) -> dict[str, Any]:
    """Tell where a model comes from: ``run``, ``model``, ``version``; empty where no one wrote it.

    It is told to people and decides nothing: what cannot be read is left out.
    """
    try:
        origin = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return origin if isinstance(origin, dict) else {}


def model_id(text: str) -> str:
    """Give the short name of a model: 12 hex digits of its manifest's sha256."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def file_sha256(path: Path) -> str:
    """Hash a file's bytes.

    Raises:
        ArtefactError: The file cannot be read.
    """
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read ({error.strerror}); {_WAY_OUT}") from error


def _read(folder: Path) -> tuple[str, dict[str, Any]]:
    path = folder / MANIFEST
    if not path.is_file():
        raise ArtefactError(
            f"{folder}: no exported model (there is no {MANIFEST} in it); give the folder that "
            "`ddnn stage export` wrote"
        )
    try:
        text = path.read_bytes().decode("utf-8")
        manifest = json.loads(text)
        found_format = manifest["format"]
        checksum = manifest.pop("checksum", None)
        # The comparison of the whole text finds a flipped byte in white space too.
        sound = checksum == _checksum(manifest)
        sound = sound and text == _dump({**manifest, "checksum": checksum})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtefactError(f"{path}: not a model's manifest; {_WAY_OUT}") from error
    if found_format != FORMAT:
        raise ArtefactError(
            f"{path}: format {found_format!r:.40}, but this program reads format {FORMAT}; export "
            "the model again with this version of ddnn, or install the version that wrote it"
        )
    if not sound:
        raise ArtefactError(f"{path}: altered since the export; {_WAY_OUT}")
    files, facts = manifest.get("files"), manifest.get("facts")
    if not isinstance(files, dict) or not isinstance(facts, dict):
        raise ArtefactError(f"{path}: not a model's manifest; {_WAY_OUT}")
    return text, manifest


def _names(folder: Path) -> set[str]:
    """List a folder's files relative to it, without following links to other folders."""
    names = set()
    for root, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        names |= {(Path(root) / name).relative_to(folder).as_posix() for name in files + links}
    return names - {MANIFEST} - _NOT_OURS


def _check_name(name: str, folder: Path) -> None:
    # No absolute names, no `..`, nothing hidden: a manifest never reaches out of its folder.
    if not all(_PART.fullmatch(part) for part in name.split("/")):
        raise ArtefactError(
            f"{folder / MANIFEST}: {name!r} is no name for a file of a model; {_WAY_OUT}"
        )


def _checksum(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(_dump(values).encode()).hexdigest()


def _dump(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, sort_keys=True, allow_nan=False) + "\n"
