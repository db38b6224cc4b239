"""What a Dask worker of the city is started with."""

import os
import sys

import pytest

from flows import dask_workers
from tasks.home import PROJECT_ROOT, ddnn_home

PROFILE = "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED"


def started(monkeypatch: pytest.MonkeyPatch, workers: int | None) -> tuple[list[str], dict]:
    calls = []
    monkeypatch.setattr(os, "execve", lambda *words: calls.append(words))
    dask_workers.serve_workers("tcp://10.0.0.1:8786", workers)
    ((program, command, environment),) = calls
    assert program == sys.executable
    return command, environment


def test_a_worker_is_calm_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROFILE, raising=False)
    assert started(monkeypatch, 2)[1][PROFILE] == "False"
    monkeypatch.setenv(PROFILE, "True")
    assert started(monkeypatch, 2)[1][PROFILE] == "True"


def test_it_has_this_checkout_and_this_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    command, environment = started(monkeypatch, None)
    assert command[command.index("--nworkers") + 1] == str(os.cpu_count())
    assert command[command.index("--preload") + 1] == dask_workers.__name__
    assert environment["PYTHONPATH"].split(os.pathsep)[0] == str(PROJECT_ROOT)
    assert command[command.index("--local-directory") + 1] == str(ddnn_home() / "dask")
