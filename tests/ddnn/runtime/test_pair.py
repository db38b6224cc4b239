"""Edge and cloud as two processes decide as the offline evaluation does, and survive each other."""

import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddnn.demand import Demand
from ddnn.runtime.allocate import allocate, fit_demand
from ddnn.runtime.bundle import load_bundle
from ddnn.runtime.ddnn_pb2 import Exit

SLOTS = 60
RECONNECT = 1.5
"""Seconds: above the longest pause between two attempts to connect."""


def feed(edge: Any, demand: Demand, first: int = 0, last: int = SLOTS) -> list[Any]:
    """Give an edge the slots of a demand, one after the other."""
    return [edge.decide(int(demand.times[i]), demand.values[i]) for i in range(first, last)]


@pytest.mark.parametrize("rule", ["optimized_volume", "optimized_local", "uncertainty_b2"])
def test_the_pair_decides_as_offline(
    field_: Any, tiny_bundle: Path, tiny_demand: Demand, rule: str
) -> None:
    bundle = load_bundle(tiny_bundle)
    demand = replace(tiny_demand, values=tiny_demand.values[:SLOTS])
    expected = allocate(bundle, fit_demand(bundle, demand), bundle.decider(rule, 0.5))
    cloud, edge = field_.pair(tiny_bundle, f"edge.rule={rule}", "edge.l0=0.5")

    answers = feed(edge, demand)

    cold, decided = answers[:3], answers[3:]
    assert [answer.exit for answer in cold] == [Exit.EXIT_COLD] * 3
    exits = np.where(expected.local, Exit.EXIT_LOCAL, Exit.EXIT_REMOTE)
    np.testing.assert_array_equal([answer.exit for answer in decided], exits)
    assert 0 < expected.local.mean() < 1
    span = bundle.scaling.span
    found = np.array([answer.allocation for answer in decided])
    assert np.abs((found - expected.amounts) / span).max() < 1e-5
    np.testing.assert_array_equal([answer.time for answer in decided], expected.times)
    assert {answer.model for answer in answers} == {bundle.model}
    told = edge.metrics()
    assert told['ddnn_edge_decisions_total{exit="local"}'] == expected.local.sum()
    assert told['ddnn_edge_decisions_total{exit="remote"}'] == (~expected.local).sum()
    assert told["ddnn_edge_judged_slots_total"] == SLOTS - 1
    answered = cloud.metrics()['ddnn_cloud_requests_total{result="answered"}']
    assert answered == (~expected.local).sum()
    assert len(edge.lines("decision")) == SLOTS
    assert cloud.stop() == 0
    assert edge.stop() == 0


@pytest.mark.parametrize("payload", ["latent_int8", "demand", "newest"])
def test_what_travels_changes_bytes_not_decisions(
    field_: Any, tiny_bundle: Path, tiny_demand: Demand, payload: str
) -> None:
    bundle = load_bundle(tiny_bundle)
    demand = replace(tiny_demand, values=tiny_demand.values[:SLOTS])
    rule = bundle.decider("optimized_volume", 0.5)
    expected = allocate(bundle, fit_demand(bundle, demand), rule)
    _, edge = field_.pair(tiny_bundle, f"edge.payload={payload}")

    decided = feed(edge, demand)[3:]

    exits = np.where(expected.local, Exit.EXIT_LOCAL, Exit.EXIT_REMOTE)
    np.testing.assert_array_equal([answer.exit for answer in decided], exits)
    found = np.array([answer.allocation for answer in decided])
    worst = np.abs((found - expected.amounts) / bundle.scaling.span).max()
    assert worst < (0.02 if payload == "latent_int8" else 1e-5)
    sent = edge.metrics()['ddnn_edge_cloud_bytes_total{way="out"}'] / (~expected.local).sum()
    # z has 32 x 4 x 6 values (filters, slots, cells), D 4 x 5; each with a head of about 30 bytes.
    most = {"latent_int8": 768 + 4 * 32, "demand": 4 * 4 * 5, "newest": 4 * 4 * 5 - 5}
    assert most[payload] - 40 < sent - 30 < most[payload] + 10


def test_a_cloud_that_forgot_the_window_is_given_it_again(
    field_: Any, tiny_bundle: Path, tiny_demand: Demand
) -> None:
    sets = ("edge.payload=newest", "edge.rule=cloud")
    cloud, edge = field_.pair(tiny_bundle, *sets)
    feed(edge, tiny_demand, 0, 10)
    port = cloud.port
    cloud.stop()
    cloud_again = field_.start("cloud", "cloud", f"cloud.listen=127.0.0.1:{port}")
    time.sleep(RECONNECT)

    answers = feed(edge, tiny_demand, 10, 14)

    assert {answer.exit for answer in answers} == {Exit.EXIT_REMOTE}
    assert cloud_again.metrics()['ddnn_cloud_requests_total{result="resync"}'] == 1
    assert 'ddnn_edge_fallbacks_total{reason="resync"}' not in edge.metrics()


def test_without_the_cloud_the_local_exit_answers_and_it_recovers(
    field_: Any, tiny_bundle: Path, tiny_demand: Demand
) -> None:
    cloud, edge = field_.pair(tiny_bundle, "edge.rule=cloud", "edge.deadline_ms=300")
    bundle = load_bundle(tiny_bundle)
    alone = allocate(bundle, fit_demand(bundle, tiny_demand), bundle.decider("edge", 1.0))
    assert {answer.exit for answer in feed(edge, tiny_demand, 0, 8)[3:]} == {Exit.EXIT_REMOTE}

    cloud.stop(signal.SIGKILL)
    dead = feed(edge, tiny_demand, 8, 14)
    assert {answer.exit for answer in dead} == {Exit.EXIT_FALLBACK}
    assert {answer.reason for answer in dead} <= {"away", "late"}
    found = np.array([answer.allocation for answer in dead])
    np.testing.assert_allclose(found, alone.amounts[5:11], rtol=1e-4, atol=1e-3)

    cloud = field_.start("cloud", "cloud", f"cloud.listen=127.0.0.1:{cloud.port}")
    time.sleep(RECONNECT)
    assert feed(edge, tiny_demand, 14, 15)[0].exit == Exit.EXIT_REMOTE

    cloud.popen.send_signal(signal.SIGSTOP)
    slow = feed(edge, tiny_demand, 15, 18)
    cloud.popen.send_signal(signal.SIGCONT)
    assert {(answer.exit, answer.reason) for answer in slow} == {(Exit.EXIT_FALLBACK, "late")}
    assert max(answer.milliseconds for answer in slow) < 300 + 50  # on a busy machine
    time.sleep(0.5)
    assert feed(edge, tiny_demand, 18, 19)[0].exit == Exit.EXIT_REMOTE
    told = edge.metrics()
    assert told['ddnn_edge_fallbacks_total{reason="late"}'] >= 3
    assert told['ddnn_edge_decisions_total{exit="fallback"}'] == 9
