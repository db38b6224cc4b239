"""The edge's decisions: a demand vector a slot in, an allocation out, whatever the cloud does."""

import asyncio
import time
from collections import deque
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ddnn.cost import violation_rate
from ddnn.errors import ArtefactError, ModelError
from ddnn.offload.calibration import threshold_to_json
from ddnn.offload.tracker import ThresholdTracker
from ddnn.runtime.cloud_link import NoAnswerError
from ddnn.runtime.half import Half
from ddnn.runtime.history import History, RepeatedError
from ddnn.runtime.served import First, Served
from ddnn.runtime.telemetry import EdgeMetrics, say
from ddnn.serve_settings import EdgeSettings

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_DAY_SECONDS = 86_400
_FEW = 20  # scores, below which no drift is told
_WAY_OUT = 0.1  # of the deadline: the caller is to have its answer by then, not the edge
_FAR_OUT = "demand far outside what the model was trained on"
_TURNS = 4  # of the event loop: a future's result passes through three before its waiter has acted


class Cloud(Protocol):
    """Whom an offloaded decision is sent to."""

    async def allocate(
        self,
        model: str,
        slot: int,
        window: Floats | None,
        z: Floats,
        answer: tuple[int, ...],
        deadline: float,
    ) -> Floats:
        """Give what is answered (1, *answer), within the deadline, or raise NoAnswerError."""


@dataclass(frozen=True)
class Answer:
    """An allocation, and how it came about."""

    time: int
    """Start of the slot that is allocated, epoch seconds."""
    allocation: tuple[float, ...]
    """(M,) in the user's unit."""
    exit: str
    """``local``, ``remote``, ``fallback`` or ``cold``."""
    reason: str
    model: str
    score: float
    threshold: float
    milliseconds: float
    repeated: bool = False
    price: float = 0.0
    """Under a cap: what a unit more of capacity would save, in cost."""
    gap: float = 0.0
    """Under a cap: what the best allocations could be cheaper by, at most."""
    unknown: tuple[str, ...] = ()
    """Parts of the context that were not wholly known."""


