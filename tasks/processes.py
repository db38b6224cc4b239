"""Which process did something, so that a later one can tell whether it is still alive."""

import os
import platform
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_HOST, _PID, _STARTED = "ddnn.host", "ddnn.pid", "ddnn.process_started"


@dataclass(frozen=True)
class ProcessMark:
    """One process: a process id alone comes back, with its start it does not."""

    host: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> Self:
        """Give the mark of this process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> Self:
        """Give the mark of a process of this host."""
        return cls(platform.node(), pid, _started(pid) or "")

    @classmethod
    def from_tags(cls, tags: Mapping[str, object]) -> Self | None:
        """Read what :meth:`tags` wrote; None when it is not there."""
        try:
            return cls(str(tags[_HOST]), int(str(tags[_PID])), str(tags[_STARTED]))
        except (KeyError, ValueError):
            return None

    def tags(self) -> dict[str, str]:
        """Give the mark as tags of a run."""
        return {_HOST: self.host, _PID: str(self.pid), _STARTED: self.started}

    def is_dead(self) -> bool:
        """Tell whether the process is certainly gone; one on another host never is."""
        if self.host != platform.node():
            return False
        return _started(self.pid) != self.started


def end_with(mark: ProcessMark) -> None:
    """End this process, at once and whatever it does, when another one has ended."""

    def watch() -> None:
        while not mark.is_dead():
            time.sleep(0.5)
        os._exit(1)  # a stage's process dies with this one

    threading.Thread(target=watch, daemon=True).start()


def parent_of(pid: int) -> int:
    """Give the id of a process's parent; 0 when there is none, or none to be seen."""
    try:
        return int(_stat(pid)[1])
    except OSError:
        return 0


def _started(pid: int) -> str | None:
    """Start of a living process, as text that no other process shares; None when there is none."""
    try:
        fields = _stat(pid)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")
    except OSError:
        return None if Path("/proc/self").exists() else _started_without_proc(pid)
    state, ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{boot[:8]}-{ticks}"


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third, the state, on."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    # The command's name, in parentheses, may hold spaces.
    return stat.rpartition(")")[2].split()


def _started_without_proc(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""  # alive; not Linux, so its start is not known
