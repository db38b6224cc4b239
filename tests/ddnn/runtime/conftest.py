"""Starts the real processes on loopback, each with a port of its own."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import numpy as np
import pytest
from numpy.typing import ArrayLike

from ddnn.demand import Demand, read_demand
from ddnn.params import load_params
from ddnn.runtime.ddnn_pb2 import Decision, DemandVector, EdgeStatus, StatusRequest
from ddnn.runtime.ddnn_pb2_grpc import EdgeStub
from ddnn.runtime.model_store import ModelStore
from tasks.stage import Stage

ROOT = Path(__file__).parents[3]


@dataclass
class Process:
    """A running ddnn-edge or ddnn-cloud."""

    popen: "subprocess.Popen[str]"
    log: Path
    port: int = 0
    metrics_port: int = 0
    channels: list[grpc.Channel] = field(default_factory=list)

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Give its log, or the lines of one event."""
        told = []
        for text in self.log.read_text().splitlines():
            with contextlib.suppress(ValueError):  # the last one may be half written
                told.append(json.loads(text))
        return [line for line in told if event is None or line["event"] == event]

    def wait_for(self, event: str, count: int = 1, seconds: float = 20) -> dict[str, Any]:
        """Wait until it has logged an event so often."""
        end = time.monotonic() + seconds
        while len(found := self.lines(event)) < count:
            if time.monotonic() > end or (self.popen.poll() is not None):
                raise AssertionError(f"no {event}: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)
        return found[-1]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait for its end."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.popen.wait(20)

    def metrics(self) -> dict[str, float]:
        """Read its Prometheus page."""
        with urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as page:
            lines = page.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def decide(self, start: int, values: ArrayLike, timeout: float = 10) -> Decision:
        """Give an edge the demand of a slot."""
        if not self.channels:
            self.channels.append(grpc.insecure_channel(f"127.0.0.1:{self.port}"))
        vector = DemandVector(time=start, demand=np.asarray(values).tolist())
        return EdgeStub(self.channels[0]).Decide(vector, timeout=timeout)

    def status(self) -> EdgeStatus:
        """Ask an edge what it knows."""
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            return EdgeStub(channel).Status(StatusRequest(), timeout=5)


class Field:
    """A folder with settings and models, and the processes that run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.running: list[Process] = []
        serve = load_params(ROOT / "params.yaml").serve
        self.settings = root / "serve.json"
        self.settings.write_text(serve.to_json())
        self.store = ModelStore(root / "cloud-models")
        self._base = [
            *("edge.listen=127.0.0.1:0", "edge.metrics=127.0.0.1:0"),
            *("cloud.listen=127.0.0.1:0", "cloud.metrics=127.0.0.1:0"),
            *("edge.poll_seconds=0.2", "cloud.poll_seconds=0.1", "edge.deadline_ms=1000"),
        ]

    def command(self, kind: str, sets: tuple[str, ...], *more: str) -> list[str]:
        """Give the command line of a process."""
        chosen = [f"--set={text}" for text in (*self._base, *sets)]
        module = f"ddnn.runtime.{kind}_command"
        return [sys.executable, "-m", module, f"--settings={self.settings}", *chosen, *more]

    def start(self, kind: str, name: str, *sets: str, ready: bool = True) -> Process:
        """Start a process and wait until it serves."""
        models = self.store.root if kind == "cloud" else self.root / f"{name}-models"
        more = [f"--models={models}"]
        if kind == "edge":
            more += [f"--name={name}", f"--state={self.root / 'state'}"]
        log = self.root / f"{name}-{len(self.running)}.log"
        with log.open("w") as file:
            popen = subprocess.Popen(
                self.command(kind, sets, *more), cwd=ROOT, stderr=file, text=True
            )
        process = Process(popen, log)
        self.running.append(process)
        told = process.wait_for("serving")
        process.port, process.metrics_port = told["port"], told["metrics_port"]
        if ready and not told["ready"]:
            process.wait_for("model")
        return process

    def pair(self, bundle: Path, *sets: str) -> tuple[Process, Process]:
        """Start a cloud and an edge that has its model."""
        self.store.publish(bundle)
        cloud = self.start("cloud", "cloud", *(text for text in sets if text[:4] != "edge"))
        return cloud, self.start("edge", "a", f"edge.cloud=127.0.0.1:{cloud.port}", *sets)

    def stop(self) -> None:
        """Kill what still runs."""
        for process in self.running:
            for channel in process.channels:
                channel.close()
            if process.popen.poll() is None:
                process.popen.kill()
            process.popen.wait()


@pytest.fixture
def make_field(tmp_path: Path) -> Iterator[Callable[[], Field]]:
    """Give a maker of fields whose processes end with the test."""
    fields: list[Field] = []

    def make() -> Field:
        root = tmp_path / f"field{len(fields)}"
        root.mkdir()
        fields.append(Field(root))
        return fields[-1]

    yield make
    for made in fields:
        made.stop()


@pytest.fixture
def field_(make_field: Callable[[], Field]) -> Field:
    """Give one field."""
    return make_field()


@pytest.fixture(scope="session")
def tiny_demand(tiny_stage: Stage, tiny_bundle: Path) -> Demand:
    """Give the demand of the tiny model."""
    return read_demand(tiny_stage.inputs["download"])
