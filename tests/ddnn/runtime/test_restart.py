"""An edge goes on where it was killed; what it cannot use begins cold, and says so."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddnn.demand import Demand
from ddnn.errors import ArtefactError
from ddnn.runtime.ddnn_pb2 import Exit
from ddnn.runtime.model_store import ModelStore
from ddnn.runtime.state_file import read_state, write_state


@pytest.fixture
def start(field_: Any, tiny_bundle: Path) -> Any:
    ModelStore(field_.root / "a-models").publish(tiny_bundle)

    def start(*sets: str) -> Any:
        return field_.start("edge", "a", "edge.cloud=127.0.0.1:1", *sets)

    return start


def feed(edge: Any, demand: Demand, first: int, last: int) -> list[Any]:
    return [edge.decide(int(demand.times[i]), demand.values[i]) for i in range(first, last)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_goes_on_where_it_was(start: Any, field_: Any, tiny_demand: Demand, number: int) -> None:
    sets = ("edge.threshold=tracked", "edge.rule=optimized_volume")
    one = start(*sets)
    before = feed(one, tiny_demand, 0, 30)
    one.decide(int(tiny_demand.times[29]), tiny_demand.values[29])  # waits for the save before
    one.stop(number)

    other = start(*sets)

    status = other.status()
    assert (status.newest, status.slots) == (tiny_demand.times[29], 30)
    again = other.decide(int(tiny_demand.times[29]), tiny_demand.values[29])
    assert again.repeated
    assert list(again.allocation) == list(before[-1].allocation)
    after = feed(other, tiny_demand, 30, 40)
    assert Exit.EXIT_COLD not in {answer.exit for answer in after}

    # An edge that never stopped decides the same.
    other.stop()
    (field_.root / "state" / "a.json").unlink()
    never = feed(start(*sets), tiny_demand, 0, 40)
    assert [answer.exit for answer in after] == [answer.exit for answer in never[30:]]
    for ours, theirs in zip(after, never[30:], strict=True):
        assert list(ours.allocation) == list(theirs.allocation)
        assert ours.threshold == theirs.threshold


def test_a_cold_start_allocates_what_was_never_exceeded(start: Any, tiny_demand: Demand) -> None:
    edge = start()
    answer = feed(edge, tiny_demand, 0, 1)[0]

    assert (answer.exit, answer.reason) == (Exit.EXIT_COLD, "1 of 4 slots")
    np.testing.assert_allclose(answer.allocation, tiny_demand.values.max(axis=0))
    assert edge.metrics()['ddnn_edge_decisions_total{exit="cold"}'] == 1


def test_demand_beyond_the_models_numbers_is_answered(start: Any, tiny_demand: Demand) -> None:
    edge = start("edge.rule=optimized_volume")
    feed(edge, tiny_demand, 0, 5)
    answer = edge.decide(int(tiny_demand.times[5]), np.full(5, 1e30))

    # The first layers still hold it or not: there is an answer, and it is a number.
    assert np.isfinite(answer.allocation).all()
    assert np.isfinite(answer.score)
    for i in range(6, 12):
        answer = feed(edge, tiny_demand, i, i + 1)[0]
        assert np.isfinite(answer.allocation).all()
    assert answer.exit != Exit.EXIT_COLD


def test_gaps_are_repaired_or_begin_cold(start: Any, tiny_demand: Demand) -> None:
    edge = start()
    feed(edge, tiny_demand, 0, 10)

    assert feed(edge, tiny_demand, 13, 14)[0].exit != Exit.EXIT_COLD  # three are missing
    assert edge.metrics()["ddnn_edge_filled_slots_total"] == 3
    assert feed(edge, tiny_demand, 18, 19)[0].exit == Exit.EXIT_COLD  # four are
    assert edge.lines("history restarted")


@pytest.mark.parametrize("damage", ["cut", "flip", "other"])
def test_a_state_of_no_use_is_kept_aside(
    start: Any, field_: Any, tiny_demand: Demand, damage: str
) -> None:
    edge = start()
    feed(edge, tiny_demand, 0, 10)
    edge.stop()
    state = field_.root / "state" / "a.json"
    text = state.read_text()
    if damage == "other":
        write_state(state, {**read_state(state), "series": ["x"]})
    else:
        state.write_text(text[: len(text) // 2] if damage == "cut" else text.replace("7", "8"))

    edge = start()

    assert edge.status().slots == 0
    assert state.with_name("a.json.unusable").exists()
    assert edge.lines("cold start")[0]["reason"]
    assert feed(edge, tiny_demand, 10, 11)[0].exit == Exit.EXIT_COLD


def test_in_shadow_mode_nobody_can_act_by_mistake(start: Any, tiny_demand: Demand) -> None:
    edge = start("edge.shadow=true", "edge.rule=edge")
    answers = feed(edge, tiny_demand, 0, 6)

    assert all(answer.shadow and not answer.allocation for answer in answers)
    assert answers[-1].exit == Exit.EXIT_LOCAL
    logged = edge.lines("decision")[-1]
    assert len(logged["allocation"]) == 5
    assert edge.metrics()["ddnn_edge_judged_slots_total"] == 5


def test_a_state_file_is_whole_or_none(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    assert read_state(path) is None
    write_state(path, {"a": 1})
    assert read_state(path) == {"a": 1}
    path.write_text(json.dumps({"format": 2, "sha256": ""}) + "\n{}")
    with pytest.raises(ArtefactError, match="format 2"):
        read_state(path)
