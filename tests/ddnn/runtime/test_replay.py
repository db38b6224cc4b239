"""The replay measures real processes behind a line that is so much later."""

import asyncio
import time
from pathlib import Path

from ddnn.demand import Demand, read_demand
from ddnn.params import load_params
from ddnn.runtime.delay_proxy import DelayProxy
from ddnn.runtime.half import load_cloud, load_edge
from ddnn.runtime.part_times import PartTimer
from ddnn.runtime.replay import delayed_line, replay, table
from ddnn.runtime.served_pair import ServedPair
from ddnn.serve_settings import change_edge
from tasks.stage import Stage

ROOT = Path(__file__).parents[3]


def test_the_replay_decides_as_offline_and_counts_the_way(
    tiny_bundle: Path, tiny_demand: Demand
) -> None:
    settings = load_params(ROOT / "params.yaml").serve
    cases = [("cloud", 0.0), ("optimized_volume", 0.5), ("edge", 1.0)]

    results = replay(tiny_bundle, tiny_demand, settings, range(60, 80), cases, [30.0])

    cloud, gate, edge = results
    assert [result.rule for result in results] == ["cloud", "optimized_volume", "edge"]
    for result in results:
        assert result.equal_exits == 1
        assert result.difference < 1e-5
        assert (result.slots, result.fallbacks) == (20, 0)
        assert result.edge_mb < 200
    assert (cloud.local_share, edge.local_share) == (0, 1)
    assert 0 < gate.local_share < 1
    assert cloud.mean_ms > 30 > edge.mean_ms
    assert cloud.formula_ms > 30 > edge.formula_ms
    assert edge.sent_bytes == 0 < cloud.sent_bytes
    assert len(table(results).splitlines()) == 4
    assert gate.cost > 0


def test_the_replay_gives_a_model_its_week(anchored_bundle: Path, anchored_stage: Stage) -> None:
    demand = read_demand(anchored_stage.inputs["download"])
    settings = load_params(ROOT / "params.yaml").serve
    cases = [("cloud", 0.0), ("expected_cost", 0.5)]

    cloud, rule = replay(anchored_bundle, demand, settings, range(180, 200), cases, [0.0])

    for result in (cloud, rule):
        assert result.equal_exits == 1
        assert result.difference < 1e-5
    assert (cloud.local_share, cloud.fallbacks) == (0, 0)
    assert 0 < rule.local_share < 1
    # z and the memory in float32, 32 + 16 channels on 2 x 3 cells, and a head: of those 20 alone.
    assert 4 * 48 * 6 < cloud.sent_bytes < 4 * 48 * 6 + 60


def test_the_formula_has_this_machines_times(
    tiny_bundle: Path, tiny_demand: Demand, tmp_path: Path
) -> None:
    settings = load_params(ROOT / "params.yaml").serve
    edge = load_edge(tiny_bundle, change_edge(settings, rule="optimized_volume", l0=0.5).edge)
    seen = tiny_demand.values[:60], int(tiny_demand.times[60])
    with ServedPair(tmp_path, settings, tiny_bundle) as pair:
        cloud = pair.cloud()
        with (
            delayed_line(cloud.port, 30.0) as (_, port),
            PartTimer(edge, load_cloud(tiny_bundle, 1), settings, port, *seen) as timer,
        ):
            timer.sample(2)
            timer.sample(3)
            times = timer.times()
    assert 30.0 < times.rtt_ms < 300.0
    assert min(times.f0_ms, times.f1_ms, times.f2_ms) > 0


def test_bytes_come_late_whole_and_in_order() -> None:
    sent = bytes(range(256)) * 2000

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)
        writer.close()
        await writer.wait_closed()

    async def work() -> tuple[float, bytes]:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        proxy = DelayProxy(f"127.0.0.1:{port}", rtt_ms=80)
        reader, writer = await asyncio.open_connection("127.0.0.1", await proxy.start())
        began = time.monotonic()
        writer.write(b"?")
        await reader.readexactly(1)
        spent = time.monotonic() - began
        writer.write(sent)
        writer.write_eof()
        back = await reader.read(-1)
        writer.close()
        await writer.wait_closed()
        await proxy.stop()
        await asyncio.sleep(0.05)
        server.close()
        return spent, back

    spent, back = asyncio.run(work())
    assert 0.08 <= spent < 0.5
    assert back == sent


def test_a_line_that_is_cut_ends() -> None:
    async def work() -> bytes:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        proxy = DelayProxy(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", rtt_ms=0)
        reader, writer = await asyncio.open_connection("127.0.0.1", await proxy.start())
        writer.write(b"?")
        await asyncio.sleep(0.1)
        proxy.garble()
        heard = await reader.read(64)
        proxy.cut()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        await proxy.stop()
        await asyncio.sleep(0.05)
        server.close()
        return heard

    assert asyncio.run(work()) == b"\xff" * 64


def test_nothing_listens_behind_the_line() -> None:
    async def work() -> bytes:
        proxy = DelayProxy("127.0.0.1:1", rtt_ms=0)
        reader, writer = await asyncio.open_connection("127.0.0.1", await proxy.start())
        heard = await reader.read()
        writer.close()
        await writer.wait_closed()
        await proxy.stop()
        await asyncio.sleep(0.05)
        return heard

    assert asyncio.run(work()) == b""
