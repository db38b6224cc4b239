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
from ddnn.runtime.allocate import allocate, fit_demand
from ddnn.runtime.bundle import Bundle, load_bundle
from ddnn.runtime.ddnn_pb2 import Exit
from ddnn.runtime.delay_proxy import DelayProxy
from ddnn.runtime.part_times import PAUSE_SECONDS, LayerTimes, PartTimer
from ddnn.runtime.served import Facts
from ddnn.runtime.served_pair import ServedPair, edge_client
from ddnn.serve_settings import ServeSettings

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
    """Of a bare call over the same line with the same payload, less F2."""
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
        slots: The slots that are allocated; each needs N before it.
        cases: Rule and L0.
        rtts_ms: Round-trip times that the line adds; 0: no proxy between the two.
        tell: Told of each result.

    Raises:
        ArtefactError: The bundle is damaged.
        ModelError: The demand does not fit the model, or a process does not start.
    """
    model = load_bundle(bundle)
    fitted = fit_demand(model, demand)
    past = replace(fitted, values=fitted.values[: slots.stop])
    results: list[Replayed] = []
    with (
        tempfile.TemporaryDirectory(prefix="ddnn-replay-") as root,
        ServedPair(Path(root), settings, bundle) as pair,
    ):
        cloud = pair.cloud()
        for rtt in rtts_ms:
            with _line(cloud.port, rtt) as port:
                for rule, l0 in cases:
                    name = f"edge{len(results)}"
                    # Waiting out the whole round trip is what is measured here.
                    wait = max(settings.edge.deadline_ms, 2 * rtt + _PATIENCE_MS)
                    edge = pair.edge(name, port, rule=rule, l0=l0, deadline_ms=wait)
                    with PartTimer(bundle, settings, port, rule, l0) as timer:
                        answers = _drive(edge, past, slots, model.facts.N, timer)
                    found = _judge(model, past, slots, rule, l0, answers, timer.times())
                    found["paper_ms"] = expected_latency_ms(
                        found["local_share"], replace(Times(), rtt_ms=rtt)
                    )
                    found["edge_mb"] = edge.resident_mb()
                    told = edge.metrics()
                    offloaded = max(1, sum(answer.exit != Exit.EXIT_LOCAL for answer in answers))
                    sent = told.get('ddnn_edge_cloud_bytes_total{way="out"}', 0.0)
                    found["sent_bytes"] = sent / offloaded
                    edge.stop()
                    results.append(Replayed(rule, l0, rtt, len(slots), **found))
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


def _drive(edge: Any, past: Demand, slots: range, N: int, timer: PartTimer) -> list[Any]:
    """Give the edge the slots before the first one, then one by one; keep the answers.

    The parts are timed in between, so that they meet the machine at the same speed.
    """
    with edge_client(edge) as decide:
        answers: list[Any] = []
        for slot in range(slots.start - N, slots.stop - 1):
            if len(answers) % _BLOCK == 0:
                timer.sample(_SAMPLES)
            time.sleep(PAUSE_SECONDS)
            answers.append(decide(int(past.times[slot]), past.values[slot]))
    return answers[N - 1 :]


def _judge(
    model: Bundle,
    past: Demand,
    slots: range,
    rule: str,
    l0: float,
    answers: Sequence[Any],
    times: LayerTimes,
) -> dict[str, Any]:
    part = replace(
        past,
        values=past.values[slots.start - model.facts.N : -1],
        start=int(past.times[slots.start - model.facts.N]),
    )
    expected = allocate(model, part, model.decider(rule, l0))
    amounts = np.array([answer.allocation for answer in answers])
    exits = np.array([answer.exit for answer in answers])
    local = exits == Exit.EXIT_LOCAL
    meant = exits != Exit.EXIT_FALLBACK
    apart = np.abs(amounts - expected.amounts)[meant] / model.scaling.span
    milliseconds = np.array([answer.milliseconds for answer in answers])
    share = float(local.mean())
    return {
        "local_share": share,
        "fallbacks": int((exits == Exit.EXIT_FALLBACK).sum()),
        "equal_exits": float((local == expected.local).mean()),
        "difference": float(np.max(apart, initial=0.0)),
        "mean_ms": float(milliseconds.mean()),
        "p99_ms": float(np.quantile(milliseconds, 0.99)),
        "round_trip_ms": times.layers.rtt_ms,
        "formula_ms": expected_latency_ms(share, times.layers, times.rule_ms),
        "cost": _cost(model, amounts, past.values[slots.start : slots.stop]),
    }


def _cost(model: Bundle, amounts: NDArray[np.float64], demand: NDArray[np.float64]) -> float:
    facts = Facts.read(model.facts.model_dump(mode="json"), model.model, Path())
    return float(facts.cost(facts.scale(amounts), facts.scale(demand)).mean())


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
