"""Where the stages' processes come from: started anew, or forked where a command runs several."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    """How a stage's process ended."""

    said: str
    """The failure's words, if it had any."""
    code: int
    """Its exit code; negative: the signal that ended it."""


class ForkServer:
    """A child that has imported the heavy libraries (tasks/fork_server.py)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "tasks.fork_server", str(theirs.fileno())],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def run(self, order: str) -> Ended:
        """Have a stage run in a process of its own, and wait for it."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                try:
                    socket.send_fds(self._control, [b"\n"], [theirs.fileno()])
                except OSError:
                    return Ended("", -signal.SIGKILL)
            try:
                ours.sendall(order.encode())
                ours.shutdown(socket.SHUT_WR)
                answer = b"".join(iter(lambda: ours.recv(65536), b"")).decode()
            except OSError:
                answer = ""
        said, _, code = answer.rpartition("\n")
        return Ended(said, int(code)) if code else Ended(said, -signal.SIGKILL)

    def is_alive(self) -> bool:
        """Tell whether it can still be asked."""
        return self._child.poll() is None

    def close(self) -> None:
        """End it, and what it still runs."""
        self._control.close()
        self._child.wait()


_lock = threading.Lock()
_servers: dict[frozenset[tuple[str, str]], ForkServer] = {}
_orders = 0


def run_order(order: str, changes: Mapping[str, str]) -> Ended:
    """Run a stage in a process of its own.

    The first one of this process is started anew: it may be the only one. From the second on they
    are forked, which saves each some seconds of imports.

    Args:
        order: As tasks/worker.py reads it.
        changes: What its environment has other than this process's.
    """
    server = _server(changes) if sys.platform == "linux" else None
    if server is not None:
        return server.run(order)
    ended = subprocess.run(
        [sys.executable, "-m", "tasks.worker", str(os.getpid())],
        input=order,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | changes,
        check=False,
    )
    return Ended(ended.stdout, ended.returncode)


def _server(changes: Mapping[str, str]) -> ForkServer | None:
    global _orders
    with _lock:
        _orders += 1
        if _orders == 1:
            return None
        kind = frozenset(changes.items())
        if kind not in _servers or not _servers[kind].is_alive():
            _servers[kind] = ForkServer(os.environ | changes)
            atexit.register(_servers[kind].close)
        return _servers[kind]
