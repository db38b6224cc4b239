"""Drives the two processes with past demand through a delayed line: Table IV as measured."""

import asyncio
import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.demand import Demand
from ddnn.evaluation.latency import Times, expected_latency_ms
from ddnn.runtime.allocate import Allocation, allocate, fit_demand
from ddnn.runtime.bundle import Model
from ddnn.runtime.ddnn_pb2 import Exit
from ddnn.runtime.delay_proxy import DelayProxy
from ddnn.runtime.half import Half, load_cloud, load_edge
from ddnn.runtime.models import load_model
from ddnn.runtime.part_times import PAUSE_SECONDS, PartTimer
from ddnn.runtime.served_pair import Running, ServedPair, edge_client
from ddnn.serve_settings import ServeSettings, change_edge

_PATIENCE_MS = 1000.0
_BLOCK = 60
"""Slots between two looks at the parts' times: a shared machine is quicker now than then."""
_SAMPLES = 20
"""Decisions whose parts are timed at each look."""


@dataclass(frozen=True)
class Replayed:
    """What one replay of the demand measured."""

    rule: str
    l0: float
    rtt_ms: float
    """That the line adds; 0: loopback."""
    slots: int
    local_share: float
    fallbacks: int
    equal_exits: float
    """Share of the slots that were decided as ``ddnn allocate`` decides them."""
    difference: float
    """Largest of any allocation but a fallback's from ``ddnn allocate``, in full scales."""
    mean_ms: float
    """Of the answer, as the edge process measures it."""
    p99_ms: float
    round_trip_ms: float
    """Of a bare call over the same line with the same payload, less F2; and what the edge does for
    it: what travels, and what becomes of the answer."""
    formula_ms: float
    """Table IV's formula with this machine's times, round trip and rule included."""
    paper_ms: float
    """The same with the paper's times, without the rule, as the paper has it."""
    sent_bytes: float
    """To the cloud, for each offloaded decision."""
    cost: float
    """Mean hard cost per slot of what was allocated, in full scales."""
    edge_mb: float
    """Resident memory of the edge process at the end."""


def replay(
    bundle: Path,
    demand: Demand,
    settings: ServeSettings,
    slots: range,
    cases: Sequence[tuple[str, float]],
    rtts_ms: Sequence[float],
    tell: Callable[[Replayed], None] = lambda _: None,
) -> list[Replayed]:
    """Replay target slots of a demand for several rules with their L0, and several round trips.

    Args:
        bundle: Folder of an exported model.
        demand: Of the model's series, long enough for the slots.
        settings: Of the processes; addresses are chosen anew, on loopback.
        slots: The slots that are allocated; each needs N before it. The edge is given those before
            the first, as far back as the model looks, which is a week for some.
        cases: Rule and L0.
        rtts_ms: Round-trip times that the line adds; 0: no proxy between the two.
        tell: Told of each result.

    Raises:
        ArtefactError: The bundle is damaged.
        ModelError: The demand does not fit the model, or a process does not start.
    """
    model = load_model(bundle)
    fitted = fit_demand(model, demand)
    past = replace(fitted, values=fitted.values[: slots.stop])
    there = load_cloud(bundle, settings.cloud.threads)
    results: list[Replayed] = []
    with (
        tempfile.TemporaryDirectory(prefix="ddnn-replay-") as root,
        ServedPair(Path(root), settings, bundle) as pair,
    ):
        cloud = pair.cloud()
        for rtt in rtts_ms:
            # Waiting out the whole round trip is what is measured here.
            wait = max(settings.edge.deadline_ms, 2 * rtt + _PATIENCE_MS)
            with _line(cloud.port, rtt) as port:
                for rule, l0 in cases:
                    asked = change_edge(settings, rule=rule, l0=l0, deadline_ms=wait)
                    here = load_edge(bundle, asked.edge)
                    case = _Case(model, past, slots, here, rtt)
                    edge = pair.edge(
                        f"edge{len(results)}", port, rule=rule, l0=l0, deadline_ms=wait
                    )
                    with PartTimer(here, there, asked, port, *case.seen) as timer:
                        driven = _drive(edge, case, timer)
                    results.append(_judge(case, driven, timer.times(), edge.resident_mb()))
                    edge.stop()
                    tell(results[-1])
    return results


