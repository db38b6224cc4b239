"""Batches gather while one runs; the queue has an end; a failure reaches those it concerns."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from ddnn.runtime.batching import Batcher, FullError


def test_what_waits_runs_together_in_order() -> None:
    sizes: list[int] = []
    gate = threading.Event()

    def run(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        gate.wait(5)
        return [2 * item for item in items]

    async def work() -> list[int]:
        batcher: Batcher[int, int] = Batcher(run, largest=4, queue=100)
        calls = [asyncio.ensure_future(batcher.submit(i)) for i in range(1)]
        await asyncio.sleep(0.05)
        calls += [asyncio.ensure_future(batcher.submit(i)) for i in range(1, 7)]
        await asyncio.sleep(0.05)
        gate.set()
        results = await asyncio.gather(*calls)
        await batcher.close()
        return list(results)

    assert asyncio.run(work()) == [0, 2, 4, 6, 8, 10, 12]
    assert sizes == [1, 4, 2]


def test_one_too_many_is_refused_at_once_and_the_given_up_are_skipped() -> None:
    ran: list[int] = []
    gate = threading.Event()

    def run(items: Sequence[int]) -> list[int]:
        ran.extend(items)
        gate.wait(5)
        return list(items)

    async def work() -> None:
        batcher: Batcher[int, int] = Batcher(run, largest=1, queue=2)
        first = asyncio.ensure_future(batcher.submit(0))
        await asyncio.sleep(0.05)
        waiting = [asyncio.ensure_future(batcher.submit(i)) for i in (1, 2)]
        await asyncio.sleep(0.05)
        with pytest.raises(FullError):
            await batcher.submit(3)
        waiting[0].cancel()
        gate.set()
        assert await first == 0
        assert await waiting[1] == 2
        await batcher.close()

    asyncio.run(work())
    assert ran == [0, 2]


def test_a_failing_batch_does_not_end_the_others() -> None:
    def run(items: Sequence[int]) -> list[int]:
        if items[0] < 0:
            raise ValueError("negative")
        return list(items)

    async def work() -> None:
        batcher: Batcher[int, int] = Batcher(run, largest=8, queue=8)
        with pytest.raises(ValueError, match="negative"):
            await batcher.submit(-1)
        assert await batcher.submit(5) == 5
        late = asyncio.ensure_future(batcher.submit(6))
        await batcher.close()
        await asyncio.wait([late], timeout=1)
        assert late.done()

    asyncio.run(work())
