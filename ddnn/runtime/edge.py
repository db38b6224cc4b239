"""The edge process: its service, its state on disk, and its way to new models."""

import asyncio
import contextlib
import logging
from pathlib import Path

import grpc
import grpc.aio
import numpy as np

from ddnn.errors import ArtefactError, DdnnError, DemandError, ModelError
from ddnn.runtime.cloud_link import CloudLink, NoAnswerError
from ddnn.runtime.ddnn_pb2 import Decision, DemandVector, EdgeStatus, Exit, StatusRequest
from ddnn.runtime.decider import Answer, Decider, give_way
from ddnn.runtime.half import load_edge
from ddnn.runtime.model_store import ModelStore
from ddnn.runtime.state_file import Saver, read_state
from ddnn.runtime.telemetry import EdgeMetrics, say
from ddnn.serve_settings import EdgeSettings

_EXITS = {
    "local": Exit.EXIT_LOCAL,
    "remote": Exit.EXIT_REMOTE,
    "fallback": Exit.EXIT_FALLBACK,
    "cold": Exit.EXIT_COLD,
}


class EdgeServicer:
    """The service ``Edge`` of ddnn.proto."""

    def __init__(
        self,
        decider: Decider,
        link: CloudLink,
        store: ModelStore,
        state: Path,
        settings: EdgeSettings,
        metrics: EdgeMetrics,
    ) -> None:
        """Set up without a model.

        Args:
            decider: What decides.
            link: The line to the cloud.
            store: The models that this edge has.
            state: File with what survives a restart.
            settings: Of the edge.
            metrics: Of the edge.
        """
        self._decider = decider
        self._link = link
        self._store = store
        self._state = state
        self._settings = settings
        self._metrics = metrics
        self._lock = asyncio.Lock()
        self._saver = Saver(state, self._not_saved)
        self._working: set[asyncio.Task[None]] = set()
        self._look = asyncio.Event()
        self.has_model = asyncio.Event()
        """Set once there is a model."""
        self._said = ""

    @property
    def ready(self) -> bool:
        """Whether there is a model."""
        return self._decider.half is not None

    async def start(self) -> None:
        """Take up the model and the state that the last process left, if there are any."""
        try:
            model = self._store.current()
            if model is not None:
                await self._use(model)
        except DdnnError as error:
            # The cloud may have a sound one: an edge that has lost its copy asks for it.
            say("model refused", logging.ERROR, reason=str(error))

    async def Decide(self, request: DemandVector, context: grpc.aio.ServicerContext) -> Decision:
        """Take a slot's demand and allocate for the next one."""
        loop = asyncio.get_running_loop()
        arrived, answered = loop.time(), loop.create_future()
        # A task of its own: a caller that hangs up does not leave a slot half decided.
        work = asyncio.ensure_future(self._decide(request, arrived, answered))
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        try:
            answer = await answered
        except DemandError as error:
            self._metrics.refused.labels("bad_demand").inc()
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except ModelError as error:
            self._metrics.refused.labels("no_model").inc()
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return self._reply(answer)

    async def Status(self, request: StatusRequest, context: grpc.aio.ServicerContext) -> EdgeStatus:
        """Tell what the edge knows, and what it wants to be told."""
        half, history = self._decider.half, self._decider.history
        if half is None or history is None:
            return EdgeStatus()
        facts = half.facts
        return EdgeStatus(
            model=facts.model,
            newest=history.newest or 0,
            slots=len(history),
            needed=half.needed,
            wanted=half.wanted,
            series=facts.series,
            slot_seconds=facts.slot_seconds,
            unit=facts.unit,
        )

    async def follow_models(self) -> None:
        """Look for a newer model now and then, for as long as the process runs."""
        while True:
            await self._follow_once()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.poll_seconds):
                    await self._look.wait()
            self._look.clear()

    async def close(self) -> None:
        """Wait until the state is on disk."""
        await asyncio.gather(*self._working)
        await self._saver.settle()

    async def _decide(
        self, request: DemandVector, arrived: float, answered: "asyncio.Future[Answer]"
    ) -> None:
        async with self._lock:
            await self._saver.settle(self._settings.deadline_ms / 4000)
            try:
                demand = np.array(request.demand, dtype=np.float64)
                answer = await self._decider.decide(request.time, demand, arrived)
            except Exception as error:
                if not answered.cancelled():
                    answered.set_exception(error)
                return
            if not answered.cancelled():
                answered.set_result(answer)
            if answer.repeated:
                return
            await give_way()
            self._decider.account(answer)
            self._saver.save(self._decider.to_json())
        if answer.reason == "wrong_model":
            self._look.set()

    def _not_saved(self, error: Exception) -> None:
        self._metrics.saves.inc()
        say("state not saved", logging.ERROR, file=str(self._state), reason=str(error))

    async def _follow_once(self) -> None:
        try:
            model = await self._link.current_model()
            if not model or (self.ready and model == self._model):
                return
            if not self._store.folder(model).is_dir():
                await self._link.pull(model, self._store)
            await self._use(model)
            self._store.choose(model)
            self._said = ""
        except NoAnswerError as failure:
            self._complain("cloud away", failure.reason)
        except DdnnError as error:
            self._metrics.swaps.labels("failed").inc()
            self._complain("model refused", str(error))

    def _complain(self, event: str, reason: str) -> None:
        if self._said != reason:  # once, not at every look
            self._said = reason
            say(event, logging.WARNING, reason=reason)

    async def _use(self, model: str) -> None:
        settings = self._settings
        half = await asyncio.to_thread(load_edge, self._store.folder(model), settings)
        if half.facts.model != model:
            raise ArtefactError(f"{self._store.folder(model)}: is model {half.facts.model}")
        async with self._lock:
            first, before = not self.ready, self._model
            self._decider.take_model(half)
            if first:
                self._restore()
        if before and before != model:
            self._metrics.model.remove(before)
        self.has_model.set()
        self._metrics.model.labels(model).set(1)
        self._metrics.swaps.labels("done").inc()
        say("model", model=model, before=before, rule=half.rule, l0=half.l0)

    def _restore(self) -> None:
        try:
            values = read_state(self._state)
            if values is not None:
                self._decider.restore(values)
        except ArtefactError as error:
            aside = self._state.with_name(f"{self._state.name}.unusable")
            with contextlib.suppress(OSError):
                self._state.replace(aside)
            say("cold start", logging.ERROR, reason=str(error), kept_as=str(aside))

    @property
    def _model(self) -> str:
        half = self._decider.half
        return "" if half is None else half.facts.model

    def _reply(self, answer: Answer) -> Decision:
        return Decision(
            time=answer.time,
            allocation=() if self._settings.shadow else answer.allocation,
            exit=_EXITS[answer.exit],
            reason=answer.reason,
            model=answer.model,
            score=answer.score,
            threshold=answer.threshold,
            shadow=self._settings.shadow,
            repeated=answer.repeated,
            milliseconds=answer.milliseconds,
            price=answer.price,
            unknown=answer.unknown,
        )
