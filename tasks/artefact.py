"""The store of finished stages: published whole or not at all, verified before every use."""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddnn.errors import ArtefactError
from tasks.home import file_lock

MANIFEST = "manifest.json"
log = logging.getLogger("ddnn")


@dataclass(frozen=True)
class Reference:
    """A finished stage, small enough to travel between tasks."""

    stage: str
    key: str
    digest: str
    """Hash over the names and hashes of its files: what a following stage's key takes in."""
    folder: Path
    hit: bool
    """Found finished, not run now."""


class Store:
    """A folder of finished stages, one folder for each key, each with its ``manifest.json``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: str) -> Path:
        """Tell where a key's outputs are, or would be."""
        return self.root / key[:2] / key

    def find(self, stage: str, key: str) -> Reference | None:
        """Give a finished stage if it is here and unaltered.

        A damaged one is set aside, so that the stage runs again and the evidence is kept.
        """
        folder = self.folder(key)
        if not folder.is_dir():
            return None
        try:
            digest = verify_folder(folder)
        except ArtefactError as damage:
            log.warning("%s; set aside, it runs again", damage)
            aside = self.root / "damaged" / f"{key}-{uuid.uuid4().hex[:8]}"
            aside.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(aside)
            return None
        return Reference(stage, key, digest, folder, hit=True)

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Keep two runs from doing one stage twice; the kernel frees the lock of a killed run."""
        with file_lock(self.root / "locks" / key):
            yield

    @contextlib.contextmanager
    def writing(self, stage: str, key: str, facts: dict[str, Any]) -> Iterator[Path]:
        """Give an empty folder to write outputs to; publish it under the key on success.

        The caller holds the key's lock.

        Args:
            stage: The stage's name.
            key: Its key.
            facts: What the key was made of, kept in the manifest.
        """
        # The key's lock is held: a draft that is here is the leaving of a run that was killed.
        draft = self.root / "drafts" / key
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            yield draft
            write_manifest(draft, stage, key, facts)
            _sync(draft)
            target = self.folder(key)
            target.parent.mkdir(parents=True, exist_ok=True)
            draft.rename(target)
            _sync_folder(target.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def publish(reference: Reference, target: Path) -> None:
    """Copy a finished stage to where DVC expects its output, whole or not at all."""
    if target.is_dir():
        with contextlib.suppress(ArtefactError):
            if verify_folder(target) == reference.digest:
                return
    draft = target.with_name(f".{target.name}-{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(reference.folder, draft)
    # DVC may have linked the old output read-only: take it away, never write into it.
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)


def write_manifest(folder: Path, stage: str, key: str, facts: dict[str, Any]) -> None:
    """Write down a stage's key, what it was made of, and the sha256 of each of its files."""
    manifest = {"stage": stage, "key": key, "made_of": facts, "files": _hash_files(folder)}
    manifest["seal"] = _seal(manifest)
    text = json.dumps(manifest, indent=2, sort_keys=True, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a stage's manifest.

    Raises:
        ArtefactError: It is missing, not a manifest, or altered.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{path}: no readable manifest; run the stage again") from error
    if not isinstance(manifest, dict) or not {"stage", "key", "files"} <= manifest.keys():
        raise ArtefactError(f"{path}: not a stage's manifest; run the stage again")
    if manifest.pop("seal", None) != _seal(manifest):
        raise ArtefactError(f"{path}: altered since the stage wrote it; run the stage again")
    return manifest


def verify_folder(folder: Path) -> str:
    """Hold a stage's files against its manifest and give the digest over them.

    Raises:
        ArtefactError: A file is missing, added or altered.
    """
    expected = read_manifest(folder)["files"]
    found = _hash_files(folder)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) == found.get(name):
            continue
        what = "missing" if name not in found else "altered" if name in expected else "not known"
        raise ArtefactError(
            f"{folder / name}: {what} since the stage wrote it; run the stage again"
        )
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Hash a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _seal(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _hash_files(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in sorted(files)}


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
        else:
            _sync_folder(path)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
