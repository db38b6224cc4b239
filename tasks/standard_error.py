"""Standard error shared by bars and lines of several processes."""

import os
import sys
import time

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10.0


class NowAndThen:
    """Tells when the next line is due where there is no terminal to draw a bar on."""

    def __init__(self) -> None:
        self._due = time.monotonic() + SECONDS_BETWEEN_LINES

    def due(self) -> bool:
        """Whether it is; then the next one is due some seconds later."""
        if time.monotonic() < self._due:
            return False
        self._due = time.monotonic() + SECONDS_BETWEEN_LINES
        return True


def say(line: str) -> None:
    """Write a line above the bars."""
    tqdm.write(line, file=sys.stderr)
    sys.stderr.flush()


def position() -> int:
    """Line of this process's lowest bar, of the environment's ``DDNN_PROGRESS_POSITION``.

    So runs side by side do not write over each other.
    """
    try:
        return max(int(os.environ.get("DDNN_PROGRESS_POSITION", "0")), 0)
    except ValueError:
        return 0
