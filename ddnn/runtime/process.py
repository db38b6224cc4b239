"""What both processes share: their command line, health, start, drain and end."""

import argparse
import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from ddnn.errors import DdnnError
from ddnn.runtime.telemetry import log_json, say
from ddnn.serve_settings import ServeSettings, load_settings

_Status = health_pb2.HealthCheckResponse


class Health:
    """The standard health service: "" is alive, the service's own name is ready."""

    def __init__(self, server: grpc.aio.Server, service: str) -> None:
        self._servicer = health.aio.HealthServicer()
        self._service = service
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def tell(self, ready: bool) -> None:
        """Tell whether the service is ready; the process itself is alive."""
        state = _Status.SERVING if ready else _Status.NOT_SERVING
        await self._servicer.set("", _Status.SERVING)
        await self._servicer.set(self._service, state)

    async def leave(self) -> None:
        """Tell that the process is about to end."""
        await self._servicer.enter_graceful_shutdown()


def common_options(name: str, description: str) -> argparse.ArgumentParser:
    """Begin a command line with what both processes take."""
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument(
        "--settings", type=Path, required=True, help="file of `ddnn serve-settings`"
    )
    parser.add_argument("--models", type=Path, required=True, help="folder of models")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="GROUP.KEY=VALUE",
        help="another setting for this process",
    )
    return parser


def read_settings(options: argparse.Namespace) -> ServeSettings:
    """Read the settings that the options name."""
    return load_settings(options.settings, options.set)


async def until_told(server: grpc.aio.Server, health_: Health, grace: float) -> None:
    """Serve until SIGTERM or SIGINT, then drain: finish what has begun and take nothing new."""
    gc.collect()
    gc.freeze()  # what is loaded by now stays: no collection has to walk it while a caller waits
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    say("draining", seconds=grace)
    await health_.leave()
    await server.stop(grace)


@contextlib.asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> Any:
    """Run something until the block ends; a failure in it ends the process."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(_end_if_failed)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _end_if_failed(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        say("failed", reason=repr(task.exception()))
        signal.raise_signal(signal.SIGTERM)


def run(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a process to its end; what a user can mend is one line."""
    log_json()
    try:
        asyncio.run(work())
    except DdnnError as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{name}: stopped")
