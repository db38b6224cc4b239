"""Times of one decision's parts on this machine: what Table IV's formula adds up."""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar, TypeVarTuple

import grpc.aio
import numpy as np
from numpy.typing import NDArray

from ddnn.evaluation.latency import Times
from ddnn.runtime.ddnn_pb2 import Offload
from ddnn.runtime.ddnn_pb2_grpc import CloudStub
from ddnn.runtime.half import CloudSide, Half
from ddnn.runtime.payload import Sender, from_bytes
from ddnn.runtime.security import open_channel
from ddnn.serve_settings import ServeSettings

PAUSE_SECONDS = 0.02
"""Between decisions, which are minutes apart: the edge has saved its state by then."""

_Given = TypeVarTuple("_Given")
_Result = TypeVar("_Result")


class PartTimer:
    """Times the parts when asked to: they share the quick and slow hours of a replay.

    In the rhythm of the service, a pause before each decision: after it the caches have forgotten
    the weights, which a part that runs over and over finds there.
    """

    def __init__(
        self,
        edge: Half,
        cloud: CloudSide,
        settings: ServeSettings,
        port: int,
        rows: NDArray[np.float64],
        slot_start: int,
    ) -> None:
        """Get ready to call the cloud at ``port`` of loopback, line and all.

        Args:
            edge: The edge half.
            cloud: The cloud half, whose layers are timed here.
            settings: Of the processes.
            port: Of the cloud, or of a line to it.
            rows: History (T, M) in the user's unit that every decision looks at, the newest last.
            slot_start: Start of the slot after it, epoch seconds.
        """
        self._edge, self._cloud = edge, cloud
        self._seen = rows, slot_start
        self._first = edge.see(*self._seen)
        self._sent = edge.travels(self._first, *self._seen)
        self._reply = cloud.remote(self._sent)
        self._sender = Sender(settings.edge.payload, 1)
        self._runner = asyncio.Runner()
        self._channel = self._runner.run(self._open(settings, port))
        self._calls = 0
        self._spent: dict[str, list[float]] = {
            name: [] for name in ("see", "here", "travels", "there", "remote", "call")
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
            time.sleep(PAUSE_SECONDS)
            first = self._time("see", self._edge.see, *self._seen)
            self._time("here", self._edge.here, first)
            time.sleep(PAUSE_SECONDS)
            first = self._edge.see(*self._seen)
            self._time("travels", self._edge.travels, first, *self._seen)
            self._time("remote", self._cloud.remote, self._sent)
            self._time("there", self._edge.there, first, self._reply)
        self._runner.run(self._call(decisions))

    def times(self) -> Times:
        """Give the means of all samples, as Table IV counts them.

        Means, because Table IV is of means: on a shared machine they lie well above the medians.
        F0 has the rule and what both read with it, the round trip what the edge does for it.
        """
        mean = {name: 1000 * float(np.mean(values)) for name, values in self._spent.items()}
        trip = max(0.0, mean["call"] - mean["remote"])
        return Times(
            f0_ms=mean["see"],
            f1_ms=mean["here"],
            f2_ms=mean["remote"],
            rtt_ms=trip + mean["travels"] + mean["there"],
        )

    def _time(self, name: str, part: Callable[[*_Given], _Result], *given: *_Given) -> _Result:
        began = time.perf_counter()
        result = part(*given)
        self._spent[name].append(time.perf_counter() - began)
        return result

    async def _open(self, settings: ServeSettings, port: int) -> grpc.aio.Channel:
        return open_channel(settings.link, f"127.0.0.1:{port}", [])

    async def _call(self, calls: int) -> None:
        """Call the cloud as an edge does, and no more: two processes wake up for it."""
        stub = CloudStub(self._channel)  # type: ignore[no-untyped-call]
        model = self._edge.facts.model
        for _ in range(calls):
            await asyncio.sleep(PAUSE_SECONDS)
            self._calls += 1
            began = time.perf_counter()
            message = Offload(edge="bare", model=model, slot=self._calls)
            self._sender.fill(message, self._first.window, self._sent)
            reply = await stub.Allocate(message, timeout=10)
            from_bytes(reply.allocation, (1, *self._edge.answer_shape), "allocation")
            self._spent["call"].append(time.perf_counter() - began)
            self._sender.delivered(message)
