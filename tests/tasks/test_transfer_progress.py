"""What a reader sees of a download, on a terminal and in a log."""

import io
import sys

import pytest

from tasks import standard_error
from tasks.transfer_progress import TransferProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def move(progress: TransferProgress) -> None:
    progress.begin("a.txt", 3 << 20, 1 << 20)
    progress.begin("b.txt", 1 << 20, 0)
    progress.advance("a.txt", 1 << 20)
    progress.say("b.txt: the server answers 500; asking again")
    progress.advance("b.txt", 1 << 20)
    progress.end("b.txt")
    progress.end("a.txt")


def test_a_log_gets_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(standard_error, "SECONDS_BETWEEN_LINES", -1.0)
    with TransferProgress() as progress:
        move(progress)
    assert capsys.readouterr().err.splitlines() == [
        "download: a.txt 2 of 3 MiB, b.txt 0 of 1 MiB",
        "download: b.txt: the server answers 500; asking again",
        "download: a.txt 2 of 3 MiB, b.txt 1 of 1 MiB",
        "download: b.txt is here",
    ]


def test_a_terminal_gets_a_bar_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("DDNN_PROGRESS_POSITION", "1")
    with TransferProgress() as progress:
        progress.begin("a.txt", 3 << 20, 1 << 20)
        progress.begin("b.txt", 1 << 20, 0)
        lines = [-bar.pos for bar in progress._bars.values()]
        progress.say("a line")
        progress.advance("a.txt", 1 << 20)
    assert lines == [1, 2]
    said = terminal.getvalue()
    assert "a.txt:  33%" in said
    assert "b.txt:   0%" in said
    assert "download: a line" in said
