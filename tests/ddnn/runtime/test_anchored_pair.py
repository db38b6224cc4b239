"""Edge and cloud as two processes serve exits that predict a distribution as offline."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddnn.demand import Demand, read_demand
from ddnn.runtime.allocate import allocate, fit_demand
from ddnn.runtime.anchored_bundle import load_anchored_bundle
from ddnn.runtime.ddnn_pb2 import Exit
from tasks.stage import Stage

SLOTS = 200
"""Hourly: a week is known from slot 170 on, at the edge, and from 174 on for the remote exit."""


@pytest.fixture(scope="module")
def demand(anchored_stage: Stage) -> Demand:
    return read_demand(anchored_stage.inputs["download"])


def feed(edge: Any, demand: Demand, first: int = 0, last: int = SLOTS) -> list[Any]:
    return [edge.decide(int(demand.times[i]), demand.values[i]) for i in range(first, last)]


@pytest.mark.parametrize("payload", ["latent", "latent_int8"])
def test_the_pair_decides_as_offline(
    field_: Any, anchored_bundle: Path, demand: Demand, payload: str
) -> None:
    bundle = load_anchored_bundle(anchored_bundle)
    expected = allocate(bundle, fit_demand(bundle, demand), bundle.decider("expected_cost", 0.5))
    sets = ("edge.rule=expected_cost", "edge.l0=0.5", f"edge.payload={payload}")
    cloud, edge = field_.pair(anchored_bundle, *sets)

    answers = feed(edge, demand)

    cold, decided = answers[:3], answers[3:]
    assert [answer.exit for answer in cold] == [Exit.EXIT_COLD] * 3
    assert cold[0].reason == "1 of 4 slots"
    local = expected.local[: len(decided)]
    np.testing.assert_array_equal(
        [answer.exit for answer in decided], np.where(local, Exit.EXIT_LOCAL, Exit.EXIT_REMOTE)
    )
    found = np.array([answer.allocation for answer in decided])
    apart = np.abs(found - expected.amounts[: len(decided)]) / bundle.scaling.span
    assert apart.max() < (1e-5 if payload == "latent" else 0.05)
    assert list(decided[0].unknown)[:2] == ["1 d ago", "7 d ago"]
    assert not decided[-1].unknown
    told = edge.metrics()
    assert told["ddnn_edge_unknown_context"] == 0
    status = edge.status()
    assert (status.slots, status.needed, status.wanted) == (174, 4, 174)
    sent = told['ddnn_edge_cloud_bytes_total{way="out"}'] / (~local).sum()
    # z and the memory: 32 + 16 channels on 2 x 3 cells; a head of some 30 bytes.
    values = 48 * 6
    most = 4 * values if payload == "latent" else values + 4 * 48
    assert most < sent < most + 60
    assert cloud.stop() == 0
    assert edge.stop() == 0


def test_it_goes_on_after_a_restart_and_a_long_gap(
    field_: Any, anchored_bundle: Path, demand: Demand
) -> None:
    _, edge = field_.pair(anchored_bundle, "edge.rule=edge")
    feed(edge, demand, 0, 180)
    edge.stop()
    port = field_.running[0].port
    edge = field_.start("edge", "a", f"edge.cloud=127.0.0.1:{port}", "edge.rule=edge")

    (answer,) = feed(edge, demand, 180, 181)

    assert edge.status().slots == 174  # all that it keeps
    assert (answer.exit, list(answer.unknown)) == (Exit.EXIT_LOCAL, [])
    after = feed(edge, demand, 190, 194)  # nine slots are missing
    assert [a.exit for a in after] == [Exit.EXIT_COLD] * 3 + [Exit.EXIT_LOCAL]
    assert list(after[-1].unknown) == []  # yesterday and last week were told
    (later,) = feed(edge, demand, 194, 195)
    edge.stop()
    edge = field_.start("edge", "a", f"edge.cloud=127.0.0.1:{port}", "edge.rule=edge")
    (again,) = feed(edge, demand, 194, 195)
    assert again.repeated
    assert list(again.allocation) == list(later.allocation)
    assert edge.status().slots == 5


def test_the_cap_holds_whoever_answers(field_: Any, anchored_bundle: Path, demand: Demand) -> None:
    bundle = load_anchored_bundle(anchored_bundle)
    low, span = bundle.scaling.minimum.sum(), bundle.scaling.span.sum()
    cap = float(low + 0.45 * span)
    sets = ("edge.rule=random", f"edge.cap={cap}")
    cloud, edge = field_.pair(anchored_bundle, *sets)

    answers = feed(edge, demand, 0, 60)
    cloud.stop()
    answers += feed(edge, demand, 60, 80)

    assert {answer.exit for answer in answers} == {1, 2, 3, 4}
    assert max(sum(answer.allocation) for answer in answers) <= cap
    dear = [answer for answer in answers if answer.price > 0]
    assert 5 < len(dear) < 75
    assert min(sum(answer.allocation) for answer in dear) > 0.7 * cap
    told = edge.metrics()
    assert told["ddnn_edge_capped_total"] == len(dear)
    logged = edge.lines("decision")
    assert [line["price"] for line in logged][-20:] == [a.price for a in answers[-20:]]
    assert told["ddnn_edge_capacity_price"] == answers[-1].price

    # A lower cap binds the answer that is asked for again, too.
    edge.stop()
    lower = float(low + 0.2 * span)
    port = field_.running[0].port
    edge = field_.start("edge", "a", f"edge.cloud=127.0.0.1:{port}", f"edge.cap={lower}")
    (again,) = feed(edge, demand, 79, 80)
    assert sum(again.allocation) <= lower


def test_a_cloud_that_answers_no_prediction_is_no_cloud(
    anchored_bundle: Path, demand: Demand
) -> None:
    import asyncio
    from dataclasses import replace

    from ddnn.params import load_params
    from ddnn.runtime.decider import Decider
    from ddnn.runtime.half import load_edge
    from ddnn.runtime.telemetry import EdgeMetrics

    class Liar:
        async def allocate(self, *asked: Any) -> Any:
            return np.full((1, *asked[4]), 1e5, dtype=np.float32)  # a spread of e ** 100000

    async def work() -> Any:
        settings = load_params(Path(__file__).parents[3] / "params.yaml").serve.edge
        settings = replace(settings, rule="cloud")
        decider = Decider(settings, Liar(), EdgeMetrics())
        decider.take_model(load_edge(anchored_bundle, settings))
        for slot in range(5):
            now = asyncio.get_running_loop().time()
            answer = await decider.decide(int(demand.times[slot]), demand.values[slot], now)
        return answer

    answer = asyncio.run(work())
    assert (answer.exit, answer.reason) == ("fallback", "garbage")