class Decider:
    """Keeps the history, decides, and accounts for what was decided. Not for concurrent use."""

    def __init__(self, settings: EdgeSettings, cloud: Cloud, metrics: EdgeMetrics) -> None:
        """Set up without a model."""
        self._settings = settings
        self._cloud = cloud
        self._metrics = metrics
        self._history: History | None = None
        self._tracker: ThresholdTracker | None = None
        self._recent: deque[tuple[float, bool]] = deque()
        self._answer: Answer | None = None
        self._unpriced: list[tuple[Answer, Doubles]] = []
        """Answers with the demand that they met; priced once the next answer is given."""
        self.half: Half | None = None
        """The model in use."""

    @property
    def history(self) -> History | None:
        """What is remembered; None before the first model."""
        return self._history

    def take_model(self, half: Half) -> None:
        """Decide with this model from now on; history and shortfall stay.

        Raises:
            ModelError: It is for other series or slots than the one before.
        """
        facts = half.facts
        before = self.half
        if before is not None and (before.facts.series, before.facts.slot_seconds) != (
            facts.series,
            facts.slot_seconds,
        ):
            raise ModelError(
                f"model {facts.model} is for other series or slots than {before.facts.model}, "
                "which this edge serves; start another edge for it, with a state folder of its own"
            )
        _warm(half)
        if self._history is None or before is None:
            self._history = History(
                self._settings.history_slots, facts.slot_seconds, facts.start, facts.vnfs
            )
            day = max(1, round(_DAY_SECONDS / facts.slot_seconds))
            self._recent = deque(maxlen=day)
            if self._settings.threshold == "tracked":
                self._tracker = ThresholdTracker(
                    half.l0,
                    memory=max(1, round(self._settings.tracker_days * day)),
                    horizon=max(1, round(self._settings.horizon_days * day)),
                )
        lag = _DAY_SECONDS // facts.slot_seconds if facts.gap_policy == "day_ago" else 0
        self._history.grow(max(half.needed, half.wanted, lag))
        if self._tracker is not None:
            self._tracker.l0 = half.l0
            self._tracker.start(half.scores.tolist())
        self._recent.clear()  # another model's scores are on another scale
        self.half = half
        self._metrics.wanted.set(half.l0)

    async def decide(self, start: int, demand: Doubles, arrived: float) -> Answer:
        """Take the demand of a slot, and allocate for the next one.

        Args:
            start: Of the slot, epoch seconds.
            demand: (M,) in the user's unit.
            arrived: When it came, by the event loop's clock: the deadline counts from there.

        Raises:
            DemandError: The demand cannot be taken; nothing has changed.
            ModelError: There is no model yet.
        """
        if self.half is None or self._history is None:
            raise ModelError("there is no model yet: the cloud has not given one")
        facts = self.half.facts
        try:
            taken = self._history.take(start, demand, facts.gap_policy, facts.longest_gap)
        except RepeatedError:
            if self._answer is not None:
                return replace(self._answer, repeated=True)
        else:
            if taken.restarted:
                say("history restarted", slot=start)
            self._metrics.filled.inc(taken.filled)
            self._metrics.newest.set(start)
            if self._answer is not None and self._answer.time == start:
                self._unpriced.append((self._answer, demand))
        answer = await self._allocate(start + facts.slot_seconds, arrived)
        elapsed = asyncio.get_running_loop().time() - arrived
        self._answer = replace(answer, milliseconds=1000 * elapsed)
        return self._answer

    def account(self, answer: Answer) -> None:
        """Tell metrics and log of an answer that :meth:`decide` gave; the caller has it by then."""
        metrics = self._metrics
        self._price()
        metrics.decisions.labels(answer.exit).inc()
        metrics.seconds.labels(answer.exit).observe(answer.milliseconds / 1000)
        if answer.exit == "fallback":
            metrics.fallbacks.labels(answer.reason).inc()
        if answer.exit != "cold":
            metrics.score.set(answer.score)
            metrics.threshold.set(answer.threshold)
            metrics.share.set(sum(kept for _, kept in self._recent) / len(self._recent))
            self._tell_drift()
        metrics.price.set(answer.price)
        metrics.gap.set(answer.gap)
        metrics.unknown.set(len(answer.unknown))
        if answer.price > 0:
            metrics.capped.inc()
        facts: dict[str, Any] = {}
        if self._settings.shadow:
            facts["allocation"] = answer.allocation
        say(
            "decision",
            slot=answer.time,
            exit=answer.exit,
            reason=answer.reason,
            score=answer.score,
            threshold=threshold_to_json(answer.threshold),
            milliseconds=round(answer.milliseconds, 3),
            price=answer.price,
            unknown=answer.unknown,
            model=answer.model,
            shadow=self._settings.shadow,
            **facts,
        )

    def to_json(self) -> dict[str, Any]:
        """Give all that a restart needs, as plain values.

        Raises:
            ModelError: There is no model yet, and so no state.
        """
        if self.half is None or self._history is None:
            raise ModelError("an edge without a model has no state")
        facts = self.half.facts
        answer = None
        if self._answer is not None:
            answer = asdict(self._answer)
            answer["threshold"] = threshold_to_json(self._answer.threshold)
        return {
            "series": list(facts.series),
            "slot_seconds": facts.slot_seconds,
            "model": facts.model,
            "history": self._history.to_json(),
            "answer": answer,
            "recent": list(self._recent),
            "tracker": None if self._tracker is None else self._tracker.to_json(),
        }

    def restore(self, values: dict[str, Any]) -> None:
        """Go on where :meth:`to_json` was called; call it after :meth:`take_model`.

        Raises:
            ArtefactError: It is not the state of an edge with these series and slots.
        """
        assert self.half is not None and self._history is not None
        facts = self.half.facts
        try:
            same = (tuple(values["series"]), values["slot_seconds"]) == (
                facts.series,
                facts.slot_seconds,
            )
            if not same:
                raise ArtefactError("it is of other series or slots")
            self._history.restore(values["history"])
            if values["answer"] is not None:
                told = dict(values["answer"])
                told["allocation"] = tuple(float(value) for value in told["allocation"])
                told["threshold"] = float(told["threshold"])
                told["unknown"] = tuple(str(part) for part in told.get("unknown", ()))
                cap = self._settings.cap
                if cap is None or sum(told["allocation"]) <= cap:  # else it is given anew
                    self._answer = Answer(**told)
            if values["model"] == facts.model:  # else the scores are on another scale
                self._recent.extend((float(score), bool(kept)) for score, kept in values["recent"])
                if self._tracker is not None and values["tracker"] is not None:
                    self._tracker.restore(values["tracker"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"it is not the state of an edge ({error!r:.80})") from error

    async def _allocate(self, target: int, arrived: float) -> Answer:
        half, history = self.half, self._history
        assert half is not None and history is not None
        if len(history) < half.needed:
            return _cold(half, target, f"{len(history)} of {half.needed} slots")
        first = half.see(history.rows, target)
        if not first.sound:
            return _cold(half, target, _FAR_OUT)
        tracker = self._tracker
        threshold = half.threshold if tracker is None else tracker.threshold()
        keep = half.keeps(first.score, threshold)
        if tracker is not None:
            tracker.observe(first.score, keep)
        self._recent.append((first.score, keep))
        if keep:
            served, exit_, reason = half.here(first), "local", ""
        else:
            served, exit_, reason = await self._offload(half, target, first, arrived)
        if not np.isfinite(served.amounts).all():
            return _cold(half, target, _FAR_OUT)
        return _answer(half, target, served, exit_, reason, first.score, threshold)

    async def _offload(
        self, half: Half, target: int, first: First, arrived: float
    ) -> tuple[Served, str, str]:
        assert self._history is not None
        loop = asyncio.get_running_loop()
        deadline = arrived + (1 - _WAY_OUT) * self._settings.deadline_ms / 1000
        if loop.time() >= deadline:  # it has queued behind another decision for too long
            return half.here(first), "fallback", "late"
        call = asyncio.ensure_future(
            self._cloud.allocate(
                half.facts.model,
                half.facts.slot(target),
                first.window,
                half.travels(first, self._history.rows, target),
                half.answer_shape,
                deadline,
            )
        )
        # The request leaves first; the local exit runs while it travels, and so costs no time.
        await give_way()
        served = half.here(first)
        # A race, not a cancellation to wait for: whatever the call is at, this goes on in time.
        await asyncio.wait({call}, timeout=max(deadline - loop.time(), 0.0))
        if not call.done():
            call.cancel()
            return served, "fallback", "late"
        try:
            return half.there(first, call.result()), "remote", ""
        except NoAnswerError as failure:
            return served, "fallback", failure.reason
        except ValueError:
            return served, "fallback", "garbage"

    def _price(self) -> None:
        """Price the allocations whose demand is known by now."""
        assert self.half is not None
        facts = self.half.facts
        for answer, met in self._unpriced:
            y, d = facts.scale(np.asarray(answer.allocation)), facts.scale(met)
            self._metrics.cost.inc(float(facts.cost(y, d)))
            self._metrics.judged.inc()
            self._metrics.violations.inc(round(float(violation_rate(y, d)) * facts.vnfs))
        self._unpriced.clear()

    def _tell_drift(self) -> None:
        assert self.half is not None
        expected = self.half.scores
        if expected.size and len(self._recent) >= _FEW:
            recent = np.array([score for score, _ in self._recent])
            self._metrics.drift.set(distribution_distance(recent, expected))


async def give_way() -> None:
    """Let the event loop send what has been handed to it: a few of its turns."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def distribution_distance(a: Doubles, b: Doubles) -> float:
    """Give the largest distance of two samples' distribution functions (Kolmogorov-Smirnov)."""
    both = np.sort(np.concatenate([a, b]))
    below = [np.searchsorted(np.sort(each), both, side="right") / each.size for each in (a, b)]
    return float(np.max(np.abs(below[0] - below[1])))


def _cold(half: Half, target: int, reason: str) -> Answer:
    """Answer where the model cannot: what was never exceeded on the training days is safe."""
    return _answer(half, target, half.cold(), "cold", reason, 0.0, 0.0)


def _answer(
    half: Half,
    target: int,
    served: Served,
    exit_: str,
    reason: str,
    score: float,
    threshold: float,
) -> Answer:
    return Answer(
        time=target,
        allocation=tuple(served.amounts.tolist()),
        exit=exit_,
        reason=reason,
        model=half.facts.model,
        score=score,
        threshold=threshold,
        milliseconds=0.0,
        price=served.price,
        gap=served.gap,
        unknown=served.unknown,
    )


def _warm(half: Half) -> None:
    """Run it once: the first decision must not be the slow one."""
    began = time.perf_counter()
    half.warm()
    say(
        "warmed",
        model=half.facts.model,
        milliseconds=round(1e3 * (time.perf_counter() - began)),
    )