def table(results: Sequence[Replayed]) -> str:
    """Lay the results out for a terminal."""
    head = (
        f"{'rule':18} {'L0':>4} {'L':>6} {'RTT ms':>7} {'mean ms':>8} {'formula':>8} {'paper':>7} "
        f"{'p99 ms':>7} {'equal':>7} {'differs':>8} {'bytes':>7} {'cost':>7} {'falls':>5}"
    )
    rows = [
        f"{r.rule:18} {r.l0:4.2g} {r.local_share:6.1%} {r.rtt_ms:7.2f} {r.mean_ms:8.2f} "
        f"{r.formula_ms:8.2f} {r.paper_ms:7.2f} {r.p99_ms:7.2f} {r.equal_exits:7.2%} "
        f"{r.difference:8.1e} {r.sent_bytes:7.0f} {r.cost:7.3f} {r.fallbacks:5d}"
        for r in results
    ]
    return "\n".join([head, *rows])


@dataclass(frozen=True, eq=False)
class _Case:
    """What is replayed, and how."""

    model: Model
    past: Demand
    """Of the model's series, up to the last slot that is allocated."""
    slots: range
    half: Half
    rtt_ms: float

    @property
    def first(self) -> int:
        """The first slot that the edge is given: from there on it knows all that it looks at."""
        return max(0, self.slots.start - self.half.wanted)

    @property
    def seen(self) -> tuple[NDArray[np.float64], int]:
        """What the edge knows before the first slot that is allocated, and that slot's start."""
        known = self.past.values[self.first : self.slots.start]
        return known, int(self.past.times[self.slots.start])

    def expected(self) -> Allocation:
        """Allocate as ``ddnn allocate`` does; the last rows are those of the slots."""
        given = replace(
            self.past,
            values=self.past.values[self.first : -1],
            start=int(self.past.times[self.first]),
        )
        return allocate(self.model, given, self.model.decider(self.half.rule, self.half.l0))


@dataclass(frozen=True, eq=False)
class _Driven:
    answers: list[Any]
    """For the slots."""
    sent: float
    """Bytes to the cloud for them."""


def _drive(edge: Running, case: _Case, timer: PartTimer) -> _Driven:
    """Give the edge what it looks at, then slot by slot.

    The parts are timed in between, so that they meet the machine at the same speed.
    """
    past, slots = case.past, case.slots
    with edge_client(edge) as decide:

        def step(slot: int) -> Any:
            return decide(int(past.times[slot]), past.values[slot])

        for slot in range(case.first, slots.start - 1):
            step(slot)
        before, answers = _sent(edge), list[Any]()
        for slot in range(slots.start - 1, slots.stop - 1):
            if len(answers) % _BLOCK == 0:
                timer.sample(_SAMPLES)
            time.sleep(PAUSE_SECONDS)
            answers.append(step(slot))
        return _Driven(answers, _sent(edge) - before)


def _sent(edge: Running) -> float:
    return edge.metrics().get('ddnn_edge_cloud_bytes_total{way="out"}', 0.0)


def _judge(case: _Case, driven: _Driven, times: Times, edge_mb: float) -> Replayed:
    slots, facts, answers = case.slots, case.half.facts, driven.answers
    expected = case.expected()
    amounts = np.array([answer.allocation for answer in answers])
    exits = np.array([answer.exit for answer in answers])
    local = exits == Exit.EXIT_LOCAL
    meant = exits != Exit.EXIT_FALLBACK
    apart = np.abs(amounts - expected.amounts[-len(slots) :])[meant] / facts.span
    milliseconds = np.array([answer.milliseconds for answer in answers])
    met = facts.scale(case.past.values[slots.start : slots.stop])
    share = float(local.mean())
    return Replayed(
        rule=case.half.rule,
        l0=case.half.l0,
        rtt_ms=case.rtt_ms,
        slots=len(slots),
        local_share=share,
        fallbacks=int((~meant).sum()),
        equal_exits=float((local == expected.local[-len(slots) :]).mean()),
        difference=float(np.max(apart, initial=0.0)),
        mean_ms=float(milliseconds.mean()),
        p99_ms=float(np.quantile(milliseconds, 0.99)),
        round_trip_ms=times.rtt_ms,
        formula_ms=expected_latency_ms(share, times),
        paper_ms=expected_latency_ms(share, replace(Times(), rtt_ms=case.rtt_ms)),
        sent_bytes=driven.sent / max(1, int((~local).sum())),
        cost=float(facts.cost(facts.scale(amounts), met).mean()),
        edge_mb=edge_mb,
    )


@contextlib.contextmanager
def _line(port: int, rtt_ms: float) -> Iterator[int]:
    """Give a port that leads to another one, so much later."""
    if rtt_ms == 0:
        yield port
        return
    with delayed_line(port, rtt_ms) as (_, near):
        yield near


@contextlib.contextmanager
def delayed_line(port: int, rtt_ms: float) -> Iterator[tuple[DelayProxy, int]]:
    """Run a proxy in a thread with an event loop of its own; give it and its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="delay-proxy", daemon=True)
    thread.start()
    proxy = DelayProxy(f"127.0.0.1:{port}", rtt_ms)
    try:
        yield proxy, asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
