"""The edge answers in time whatever its line to the cloud is at."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddnn.demand import Demand
from ddnn.params import load_params
from ddnn.runtime.decider import Decider
from ddnn.runtime.served import EdgeHalf
from ddnn.runtime.state_file import Saver, read_state
from ddnn.runtime.telemetry import EdgeMetrics

EDGE = load_params(Path(__file__).parents[3] / "params.yaml").serve.edge


class Stubborn:
    """A line that does not let itself be cancelled."""

    def __init__(self) -> None:
        self.asked = 0
        self.free = asyncio.Event()

    async def allocate(self, *_: Any) -> Any:
        self.asked += 1
        while not self.free.is_set():
            try:
                await self.free.wait()
            except asyncio.CancelledError:
                continue
        return np.ones((1, 5), dtype=np.float32)


@pytest.mark.parametrize("waited_ms", [0, 500])
def test_a_line_that_hangs_holds_up_no_answer(
    tiny_bundle: Path, tiny_demand: Demand, waited_ms: float
) -> None:
    async def work() -> tuple[Any, float, int]:
        cloud, loop = Stubborn(), asyncio.get_running_loop()
        decider = Decider(replace(EDGE, deadline_ms=100), cloud, EdgeMetrics())
        decider.take_model(EdgeHalf(tiny_bundle, "cloud"))
        for slot in range(4):
            arrived = loop.time() - waited_ms / 1000  # behind other decisions
            answer = await decider.decide(
                int(tiny_demand.times[slot]), tiny_demand.values[slot], arrived
            )
        spent = loop.time() - arrived
        cloud.free.set()
        await asyncio.sleep(0)
        return answer, 1000 * spent, cloud.asked

    answer, spent, asked = asyncio.run(work())

    assert (answer.exit, answer.reason) == ("fallback", "late")
    assert spent < max(100, waited_ms) + 50  # on a busy machine
    assert asked == (1 if waited_ms == 0 else 0)  # what is late already is not sent


def test_a_disk_that_hangs_keeps_the_newest_state_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    from ddnn.runtime import state_file

    hangs, written = threading.Event(), []
    write = state_file.write_state

    def slow(path: Path, values: dict[str, Any]) -> None:
        hangs.wait(10)
        written.append(values["slot"])
        write(path, values)

    monkeypatch.setattr(state_file, "write_state", slow)

    async def work() -> None:
        saver = Saver(tmp_path / "s.json", lambda error: None)
        for slot in range(5):
            saver.save({"slot": slot})
            await saver.settle(0.01)
        hangs.set()
        await saver.settle()

    asyncio.run(work())
    assert written == [0, 4]
    assert read_state(tmp_path / "s.json") == {"slot": 4}
