"""Whatever a cloud answers, the edge answers in time, and says why it was the local exit."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from ddnn.demand import Demand
from ddnn.runtime.ddnn_pb2 import Allocation, Exit, Models, Offload
from ddnn.runtime.ddnn_pb2_grpc import CloudServicer, add_CloudServicer_to_server
from ddnn.runtime.model_store import ModelStore

M = 5


def good(request: Offload) -> Allocation:
    y = np.full(M, 0.5, dtype="<f4").tobytes()
    return Allocation(model=request.model, slot=request.slot, allocation=y)


def altered(**changes: Any) -> Callable[[Offload, Any], Allocation]:
    def answer(request: Offload, context: Any) -> Allocation:
        reply = good(request)
        for name, value in changes.items():
            setattr(reply, name, value)
        return reply

    return answer


def refuse(code: grpc.StatusCode, detail: str = "no") -> Callable[[Offload, Any], Allocation]:
    def answer(request: Offload, context: Any) -> Allocation:
        context.abort(code, detail)
        raise AssertionError

    return answer


def sleep(request: Offload, context: Any) -> Allocation:
    time.sleep(0.5)
    return good(request)


def crash(request: Offload, context: Any) -> Allocation:
    raise RuntimeError("a bug")


class _Bad(CloudServicer):
    def __init__(self) -> None:
        self.answer: Callable[[Offload, Any], Any] = lambda request, context: good(request)
        self.model = ""

    def Allocate(self, request: Offload, context: Any) -> Any:
        return self.answer(request, context)

    def Describe(self, request: Any, context: Any) -> Models:
        return Models(current=self.model)


@pytest.fixture
def bad() -> Iterator[tuple[_Bad, int]]:
    servicer = _Bad()
    server = grpc.server(futures.ThreadPoolExecutor(8))
    add_CloudServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, port
    server.stop(None).wait()


ANSWERS = [
    (altered(model="0123456789ab"), "wrong_model"),
    (altered(slot=1), "garbage"),
    (altered(allocation=b""), "garbage"),
    (altered(allocation=bytes(4 * M - 4)), "garbage"),
    (altered(allocation=np.full(M, np.nan, "<f4").tobytes()), "garbage"),
    (crash, "garbage"),
    (sleep, "late"),
    (refuse(grpc.StatusCode.RESOURCE_EXHAUSTED), "refused"),
    (refuse(grpc.StatusCode.UNAUTHENTICATED), "not_allowed"),
    (refuse(grpc.StatusCode.NOT_FOUND, "unknown model 'x'; served: "), "wrong_model"),
    (refuse(grpc.StatusCode.FAILED_PRECONDITION, "resync"), "resync"),
    (altered(allocation=bytes(5_000_000)), "refused"),  # more than serve.link.message_bytes
]


def test_each_fault_is_answered_in_time(
    field_: Any, bad: tuple[_Bad, int], tiny_bundle: Path, tiny_demand: Demand
) -> None:
    servicer, port = bad
    ModelStore(field_.root / "a-models").publish(tiny_bundle)
    sets = (f"edge.cloud=127.0.0.1:{port}", "edge.rule=cloud", "edge.deadline_ms=250")
    edge = field_.start("edge", "a", *sets)

    def decide(i: int) -> Any:
        return edge.decide(int(tiny_demand.times[i]), tiny_demand.values[i])

    for i in range(4):
        answer = decide(i)
    assert answer.exit == Exit.EXIT_REMOTE
    for i, (fault, reason) in enumerate(ANSWERS, start=4):
        servicer.answer = fault
        answer = decide(i)
        assert (answer.exit, answer.reason) == (Exit.EXIT_FALLBACK, reason)
        assert len(answer.allocation) == M
        assert answer.milliseconds < 250 + 50
    servicer.answer = lambda request, context: good(request)
    assert decide(4 + len(ANSWERS)).exit == Exit.EXIT_REMOTE


def test_half_an_answer_is_answered_in_time(
    field_: Any, tiny_bundle: Path, tiny_demand: Demand
) -> None:
    """A peer that takes the connection, sends a few bytes of HTTP/2, and falls silent."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        kept = []
        listener.settimeout(0.1)
        while not stop.is_set():
            try:
                line, _ = listener.accept()
            except TimeoutError:
                continue
            line.sendall(bytes.fromhex("000000040000000000") + b"\x00\x00\x10")
            kept.append(line)
        for line in kept:
            line.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        ModelStore(field_.root / "a-models").publish(tiny_bundle)
        port = listener.getsockname()[1]
        sets = (f"edge.cloud=127.0.0.1:{port}", "edge.rule=cloud", "edge.deadline_ms=200")
        edge = field_.start("edge", "a", *sets)
        for i in range(8):
            answer = edge.decide(int(tiny_demand.times[i]), tiny_demand.values[i])
            if i >= 3:
                assert answer.exit == Exit.EXIT_FALLBACK
                assert answer.milliseconds < 200 + 50
    finally:
        stop.set()
        thread.join()
        listener.close()


def test_a_model_that_is_not_what_it_says_is_not_taken(
    field_: Any, bad: tuple[_Bad, int], tiny_bundle: Path, tiny_demand: Demand
) -> None:
    servicer, port = bad
    own = ModelStore(field_.root / "a-models").publish(tiny_bundle)
    edge = field_.start("edge", "a", f"edge.cloud=127.0.0.1:{port}")

    for name in ("0123456789ab", "../../../etc", "x" * 5000):  # Fetch is not even implemented
        servicer.model = name
        time.sleep(0.5)

    assert edge.status().model == own
    assert not list((field_.root / "a-models").glob(".draft*"))
    assert edge.lines("model refused")
