"""The edge's line to the cloud: an offloaded decision within its deadline, and new models."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc
import grpc.aio
import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ArtefactError
from ddnn.runtime.ddnn_pb2 import Allocation, DescribeRequest, FileRequest, Offload
from ddnn.runtime.ddnn_pb2_grpc import CloudStub
from ddnn.runtime.manifest import MANIFEST, bundle_files, model_id, verify
from ddnn.runtime.model_store import ModelStore
from ddnn.runtime.payload import RESYNC, UNKNOWN_MODEL, PayloadError, Sender, from_bytes
from ddnn.runtime.security import open_channel, read_token, token_metadata
from ddnn.runtime.served import EDGE
from ddnn.serve_settings import LinkSettings, Payload

Floats = NDArray[np.float32]

_DESCRIBE_SECONDS = 2.0
_FETCH_SECONDS = 60.0


class NoAnswerError(Exception):
    """The cloud gave no answer that can be used; ``reason`` is one word for the metrics."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


class CloudLink:
    """One edge's line to the cloud. It connects when it is needed, and again after a failure."""

    def __init__(
        self,
        edge: str,
        address: str,
        link: LinkSettings,
        payload: Payload,
        session: int,
        count: Callable[[str, int], None],
    ) -> None:
        """Set up; nothing is sent yet.

        Args:
            edge: Name of this edge.
            address: Of the cloud.
            link: Bounds and certificates.
            payload: What is sent.
            session: Another number after each start.
            count: Told of bytes ``out`` and ``in``.

        Raises:
            ParamsError: The certificates do not serve.
        """
        self._edge = edge
        self._sender = Sender(payload, session)
        self._count = count
        self._link = link
        self._metadata = token_metadata(read_token(link))
        self._channel = open_channel(
            link,
            address,
            [
                ("grpc.max_receive_message_length", link.message_bytes),
                # A cloud that comes back is found within a second.
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 1000),
                ("grpc.keepalive_time_ms", 20_000),
                ("grpc.keepalive_timeout_ms", 5_000),
                # Several edges of one process are several clients.
                ("grpc.use_local_subchannel_pool", 1),
            ],
        )
        self._stub = CloudStub(self._channel)  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """Close the line."""
        await self._channel.close()

    async def allocate(
        self,
        model: str,
        slot: int,
        window: Floats | None,
        z: Floats,
        answer: tuple[int, ...],
        deadline: float,
    ) -> Floats:
        """Ask for the remote exit's answer, y_R (1, M), scaled, or what it predicts (1, 2, M).

        Args:
            model: Id of the model that made z.
            slot: Number of the slot to allocate.
            window: D (1, N, M), scaled; None: the model's payload is z alone.
            z: What travels (1, ...).
            answer: Shape of the answer.
            deadline: By the event loop's clock: what gRPC tells the cloud, too.

        Raises:
            NoAnswerError: There is none in time, or none that can be used.
        """
        try:
            return await self._ask(model, slot, window, z, answer, deadline)
        except NoAnswerError as failure:
            if failure.reason != RESYNC:
                raise
        self._sender.forget()
        return await self._ask(model, slot, window, z, answer, deadline)

    async def current_model(self) -> str:
        """Ask which model an edge should take; empty: the cloud has none yet.

        Raises:
            NoAnswerError: The cloud is away.
        """
        try:
            models = await self._stub.Describe(
                DescribeRequest(), timeout=_DESCRIBE_SECONDS, metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            raise NoAnswerError(_reason(error), error.details() or "") from error
        return str(models.current)

    async def pull(self, model: str, store: ModelStore) -> Path:
        """Bring a model's edge half into the store, each byte held against its hash.

        Raises:
            NoAnswerError: The cloud is away.
            ArtefactError: What came is not that model, or larger than is taken.
        """
        place = store.folder(model)
        with store.adding(model) as draft:
            budget = self._link.bundle_bytes
            budget -= await self._fetch(model, MANIFEST, draft, budget)
            if model_id((draft / MANIFEST).read_bytes().decode("utf-8", "replace")) != model:
                raise ArtefactError(f"the cloud sent a manifest that is not that of model {model}")
            for name in bundle_files(draft):
                if name.startswith(f"{EDGE}/"):
                    budget -= await self._fetch(model, name, draft, budget)
            await asyncio.to_thread(verify, draft, EDGE)
        return place

    async def _fetch(self, model: str, name: str, folder: Path, budget: int) -> int:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        try:
            with path.open("wb") as file:
                call = self._stub.Fetch(
                    FileRequest(model=model, name=name),
                    timeout=_FETCH_SECONDS,
                    metadata=self._metadata,
                )
                async for chunk in call:
                    size += len(chunk.data)
                    if size > budget:
                        call.cancel()
                        raise ArtefactError(
                            f"model {model}: larger than serve.link.bundle_bytes "
                            f"({self._link.bundle_bytes})"
                        )
                    file.write(chunk.data)
        except grpc.aio.AioRpcError as error:
            raise NoAnswerError(_reason(error), error.details() or "") from error
        return size

    async def _ask(
        self,
        model: str,
        slot: int,
        window: Floats | None,
        z: Floats,
        answer: tuple[int, ...],
        deadline: float,
    ) -> Floats:
        request = Offload(edge=self._edge, model=model, slot=slot)
        self._sender.fill(request, window, z)
        self._count("out", request.ByteSize())
        left = deadline - asyncio.get_running_loop().time()
        try:
            reply = await self._stub.Allocate(
                request, timeout=max(left, 0.0), metadata=self._metadata
            )
        except grpc.aio.AioRpcError as error:
            raise NoAnswerError(_reason(error), error.details() or "") from error
        self._count("in", reply.ByteSize())
        y = self._checked(reply, request, answer)
        self._sender.delivered(request)
        return y

    def _checked(self, reply: Allocation, request: Offload, shape: tuple[int, ...]) -> Floats:
        if reply.model != request.model:
            raise NoAnswerError(
                "wrong_model", f"asked for {request.model}, got {reply.model!r:.20}"
            )
        if reply.slot != request.slot:
            raise NoAnswerError("garbage", f"asked for slot {request.slot}, got {reply.slot}")
        try:
            return from_bytes(reply.allocation, (1, *shape), "allocation")
        except PayloadError as error:
            raise NoAnswerError("garbage", str(error)) from error


_REASONS = {
    grpc.StatusCode.DEADLINE_EXCEEDED: "late",
    grpc.StatusCode.UNAVAILABLE: "away",
    grpc.StatusCode.CANCELLED: "away",
    grpc.StatusCode.INTERNAL: "garbage",
    grpc.StatusCode.UNKNOWN: "garbage",
    grpc.StatusCode.UNIMPLEMENTED: "garbage",
    grpc.StatusCode.UNAUTHENTICATED: "not_allowed",
    grpc.StatusCode.PERMISSION_DENIED: "not_allowed",
}


def _reason(error: grpc.aio.AioRpcError) -> str:
    detail = error.details() or ""
    if detail == RESYNC:
        return RESYNC
    if detail.startswith(UNKNOWN_MODEL):
        return "wrong_model"
    return _REASONS.get(error.code(), "refused")
