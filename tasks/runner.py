"""Both doors come through here: find a stage in the store, or run it in a process of its own."""

import hashlib
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from ddnn.arithmetic import Arithmetic
from ddnn.errors import DdnnError
from ddnn.params import Params
from tasks import fingerprint
from tasks.artefact import Reference, Store, file_sha256, verify_folder
from tasks.home import PROJECT_ROOT, ddnn_home, file_lock
from tasks.machine import arithmetic
from tasks.registry import StageSpec, spec_of, stage_params
from tasks.workers import run_order

log = logging.getLogger("ddnn")
# Arrays of some MB are else mapped anew at each training step: page faults take 5 % of its time.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "1073741824"}
"""What glibc is told in a stage's process."""
_lines_taken: set[int] = set()
_lines_lock = threading.Lock()


class StageFailedError(DdnnError):
    """A stage ended without its outputs; its own words are the message."""


@dataclass(frozen=True)
class Workshop:
    """Where stages are kept and how this machine computes."""

    store: Store
    scratch: Path
    arithmetic: Arithmetic

    @classmethod
    def open(cls) -> "Workshop":
        """Open the project's own, under its state folder."""
        home = ddnn_home()
        return cls(Store(home / "store"), home / "scratch", arithmetic(home))


def run_stage(
    name: str, params: Params, inputs: Mapping[str, Path], workshop: Workshop
) -> Reference:
    """Give a stage's outputs: from the store when they are there, else by running it.

    Args:
        name: The stage.
        params: All settings.
        inputs: Folder of each stage that it stands on; each is held against its manifest.
        workshop: The store and the machine.

    Raises:
        ArtefactError: An input is altered or incomplete.
        StageFailedError: The stage ran and failed.
    """
    spec = spec_of(name, params)
    facts = made_of(spec, params, inputs, workshop.arithmetic)
    key = key_of(facts)
    with workshop.store.lock(key):
        found = workshop.store.find(name, key)
        if found is not None:
            log.info("%s: found finished (%s)", name, key[:12])
            return found
        started = time.monotonic()
        scratch = workshop.scratch / key
        scratch.mkdir(parents=True, exist_ok=True)
        with workshop.store.writing(name, key, facts) as draft:
            _work(spec, params, inputs, draft, scratch, workshop.arithmetic)
        shutil.rmtree(scratch, ignore_errors=True)
        seconds = time.monotonic() - started
        _note_duration(workshop.store, name, seconds)
        log.info("%s: done in %.1f s (%s)", name, seconds, key[:12])
        finished = workshop.store.find(name, key)
    if finished is None:
        raise StageFailedError(f"{name}: its outputs cannot be read back; is the disk sound?")
    return Reference(name, key, finished.digest, finished.folder, hit=False)


def run_stages(names: Iterable[str], params: Params, workshop: Workshop) -> dict[str, Reference]:
    """Give the outputs of stages that follow on each other, in order, one after the other.

    Raises:
        ArtefactError: A source of the demand cannot be read.
        StageFailedError: A stage ran and failed.
    """
    done: dict[str, Reference] = {}
    for name in names:
        folders = {before: done[before].folder for before in spec_of(name, params).inputs}
        done[name] = run_stage(name, params, folders, workshop)
    return done


def find_stages(names: Iterable[str], params: Params, workshop: Workshop) -> dict[str, Reference]:
    """Give those of the stages, in order, that are in the store; nothing runs.

    Raises:
        ArtefactError: A source of the demand cannot be read.
    """
    found: dict[str, Reference] = {}
    for name in names:
        spec = spec_of(name, params)
        if all(before in found for before in spec.inputs):
            folders = {before: found[before].folder for before in spec.inputs}
            key = key_of(made_of(spec, params, folders, workshop.arithmetic))
            reference = workshop.store.find(name, key)
            if reference is not None:
                found[name] = reference
    return found


def made_of(
    spec: StageSpec, params: Params, inputs: Mapping[str, Path], how: Arithmetic
) -> dict[str, Any]:
    """Collect all that decides a stage's outputs.

    Raises:
        ArtefactError: An input is altered or incomplete.
    """
    return {
        "stage": spec.name,
        "params": stage_params(spec, params),
        "inputs": {name: verify_folder(inputs[name]) for name in spec.inputs},
        "sources": _sources(params) if not spec.inputs else {},
        "code": fingerprint.code_digest(spec.module, PROJECT_ROOT),
        "libraries": fingerprint.installed_releases(),
        "arithmetic": how.to_dict(),
    }


def key_of(facts: dict[str, Any]) -> str:
    """Hash what a stage is made of."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def durations(store: Store) -> dict[str, float]:
    """Give the last measured seconds of each stage on this machine."""
    notes = store.root / "durations.json"
    try:
        return dict(json.loads(notes.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _note_duration(store: Store, name: str, seconds: float) -> None:
    with file_lock(store.root / "durations.lock"):  # stages may end side by side
        notes = {**durations(store), name: round(seconds, 1)}
        draft = store.root / "durations.draft"
        draft.write_text(json.dumps(notes, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        draft.replace(store.root / "durations.json")


def _sources(params: Params) -> dict[str, str]:
    # A synthetic city has no files; the import is heavy and only for those who have.
    if params.download.source == "city":
        return {}
    from ddnn.demand import source_files

    return {path.name: file_sha256(path) for path in source_files(params.download)}


def _work(
    spec: StageSpec,
    params: Params,
    inputs: Mapping[str, Path],
    out: Path,
    scratch: Path,
    how: Arithmetic,
) -> None:
    # Torch's threads and random state belong to the process, so each stage gets its own.
    threads = str(how.threads)
    changes = {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        **KEEP_MEMORY,
        "PYTHONPATH": os.pathsep.join(
            filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")])
        ),
        "PYTHONHASHSEED": "0",
    }
    with _terminal_line() as line:
        order = {
            "module": spec.module,
            "params": params.model_dump(mode="json"),
            "inputs": {stage: str(folder.resolve()) for stage, folder in inputs.items()},
            "out": str(out.resolve()),
            "scratch": str(scratch.resolve()),
            "arithmetic": how.to_dict(),
            "line": line,
        }
        ended = run_order(json.dumps(order), changes)
    if ended.code != 0:
        raise StageFailedError(_words(spec.name, ended.said, ended.code))


@contextmanager
def _terminal_line() -> Iterator[int]:
    """Give the lowest line of the terminal that no other stage's progress bar stands on."""
    with _lines_lock:
        line = next(number for number in count() if number not in _lines_taken)
        _lines_taken.add(line)
    try:
        yield line
    finally:
        _lines_taken.discard(line)


def _words(name: str, said: str, code: int) -> str:
    """Take the worker's last word: a user's error is one line on its standard output."""
    lines = said.strip().splitlines()
    if lines:
        return lines[-1]
    if code < 0:
        return f"{name}: stopped by signal {-code}; run again, finished work is kept"
    return f"{name}: failed; see above"
