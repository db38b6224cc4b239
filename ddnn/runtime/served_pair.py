"""Starts a cloud and edges as processes on loopback: for the replay, the demo and the benchmark."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ModelError
from ddnn.runtime.model_store import ModelStore
from ddnn.serve_settings import ServeSettings

_START_SECONDS = 60.0


@dataclass
class Running:
    """A process that serves."""

    popen: "subprocess.Popen[bytes]"
    log: Path
    port: int = 0
    metrics_port: int = 0

    def wait_for(self, event: str) -> dict[str, Any]:
        """Wait until it has logged an event, and give that line.

        Raises:
            ModelError: It ended before that, or takes too long.
        """
        end = time.monotonic() + _START_SECONDS
        while True:
            for text in self.log.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError):  # the last line may be half written
                    line: dict[str, Any] = json.loads(text)
                    if line.get("event") == event:
                        return line
            if self.popen.poll() is not None or time.monotonic() > end:
                said = self.log.read_text(encoding="utf-8").strip().splitlines()
                raise ModelError(f"a process did not start: {said[-1] if said else self.log}")
            time.sleep(0.02)

    def metrics(self) -> dict[str, float]:
        """Read its Prometheus page."""
        with urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as page:
            lines = page.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def resident_mb(self) -> float:
        """Read its resident memory (Linux)."""
        text = Path(f"/proc/{self.popen.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", text)
        return int(found[1]) / 1024 if found else float("nan")

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


class ServedPair:
    """A folder in which a cloud and edges run; they end with the block."""

    def __init__(
        self, root: Path, settings: ServeSettings, bundle: Path, python: Path | None = None
    ) -> None:
        """Set up the folder, with the bundle as the cloud's model.

        Args:
            root: Of logs, settings, models and states.
            settings: Of the processes.
            bundle: An exported model.
            python: Of another environment, where ddnn is installed; None: this one.

        Raises:
            ArtefactError: That is no bundle.
        """
        self.root = root
        self.store = ModelStore(root / "cloud-models")
        self.model = self.store.publish(bundle)
        self._settings = root / "serve.json"
        self._settings.write_text(settings.to_json(), encoding="utf-8")
        self._running: list[Running] = []
        self._python = str(python or sys.executable)
        self._where: dict[str, Any] = {}
        if python is not None:  # not this checkout's ddnn
            clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            self._where = {"cwd": root, "env": clean}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in reversed(self._running):
            process.stop()

    def cloud(self, **sets: Any) -> Running:
        """Start the cloud on free ports, with other settings of the group ``cloud``."""
        chosen = {"listen": "127.0.0.1:0", "metrics": "127.0.0.1:0", **sets}
        return self._start("cloud", chosen, "cloud", [f"--models={self.store.root}"])

    def edge(self, name: str, cloud_port: int, **sets: Any) -> Running:
        """Start an edge on free ports, and wait until it has its model."""
        chosen = {
            "listen": "127.0.0.1:0",
            "metrics": "127.0.0.1:0",
            "cloud": f"127.0.0.1:{cloud_port}",
            **sets,
        }
        models = ModelStore(self.root / f"{name}-models")
        more = [f"--models={models.root}", f"--name={name}", f"--state={self.root / name}"]
        process = self._start("edge", chosen, name, more)
        process.wait_for("model")
        return process

    @staticmethod
    def stop_one(process: Running) -> None:
        """End a single process."""
        process.stop()

    def _start(self, kind: str, sets: Mapping[str, Any], name: str, more: Sequence[str]) -> Running:
        log = self.root / f"{name}-{len(self._running)}.log"
        chosen = [f"--set={kind}.{key}={json.dumps(value)}" for key, value in sets.items()]
        command = [self._python, "-m", f"ddnn.runtime.{kind}_command"]
        with log.open("wb") as file:
            popen = subprocess.Popen(
                [*command, f"--settings={self._settings}", *chosen, *more],
                stderr=file,
                **self._where,
            )
        process = Running(popen, log)
        self._running.append(process)
        told = process.wait_for("serving")
        process.port, process.metrics_port = told["port"], told["metrics_port"]
        return process


@contextlib.contextmanager
def edge_client(process: Running) -> Iterator[Any]:
    """Give a caller of an edge: ``decide(start, values)``."""
    import grpc

    from ddnn.runtime.ddnn_pb2 import DemandVector
    from ddnn.runtime.ddnn_pb2_grpc import EdgeStub

    with grpc.insecure_channel(f"127.0.0.1:{process.port}") as channel:
        stub = EdgeStub(channel)  # type: ignore[no-untyped-call]

        def decide(start: int, values: NDArray[np.float64]) -> Any:
            return stub.Decide(DemandVector(time=start, demand=values.tolist()), timeout=30)

        yield decide
