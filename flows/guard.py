"""Runs a command as a process group of its own that never outlives the process that asked for it.

Run as a script with nothing but the standard library: ``python -I -S guard.py PARENT COMMAND...``.
It looks for its parent instead of asking the kernel for a signal (PR_SET_PDEATHSIG): that signal
comes when the parent's *thread* ends, misses grandchildren, and exists on Linux only.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from types import FrameType

LOOK_SECONDS = 0.25
GRACE_SECONDS = 5.0


def main(parent: int, command: list[str]) -> int:
    """Run ``command`` until it ends, the parent is gone, or this process is told to stop."""
    stop = False

    def ask(signum: int, frame: FrameType | None) -> None:
        nonlocal stop
        stop = True

    # Ctrl-C reaches the whole terminal: the parent decides when its servers stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, ask)
    child = subprocess.Popen(command, process_group=0, stdin=subprocess.DEVNULL)
    while not stop and os.getppid() == parent:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(LOOK_SECONDS)
    _end(child)
    return 0


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Ask the whole group to end, then make it."""
    deadline = time.monotonic() + GRACE_SECONDS
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
        # Once the leader is reaped, the group lives on only if one of its children does.
        while time.monotonic() < deadline:
            child.poll()
            os.killpg(child.pid, 0)
            time.sleep(0.05)
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
