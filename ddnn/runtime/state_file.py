"""A process's state on disk: written whole or not at all, and checked when it is read."""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ddnn.errors import ArtefactError

_FORMAT = 1


def write_state(path: Path, values: dict[str, Any]) -> None:
    """Write plain JSON values; a crash leaves the file before or the new one.

    Raises:
        OSError: It cannot be written.
    """
    body = json.dumps(values, allow_nan=False, separators=(",", ":"))
    head = {"format": _FORMAT, "sha256": hashlib.sha256(body.encode()).hexdigest()}
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w", encoding="utf-8") as file:
        file.write(f"{json.dumps(head)}\n{body}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_state(path: Path) -> dict[str, Any] | None:
    """Read what :func:`write_state` wrote; None: there is nothing.

    Raises:
        ArtefactError: The file is damaged, or of another format.
    """
    try:
        head, _, body = path.read_text(encoding="utf-8").partition("\n")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ArtefactError(f"{path}: cannot be read ({error})") from error
    try:
        facts = json.loads(head)
        if facts["format"] != _FORMAT:
            raise ValueError(f"format {facts['format']!r:.20}")
        body = body.rstrip("\n")
        if hashlib.sha256(body.encode()).hexdigest() != facts["sha256"]:
            raise ValueError("altered")
        values: dict[str, Any] = json.loads(body)
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"{path}: not a saved state ({error})") from error
    return values


class Saver:
    """Writes states in the background, one at a time; of those that wait, the newest alone."""

    def __init__(self, path: Path, failed: Callable[[Exception], None]) -> None:
        """Set up.

        Args:
            path: The file.
            failed: Told of a state that could not be written.
        """
        self._path = path
        self._failed = failed
        self._next: dict[str, Any] | None = None
        self._task: asyncio.Task[None] | None = None

    def save(self, values: dict[str, Any]) -> None:
        """Write this state as soon as the one before is written."""
        self._next = values
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._work())

    async def settle(self, seconds: float | None = None) -> None:
        """Wait until all is written, or so long: a disk that hangs holds up no decision."""
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=seconds)

    async def _work(self) -> None:
        while self._next is not None:
            values, self._next = self._next, None
            try:
                await asyncio.to_thread(write_state, self._path, values)
            except (OSError, ValueError) as error:
                self._failed(error)
