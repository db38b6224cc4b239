"""Decisions of many edges run together: while one batch runs, the next one gathers."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class FullError(Exception):
    """So many wait already that one more would only wait in vain."""


class Batcher(Generic[Item, Result]):
    """Runs items in batches, in one thread beside the event loop.

    It never waits for a batch to fill: a lone item runs at once, and load makes the batches.
    """

    def __init__(
        self, run: Callable[[Sequence[Item]], Sequence[Result]], largest: int, queue: int
    ) -> None:
        """Set up; call it inside the event loop.

        Args:
            run: Gives one result for each item; runs in the thread.
            largest: Items that run at once.
            queue: Items that may wait.
        """
        self._run = run
        self._largest = largest
        self._queue = queue
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batch")
        self._wake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._work())

    def __len__(self) -> int:
        return len(self._waiting)

    async def submit(self, item: Item) -> Result:
        """Wait for an item's result.

        Raises:
            FullError: Too many wait.
        """
        if len(self._waiting) >= self._queue:
            raise FullError
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._wake.set()
        return await future

    async def close(self) -> None:
        """Stop; what still waits is cancelled."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for _, future in self._waiting:
            future.cancel()
        self._waiting.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            batch: list[tuple[Item, asyncio.Future[Result]]] = []
            while self._waiting and len(batch) < self._largest:
                item, future = self._waiting.popleft()
                if not future.done():  # the edge may have given up
                    batch.append((item, future))
            if not self._waiting:
                self._wake.clear()
            if not batch:
                continue
            try:
                results = await loop.run_in_executor(
                    self._pool, self._run, [item for item, _ in batch]
                )
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
