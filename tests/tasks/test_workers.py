"""Processes of stages: each its own, forked from one that has the libraries; none outlives us."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tasks import fork_server, workers
from tasks.processes import ProcessMark, parent_of
from tasks.workers import Ended, ForkServer

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forked on Linux alone")

# A stage that does as its scratch folder is called.
PROBE = """
import json, os, sys, time
from ddnn.errors import ArtefactError

def run(stage):
    loaded = "torch" in sys.modules  # before any import of this stage
    word = stage.scratch.name
    facts = {"pid": os.getpid(), "parent": os.getppid(), "torch": loaded, "word": word,
             "line": os.environ["DDNN_PROGRESS_POSITION"], "threads": os.environ["OMP_NUM_THREADS"]}
    (stage.out / f"{word}.draft").write_text(json.dumps(facts))
    (stage.out / f"{word}.draft").rename(stage.out / f"{word}.json")
    print("what a library prints")
    if word == "fail":
        raise ArtefactError("demand.csv: line 7 is no number")
    if word == "break":
        raise RuntimeError("a fault of the code's")
    if word.startswith("hang"):
        time.sleep(600)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Give a copy of the stages' code with a stage `probe`."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "tasks", root / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "tasks" / "probe.py").write_text(PROBE)
    return root


@pytest.fixture(scope="module")
def changes(checkout):
    """Stand in that copy, and give what its processes have other than this one's."""
    before = Path.cwd()
    os.chdir(checkout)
    yield {"PYTHONPATH": os.pathsep.join([str(checkout), str(ROOT)]), "OMP_NUM_THREADS": "1"}
    os.chdir(before)


@pytest.fixture(scope="module")
def server(changes):
    made = ForkServer(os.environ | changes)
    yield made
    made.close()


@pytest.fixture(scope="module")
def order(tiny_stage):
    def order_of(word, out, module="tasks.probe"):
        return json.dumps(
            {
                "module": module,
                "params": tiny_stage.params.model_dump(mode="json"),
                "inputs": {},
                "out": str(out),
                "scratch": str(out / word),
                "arithmetic": tiny_stage.arithmetic.to_dict(),
                "line": 3,
            }
        )

    return order_of


def facts_of(out, word, seconds=60):
    deadline = time.monotonic() + seconds
    while not (out / f"{word}.json").exists():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    return json.loads((out / f"{word}.json").read_text())


def gone(pid, seconds=15.0):
    deadline = time.monotonic() + seconds
    mark = ProcessMark.of(pid)
    while not mark.is_dead() and mark.started:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def in_thread(call, *arguments):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call(*arguments)))
    thread.start()
    return thread, answers


def test_each_stage_has_a_process_of_its_own_with_the_libraries(server, order, tmp_path):
    ended = [server.run(order(word, tmp_path)) for word in ("one", "two")]
    assert ended == [Ended("", 0)] * 2
    one, two = (facts_of(tmp_path, word) for word in ("one", "two"))
    assert len({one["pid"], two["pid"], os.getpid()}) == 3
    assert one["parent"] == two["parent"]
    assert parent_of(one["parent"]) == os.getpid()
    assert (one["torch"], one["line"], one["threads"]) == (True, "3", "1")


def test_a_failure_is_its_words_and_its_code(server, order, tmp_path):
    assert server.run(order("fail", tmp_path)) == Ended("demand.csv: line 7 is no number\n", 1)
    assert server.run(order("break", tmp_path)) == Ended("", 1)


def test_a_killed_stage_is_told_by_its_signal_and_the_others_go_on(server, order, tmp_path):
    waiting, answers = in_thread(server.run, order("hang", tmp_path))
    pid = facts_of(tmp_path, "hang")["pid"]
    assert server.run(order("beside", tmp_path)) == Ended("", 0)
    assert waiting.is_alive()
    os.kill(pid, signal.SIGKILL)
    waiting.join(15)
    assert answers == [Ended("", -signal.SIGKILL)]


def test_the_words_do_not_wait_for_a_stage_that_was_forked_later(server, order, tmp_path):
    first, answers = in_thread(server.run, order("hang1", tmp_path))
    pids = [facts_of(tmp_path, "hang1")["pid"]]
    second, _ = in_thread(server.run, order("hang2", tmp_path))
    pids.append(facts_of(tmp_path, "hang2")["pid"])
    os.kill(pids[0], signal.SIGTERM)
    first.join(15)
    assert answers == [Ended("", -signal.SIGTERM)]
    os.kill(pids[1], signal.SIGKILL)
    second.join(15)


def test_an_edit_reaches_the_next_stage(server, order, tmp_path, checkout):
    code = checkout / "tasks" / "probe.py"
    code.write_text(PROBE.replace('"word": word', '"word": "edited"'))
    assert server.run(order("again", tmp_path)).code == 0
    assert facts_of(tmp_path, "again")["word"] == "edited"
    code.write_text(PROBE)


def test_the_first_is_started_anew_and_the_next_are_forked(changes, order, tmp_path, monkeypatch):
    started = {}
    monkeypatch.setattr(workers, "_servers", started)
    monkeypatch.setattr(workers, "_orders", 0)
    ended = [workers.run_order(order(word, tmp_path), changes) for word in ("one", "two", "three")]
    assert ended == [Ended("", 0)] * 3
    one, two, three = (facts_of(tmp_path, word) for word in ("one", "two", "three"))
    assert (one["parent"], one["torch"]) == (os.getpid(), False)
    assert two["parent"] == three["parent"] != os.getpid()
    waiting, answers = in_thread(workers.run_order, order("hang", tmp_path), changes)
    pid = facts_of(tmp_path, "hang")["pid"]
    os.kill(two["parent"], signal.SIGKILL)
    waiting.join(15)
    assert answers == [Ended("", -signal.SIGKILL)]
    assert gone(pid)
    assert workers.run_order(order("after", tmp_path), changes) == Ended("", 0)
    assert facts_of(tmp_path, "after")["parent"] not in (two["parent"], os.getpid())
    (server,) = started.values()
    server.close()


def test_all_of_it_dies_with_its_starter_even_by_kill_9(changes, order, tmp_path):
    code = (
        "import os, sys; from tasks.workers import ForkServer\n"
        "ForkServer(os.environ).run(sys.stdin.read())"
    )
    environment = os.environ | changes
    starter = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, text=True
    )
    starter.stdin.write(order("hang", tmp_path))
    starter.stdin.close()
    facts = facts_of(tmp_path, "hang")
    starter.kill()
    starter.wait()
    assert gone(facts["pid"])
    assert gone(facts["parent"])


def test_the_imports_start_no_thread():
    # Of several threads a fork keeps one, and with it locks that nobody lets go of.
    code = "from tasks.fork_server import *; import_libraries(); print(is_alone())"
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # with more, the import starts BLAS's threads
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["True"]


def test_with_threads_it_is_started_anew(changes, order, tmp_path, monkeypatch):
    monkeypatch.setattr(fork_server, "is_alone", lambda: False)
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            pid = fork_server._start(theirs)
        ours.sendall(order("fail", tmp_path).encode())
        ours.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: ours.recv(4096), b""))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert said == b"demand.csv: line 7 is no number\n"
    assert facts_of(tmp_path, "fail")["torch"] is False
