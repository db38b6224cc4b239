"""Times of one decision's parts on this machine: what Table IV's formula adds up."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc.aio
import numpy as np

from ddnn.evaluation.latency import Times
from ddnn.runtime.ddnn_pb2 import Offload
from ddnn.runtime.ddnn_pb2_grpc import CloudStub
from ddnn.runtime.payload import Sender, from_bytes
from ddnn.runtime.security import open_channel
from ddnn.runtime.served import CloudHalf, EdgeHalf
from ddnn.serve_settings import ServeSettings

PAUSE_SECONDS = 0.02
"""Between decisions, which are minutes apart: the edge has saved its state by then."""


@dataclass(frozen=True)
class LayerTimes:
    """Mean times of one decision's parts on this machine, one thread, in ms.

    Means, because Table IV is of means: on a shared machine they lie well above the medians.
    """

    rule_ms: float
    """The gate with F0, less F0."""
    layers: Times
    """Its round trip is that of a bare call with the same payload, less F2."""


class PartTimer:
    """Times the parts when asked to: they share the quick and slow hours of a replay.

    In the rhythm of the service, a pause before each decision: after it the caches have forgotten
    the weights, which a part that runs over and over finds there.
    """

    def __init__(
        self, bundle: Path, settings: ServeSettings, port: int, rule: str | None, l0: float | None
    ) -> None:
        """Load both halves; the cloud at ``port`` of loopback is called, line and all."""
        self._edge = EdgeHalf(bundle, rule, l0, settings.edge.precision)
        self._cloud = CloudHalf(bundle)
        facts = self._edge.facts
        self._window = np.full((1, facts.N, facts.vnfs), 0.5, dtype=np.float32)
        self._z = self._cloud.latent(self._window)
        self._sender = Sender(settings.edge.payload, 1)
        self._runner = asyncio.Runner()
        self._channel = self._runner.run(self._open(settings, port))
        self._calls = 0
        self._spent: dict[str, list[float]] = {
            name: [] for name in ("first", "f0", "f1", "f2", "call")
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._channel.close())
        self._runner.close()

    def sample(self, decisions: int) -> None:
        """Time each part so many times."""
        for _ in range(decisions):
            self._pace(
                first=lambda: self._edge.first(self._window, 0),
                f1=lambda: self._edge.local(self._z),
            )
            self._pace(
                f0=lambda: self._cloud.latent(self._window),
                f2=lambda: self._cloud.remote(self._z),
            )
        self._runner.run(self._call(decisions))

    def times(self) -> LayerTimes:
        """Give the means of all samples."""
        mean = {name: 1000 * float(np.mean(values)) for name, values in self._spent.items()}
        trip = max(0.0, mean["call"] - mean["f2"])
        return LayerTimes(
            max(0.0, mean["first"] - mean["f0"]), Times(mean["f0"], mean["f1"], mean["f2"], trip)
        )

    def _pace(self, **parts: Callable[[], object]) -> None:
        time.sleep(PAUSE_SECONDS)
        for name, part in parts.items():
            began = time.perf_counter()
            part()
            self._spent[name].append(time.perf_counter() - began)

    async def _open(self, settings: ServeSettings, port: int) -> grpc.aio.Channel:
        return open_channel(settings.link, f"127.0.0.1:{port}", [])

    async def _call(self, calls: int) -> None:
        """Call the cloud as an edge does, and no more: two processes wake up for it."""
        stub = CloudStub(self._channel)  # type: ignore[no-untyped-call]
        facts = self._edge.facts
        for _ in range(calls):
            await asyncio.sleep(PAUSE_SECONDS)
            self._calls += 1
            began = time.perf_counter()
            message = Offload(edge="bare", model=facts.model, slot=self._calls)
            self._sender.fill(message, self._window, self._z)
            reply = await stub.Allocate(message, timeout=10)
            from_bytes(reply.allocation, (1, facts.vnfs), "allocation")
            self._spent["call"].append(time.perf_counter() - began)
            self._sender.delivered(message)
