"""How far a download is, on standard error: a bar a file on a terminal, else lines now and then."""

import sys
import threading
from types import TracebackType
from typing import Self

from tqdm import tqdm

from tasks.standard_error import NowAndThen, position, say


class TransferProgress:
    """Context manager that is told of each file's bytes; serves several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on_terminal = sys.stderr.isatty()
        self._bars: dict[str, tqdm[None]] = {}
        self._there: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._lines = NowAndThen()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for bar in self._bars.values():
            bar.close()

    def begin(self, name: str, size: int, there: int) -> None:
        """Start on a file of ``size`` bytes, of which ``there`` are here already."""
        with self._lock:
            self._sizes[name], self._there[name] = size, there
            if self._on_terminal:
                taken = {-bar.pos for bar in self._bars.values()}
                line = next(n for n in range(position(), 1000) if n not in taken)
                self._bars[name] = tqdm(
                    total=size,
                    initial=there,
                    desc=name,
                    unit="B",
                    unit_scale=True,
                    position=line,
                    leave=False,
                    file=sys.stderr,
                )

    def advance(self, name: str, received: int) -> None:
        """Count bytes that came."""
        with self._lock:
            self._there[name] += received
            if name in self._bars:
                self._bars[name].update(received)
            elif self._lines.due():
                say(f"download: {self._in_words()}")

    def end(self, name: str) -> None:
        """Leave a file, whole or not."""
        with self._lock:
            bar = self._bars.pop(name, None)
            if bar is not None:
                bar.close()
            elif self._there[name] == self._sizes[name]:
                say(f"download: {name} is here")
            del self._there[name], self._sizes[name]

    def say(self, line: str) -> None:
        """Pass on a line."""
        with self._lock:
            say(f"download: {line}")

    def _in_words(self) -> str:
        return ", ".join(
            f"{name} {there / 2**20:.0f} of {self._sizes[name] / 2**20:.0f} MiB"
            for name, there in self._there.items()
        )
