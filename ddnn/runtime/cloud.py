"""The cloud process: answers offloaded decisions of many edges, and hands out models."""

import asyncio
import logging
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import grpc
import grpc.aio
import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ArtefactError, DdnnError
from ddnn.runtime.batching import Batcher, FullError
from ddnn.runtime.ddnn_pb2 import (
    Allocation,
    DescribeRequest,
    FileChunk,
    FileRequest,
    Models,
    Offload,
)
from ddnn.runtime.half import CloudSide, load_cloud
from ddnn.runtime.manifest import MANIFEST, bundle_files, read_origin
from ddnn.runtime.model_store import ModelStore
from ddnn.runtime.payload import (
    RESYNC,
    UNKNOWN_MODEL,
    OutOfSyncError,
    PayloadError,
    Windows,
    decode,
    to_bytes,
)
from ddnn.runtime.served import EDGE
from ddnn.runtime.telemetry import CloudMetrics, say
from ddnn.serve_settings import CloudSettings

Floats = NDArray[np.float32]

_CHUNK = 256 * 1024
_SILENT_SECONDS = 600.0  # after which an edge's place may be given to another
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, eq=False)
class _Work:
    half: CloudSide
    z: Floats | None
    D: Floats | None


class RefusedError(Exception):
    """A request is not answered; the code and the text go to the edge."""

    def __init__(self, code: grpc.StatusCode, result: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.result, self.detail = code, result, detail


class CloudServicer:
    """The service ``Cloud`` of ddnn.proto."""

    def __init__(self, store: ModelStore, settings: CloudSettings, metrics: CloudMetrics) -> None:
        """Set up without a model; call it inside the event loop."""
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._models: OrderedDict[str, CloudSide] = OrderedDict()
        self._current = ""
        self._windows = Windows(settings.max_clients)
        self._heard: OrderedDict[str, float] = OrderedDict()
        self._batcher: Batcher[_Work, Floats] = Batcher(
            self._run, settings.max_batch, settings.max_queue
        )
        self._failed = ""

    @property
    def ready(self) -> bool:
        """Whether there is a model."""
        return bool(self._current)

    async def refresh(self) -> bool:
        """Take up the model that the store names now; say whether that changed anything.

        The one before goes on being served until its edges have followed. A model that cannot be
        loaded changes nothing, and is said once.
        """
        wanted = ""
        try:
            wanted = self._store.current() or ""
            if not wanted or wanted == self._current:
                self._failed = ""
                return False
            if wanted not in self._models:
                half = await asyncio.to_thread(
                    load_cloud, self._store.folder(wanted), self._settings.threads
                )
                if half.facts.model != wanted:
                    raise ArtefactError(f"{half.folder}: is model {half.facts.model}")
                await asyncio.to_thread(half.warm)
                self._models[wanted] = half
        except DdnnError as error:
            if self._failed != str(error):
                self._failed = str(error)
                self._metrics.swaps.labels("failed").inc()
                say("model refused", logging.ERROR, model=wanted, reason=str(error))
            return False
        self._models.move_to_end(wanted)
        before, self._current = self._current, wanted
        while len(self._models) > self._settings.keep_models:
            old, _ = self._models.popitem(last=False)
            self._metrics.model.remove(old)
        self._metrics.model.labels(wanted).set(1)
        self._metrics.swaps.labels("done").inc()
        origin = read_origin(self._models[wanted].folder)
        say("model", model=wanted, before=before, served=list(self._models), origin=origin)
        return True

    async def Allocate(self, request: Offload, context: grpc.aio.ServicerContext) -> Allocation:
        """Answer one offloaded decision."""
        began = time.perf_counter()
        self._metrics.bytes.labels("in").inc(request.ByteSize())
        try:
            reply = await self._allocate(request)
        except RefusedError as refusal:
            self._metrics.requests.labels(refusal.result).inc()
            await context.abort(refusal.code, refusal.detail)
            raise AssertionError("abort raises") from refusal
        except asyncio.CancelledError:
            self._metrics.requests.labels("given_up").inc()
            raise
        self._metrics.bytes.labels("out").inc(reply.ByteSize())
        self._metrics.requests.labels("answered").inc()
        self._metrics.seconds.observe(time.perf_counter() - began)
        return reply

    async def Describe(self, request: DescribeRequest, context: grpc.aio.ServicerContext) -> Models:
        """Name the models."""
        return Models(current=self._current, served=list(self._models))

    async def Fetch(
        self, request: FileRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[FileChunk]:
        """Send a file of a served model's edge half, or its manifest."""
        half = self._models.get(request.model)
        ours = request.name == MANIFEST or request.name.startswith(f"{EDGE}/")
        if (
            half is None
            or not ours
            or (request.name != MANIFEST and request.name not in bundle_files(half.folder))
        ):
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such file of a served model")
            return
        data = await asyncio.to_thread((half.folder / request.name).read_bytes)
        for start in range(0, max(len(data), 1), _CHUNK):
            yield FileChunk(data=data[start : start + _CHUNK])

    async def close(self) -> None:
        """Stop; call it when no request is left."""
        await self._batcher.close()

    async def _allocate(self, request: Offload) -> Allocation:
        code = grpc.StatusCode
        self._welcome(request.edge)
        half = self._models.get(request.model)
        if half is None:
            raise RefusedError(
                code.NOT_FOUND,
                "unknown_model",
                f"{UNKNOWN_MODEL} {request.model!r:.20}; served: {', '.join(self._models)}",
            )
        facts = half.facts
        try:
            if request.WhichOneof("payload") in ("demand", "rows") and not half.takes_demand:
                raise PayloadError("this model takes latent or latent_int8: demand is not enough")
            z, D = decode(request, half.latent_shape, facts.N, facts.vnfs, self._windows)
        except PayloadError as error:
            raise RefusedError(code.INVALID_ARGUMENT, "bad_payload", str(error)) from error
        except OutOfSyncError as error:
            raise RefusedError(code.FAILED_PRECONDITION, RESYNC, RESYNC) from error
        self._metrics.queue.set(len(self._batcher))
        try:
            y = await self._batcher.submit(_Work(half, z, D))
        except FullError as error:
            raise RefusedError(
                code.RESOURCE_EXHAUSTED,
                "queue_full",
                f"{self._settings.max_queue} decisions wait already (serve.cloud.max_queue)",
            ) from error
        return Allocation(model=facts.model, slot=request.slot, allocation=to_bytes(y))

    def _run(self, batch: Sequence[_Work]) -> list[Floats]:
        """Give the remote exit's answer to each; runs in the batcher's thread."""
        self._metrics.batch.observe(len(batch))
        results: dict[int, Floats] = {}
        for half in {id(work.half): work.half for work in batch}.values():
            rows = [row for row, work in enumerate(batch) if work.half is half]
            z = {row: z for row in rows if (z := batch[row].z) is not None}
            windows = {row: D for row in rows if (D := batch[row].D) is not None}
            if windows:
                z |= dict(zip(windows, half.latent(np.stack(list(windows.values()))), strict=True))
            results |= dict(zip(z, half.remote(np.stack(list(z.values()))), strict=True))
        return [results[row] for row in range(len(batch))]

    def _welcome(self, edge: str) -> None:
        if not _NAME.fullmatch(edge):
            raise RefusedError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "bad_name",
                "edge: a name of 1 to 64 letters, digits, '_', '.' and '-' is needed",
            )
        now = time.monotonic()
        while self._heard and now - next(iter(self._heard.values())) > _SILENT_SECONDS:
            self._heard.popitem(last=False)
        if edge not in self._heard and len(self._heard) >= self._settings.max_clients:
            raise RefusedError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "too_many_edges",
                f"{len(self._heard)} edges are served already (serve.cloud.max_clients)",
            )
        self._heard[edge] = now
        self._heard.move_to_end(edge)
        self._metrics.clients.set(len(self._heard))
