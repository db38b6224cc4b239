"""A TCP proxy that adds a round-trip time: a far cloud on one machine (the kernel lacks netem)."""

import asyncio
import contextlib


class DelayProxy:
    """Passes bytes between a client and a server, each way half a round trip late.

    Bytes are delayed, never slowed: what is sent together arrives together, in order.
    """

    def __init__(self, target: str, rtt_ms: float) -> None:
        """Set up.

        Args:
            target: ``host:port`` to pass on to.
            rtt_ms: Added to every round trip.
        """
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self.rtt_ms = rtt_ms
        """May be changed while it runs."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: set[asyncio.StreamWriter] = set()

    async def start(self) -> int:
        """Listen on loopback, and give the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Close all lines."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        self.cut()
        await asyncio.gather(*tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break all lines at once, as a network does that fails."""
        for task in list(self._tasks):
            task.cancel()

    def garble(self) -> None:
        """Send bytes that are no HTTP/2 to all clients, amid what the server says."""
        for writer in self._answers:
            writer.write(b"\xff" * 64)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        assert me is not None
        self._tasks.add(me)
        self._answers.add(writer)
        writers = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            writers.append(far_writer)
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        except (OSError, asyncio.CancelledError):
            pass  # the line is broken, or cut on purpose: both ends are closed below
        finally:
            self._tasks.discard(me)
            self._answers.discard(writer)
            for each in writers:
                each.close()
            for each in writers:
                with contextlib.suppress(OSError):
                    await each.wait_closed()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1024)
        delivering = asyncio.ensure_future(_deliver(due, sink))
        loop = asyncio.get_running_loop()
        try:
            while data := await source.read(65_536):
                await due.put((loop.time() + self.rtt_ms / 2000, data))
            await due.put((loop.time() + self.rtt_ms / 2000, b""))
            await delivering
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)


async def _deliver(due: "asyncio.Queue[tuple[float, bytes]]", sink: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    while True:
        when, data = await due.get()
        if (left := when - loop.time()) > 0:
            await asyncio.sleep(left)
        if not data:
            sink.write_eof()
            return
        sink.write(data)
        await sink.drain()
