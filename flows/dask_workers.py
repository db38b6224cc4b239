"""Workers of a Dask scheduler that run this checkout's sites."""

import importlib
import os
import sys
from typing import Any

from tasks.home import PROJECT_ROOT, ddnn_home, tool_environment

# Dask watches over tasks of milliseconds: its profiler and its looks at loop and memory take 7 % of
# a core for each worker. A site takes minutes, in a process of its own. The user's settings win.
_CALM = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__MONITOR_INTERVAL": "1s",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
    "DASK_DISTRIBUTED__ADMIN__TICK__CYCLE": "5s",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "5s",
}


def serve_workers(scheduler: str, workers: int | None) -> None:
    """Become Dask workers: as many as given or as there are cores, each with one site at a time.

    Does not return. A worker that dies is started again by Dask's nanny.

    Args:
        scheduler: Address of the Dask scheduler.
        workers: How many; None: one for each core.
    """
    # A stage's process has the threads that arithmetic.json says; the worker only waits for it.
    command = [sys.executable, "-m", "dask", "worker", scheduler, "--nthreads", "1"]
    command += ["--nworkers", str(workers or os.cpu_count() or 1), "--no-dashboard"]
    command += ["--local-directory", str(ddnn_home() / "dask"), "--preload", __name__]
    path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
    own = tool_environment() | {"PYTHONPATH": path}
    os.execve(sys.executable, command, _CALM | os.environ | own)


def dask_setup(worker: Any) -> None:
    """Make a worker ready before it registers: Dask calls this as a worker starts.

    It has what a site's task needs imported, seconds that the first site would wait for, and
    prints its stages' lines.
    """
    importlib.import_module("flows.city")
    from flows.command import speak

    speak()
