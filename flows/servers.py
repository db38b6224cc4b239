"""Prefect's and MLflow's servers, on loopback, as children that die with this process."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from ddnn.errors import DdnnError
from flows import guard
from tasks.addresses import announce, announced, withdraw
from tasks.home import check_database, ddnn_home, file_lock, tool_environment
from tasks.processes import ProcessMark

PREFECT_PORT, MLFLOW_PORT = 4200, 5000
_START_SECONDS = 120.0
# A server that ends with its command schedules nothing and shows no blocks: to register those, it
# would import each of Prefect's integrations. The user's own settings win.
_PASSING = {
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
    **{
        f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false"
        for name in (
            "CANCELLATION_CLEANUP",
            "FOREMAN",
            "LATE_RUNS",
            "PAUSE_EXPIRATIONS",
            "REPOSSESSOR",
            "SCHEDULER",
        )
    },
}


class ServerError(DdnnError):
    """A server cannot be started or reached."""


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    url: str
    ours: bool
    """Started by this process, and stopped by it."""


@contextlib.contextmanager
def prefect_server(port: int = 0, lasting: bool = False) -> Iterator[Server]:
    """Give a Prefect server, and point this process's Prefect at it.

    ``PREFECT_API_URL`` in the environment wins; then one that ``ddnn ui`` or ``ddnn schedule`` of
    the same state folder serves; else one is started, and stopped at the end.

    Args:
        port: For one that is started; 0 takes any free one.
        lasting: Whether other commands may use the one that is started.

    Raises:
        ServerError: The named server does not answer, its database is damaged, or ours does not
            start.
    """
    environment = tool_environment()
    named = os.environ.get("PREFECT_API_URL")
    if named:
        if not _answers(f"{named}/health"):
            raise ServerError(
                f"PREFECT_API_URL={named}: no Prefect server answers; start it, or unset the "
                "variable to have one started"
            )
        yield Server(named.removesuffix("/api"), ours=False)
        return
    found = announced("prefect")
    if found and _answers(f"{found}/api/health"):
        with _pointed_at(f"{found}/api"):
            yield Server(found, ours=False)
        return
    if "PREFECT_API_DATABASE_CONNECTION_URL" not in environment | os.environ:
        # Its server would try a damaged one again and again, and never answer.
        check_database(Path(environment["PREFECT_HOME"]) / "prefect.db", ServerError)
    if not lasting:
        environment = {k: v for k, v in _PASSING.items() if k not in os.environ} | environment
    with (
        _started("prefect", _prefect_command, "/api/health", port, environment, lasting) as url,
        _pointed_at(f"{url}/api"),
        _flushed(),
    ):
        yield Server(url, ours=True)


@contextlib.contextmanager
def mlflow_server(port: int = 0, lasting: bool = False) -> Iterator[Server]:
    """Give an MLflow server on the tracker's database: the named one, one that runs, or a new one.

    Raises:
        ServerError: It does not start.
    """
    from tasks import tracking  # imports MLflow

    uri = tracking.tracking_uri()
    if uri.startswith("http"):
        yield Server(uri.rstrip("/"), ours=False)
        return
    found = announced("mlflow")
    if found and _answers(f"{found}/health"):
        yield Server(found, ours=False)
        return
    tracking.prepare()
    environment = tool_environment() | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with _started("mlflow", _mlflow_command(uri), "/health", port, environment, lasting) as url:
        yield Server(url, ours=True)


def serve_ui(prefect_port: int = PREFECT_PORT, mlflow_port: int = MLFLOW_PORT) -> None:
    """Serve both tools' pages on loopback until Ctrl-C (or SIGTERM)."""
    os.environ.update(tool_environment())
    with stop_on_signals(), contextlib.ExitStack() as stack:
        prefect = stack.enter_context(prefect_server(prefect_port, lasting=True))
        mlflow = stack.enter_context(mlflow_server(mlflow_port, lasting=True))
        for name, server in (("Prefect", prefect), ("MLflow", mlflow)):
            note = "" if server.ours else "  (ran already)"
            print(f"{name:<8}{server.url}{note}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            print("Ctrl-C stops both.", flush=True)
            while True:
                time.sleep(3600)
        print("stopping", flush=True)


def sweep_stale_flow_runs(client: Any = None) -> list[str]:
    """Set flow runs CRASHED that a process of this host left RUNNING when it died.

    Args:
        client: A synchronous Prefect client; by default of the server that Prefect points at.

    Returns:
        Their ids.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.objects import State
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.states import Crashed

    if client is None:
        with get_client(sync_client=True) as fresh:
            return sweep_stale_flow_runs(fresh)
    # CANCELLING too: nobody is left to finish the cancelling.
    unfinished = FlowRunFilter.model_validate(
        {"state": {"type": {"any_": ["RUNNING", "CANCELLING"]}}}
    )
    swept = []
    # Order and limit named: for one left out the client sends null, which not every server takes.
    order = FlowRunSort.START_TIME_DESC
    for run in client.read_flow_runs(flow_run_filter=unfinished, sort=order, limit=200):
        mark = ProcessMark.from_tags(run.labels)
        if mark is not None and mark.is_dead():
            state: State[Any] = Crashed(message=f"process {mark.pid} on {mark.host} died")
            client.set_flow_run_state(run.id, state, force=True)
            swept.append(str(run.id))
    return swept


def mark_flow_run() -> None:
    """Label the flow run that calls this with its process, for :func:`sweep_stale_flow_runs`."""
    from prefect.client.orchestration import get_client
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(context.flow_run.id, {**ProcessMark.current().tags()})


@contextlib.contextmanager
def stop_on_signals() -> Iterator[None]:
    """Take SIGTERM for a Ctrl-C, so that servers are stopped in order.

    SIGINT is set too: what a shell starts in the background inherits it ignored. It gets Python's
    own handler, which asyncio takes for leave to cancel its main task instead of breaking off
    wherever its loop happens to be.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, interrupt),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def free_port(wanted: int = 0) -> int:
    """Give the wanted port of loopback if it is free, else another one and say so."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            # As the servers do: a port that is only waiting for late packets is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                print(f"port {port} is taken: another one is used", flush=True)
                continue
            return int(probe.getsockname()[1])
    raise ServerError("no free port on 127.0.0.1")


def _prefect_command(port: int) -> list[str]:
    address = ["--host", "127.0.0.1", "--port", str(port)]
    return [sys.executable, "-m", "prefect", "server", "start", *address]


def _mlflow_command(uri: str) -> Callable[[int], list[str]]:
    def command(port: int) -> list[str]:
        store = ["--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(port)]
        # One worker: four of them take 29 s to start and 2.3 GB.
        return [sys.executable, "-m", "mlflow", "server", *store, "--workers", "1"]

    return command


@contextlib.contextmanager
def _started(
    name: str,
    command: Callable[[int], list[str]],
    health: str,
    port: int,
    environment: Mapping[str, str],
    lasting: bool,
) -> Iterator[str]:
    """Start a server, wait until it answers, stop it at the end."""
    folder = ddnn_home() / "servers"
    log = folder / (f"{name}.log" if lasting else f"{name}-{os.getpid()}.log")
    with contextlib.ExitStack() as stack:
        # A server migrates its database as it starts: one at a time.
        with file_lock(folder / f"{name}.lock"):
            url = _start(stack, name, command, health, port, environment, log)
        if lasting:
            announce(name, url)
            stack.callback(withdraw, name)
        else:
            stack.callback(log.unlink, missing_ok=True)
        yield url


def _start(
    stack: contextlib.ExitStack,
    name: str,
    command: Callable[[int], list[str]],
    health: str,
    port: int,
    environment: Mapping[str, str],
    log: Path,
) -> str:
    for wanted in (port, 0):  # the port may be gone between the look and the server's start
        chosen = free_port(wanted)
        url = f"http://127.0.0.1:{chosen}"
        own = {"PREFECT_SERVER_UI_API_URL": f"{url}/api"} if name == "prefect" else {}
        child = _spawn(command(chosen), os.environ | dict(environment) | own, log)
        if _wait_until_healthy(f"{url}{health}", child):
            stack.callback(_stop, child)
            return url
        _stop(child)
    said = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
    raise ServerError(f"{name}'s server did not start: {said} ({log})")


def _spawn(
    command: list[str], environment: Mapping[str, str], log: Path
) -> "subprocess.Popen[bytes]":
    """Start a command that ends with this process, even if that is killed with -9."""
    guarded = [sys.executable, "-I", "-S", str(Path(guard.__file__)), str(os.getpid()), *command]
    with log.open("wb") as out:
        return subprocess.Popen(
            guarded,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


def _stop(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()  # the guard ends the server, by force if it must
    try:
        child.wait(guard.GRACE_SECONDS + 5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _wait_until_healthy(url: str, child: "subprocess.Popen[bytes]") -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        if _answers(url):
            return True
        time.sleep(0.1)
    return False


def _answers(url: str) -> bool:
    try:
        # No proxy of the user's stands between this machine and itself.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError, urllib.error.URLError):
        return False


@contextlib.contextmanager
def _pointed_at(api: str) -> Iterator[None]:
    """Point Prefect, here and in child processes, at a server."""
    before = os.environ.get("PREFECT_API_URL")
    os.environ["PREFECT_API_URL"] = api
    try:
        from prefect.settings import PREFECT_API_URL, temporary_settings

        # Prefect read the environment when it was imported.
        with temporary_settings({PREFECT_API_URL: api}):
            yield
    finally:
        if before is None:
            del os.environ["PREFECT_API_URL"]
        else:
            os.environ["PREFECT_API_URL"] = before


@contextlib.contextmanager
def _flushed() -> Iterator[None]:
    """Let Prefect send the logs and events that still wait, before its server goes."""
    try:
        yield
    finally:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        for worker in (APILogWorker, EventsWorker):
            worker.drain_all(timeout=5)
