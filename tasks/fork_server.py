"""A process that has the heavy libraries imported, and forks a process of its own for each stage.

    python -m tasks.fork_server SOCKET

It only imports: no library has started a thread or drawn a number when it forks. The project's own
code is read by each stage's process, so that an edit reaches the next stage. It ends when the
process that started it does, and what it forked ends with it.
"""

import gc
import importlib
import os
import selectors
import signal
import socket
import sys
from pathlib import Path

from tasks import worker

LIBRARIES = ("numpy", "pandas", "pyarrow.parquet", "pydantic", "torch", "yaml")
"""What nearly every stage imports; torch alone takes seconds."""


def main() -> None:
    """Import, then fork for each order until the other end of the socket closes."""
    # Ctrl-C goes to all processes of a terminal: it is for the stages, not for this one.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    import_libraries()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    os._exit(0)


def import_libraries() -> None:
    """Import what the stages share, and leave it out of their garbage collections."""
    # Arrow's allocator would start a thread that gives memory back.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    gc.disable()
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()


def is_alone() -> bool:
    """Tell whether this process has one thread only: the others would be missing after a fork."""
    return len(list(Path("/proc/self/task").iterdir())) == 1


def _serve(control: socket.socket) -> None:
    with selectors.DefaultSelector() as waiting:
        waiting.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.data is not None:
                    waiting.unregister(key.fd)
                    _report(key.fd, *key.data)
                    continue
                _, handles, _, _ = socket.recv_fds(control, 1, 1)
                if not handles:
                    return
                answers = socket.socket(fileno=handles[0])
                pid = _start(answers)
                waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, answers))


def _start(answers: socket.socket) -> int:
    """Start the process for one order, with the order's socket as its input and output."""
    parent = os.getpid()
    if not is_alone():
        command = [sys.executable, "-m", worker.__name__, str(parent)]
        ends = [(os.POSIX_SPAWN_DUP2, answers.fileno(), end) for end in (0, 1)]
        return os.posix_spawn(sys.executable, command, os.environ, file_actions=ends, setsigmask=[])
    pid = os.fork()
    if pid == 0:
        os.dup2(answers.fileno(), 0)
        os.dup2(answers.fileno(), 1)
        answers.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        worker.work_for(parent)
    return pid


def _report(handle: int, pid: int, answers: socket.socket) -> None:
    """Send a process's exit code, negative for a signal, after what it said."""
    os.close(handle)
    _, status = os.waitpid(pid, 0)
    with answers:
        try:
            answers.sendall(f"\n{os.waitstatus_to_exitcode(status)}".encode())
            answers.shutdown(socket.SHUT_RDWR)  # other processes may have been forked with it
        except OSError:
            pass  # nobody waits for it any more


if __name__ == "__main__":
    main()
