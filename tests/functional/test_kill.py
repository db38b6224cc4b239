"""A kill in the middle of a training: the same weights afterwards, and nothing left behind."""

import re
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from functional_checkout import make_checkout

pytestmark = [pytest.mark.functional, pytest.mark.timeout(600)]


LONG = {"train.max_epochs": 20, "train.patience": 20, "setting.seed": 7}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, begin_home):
    checkout = make_checkout(tmp_path_factory.mktemp("killed"), begin_home)
    checkout.set(LONG)
    return checkout


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    checkout = make_checkout(tmp_path_factory.mktemp("undisturbed"))
    checkout.set(LONG)
    for stage in ("download", "grid", "train"):
        checkout.run("ddnn", "stage", stage)
    return checkout.hashes("train")


def processes(root):
    """Living processes that work in a checkout."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            inside = (place / "cwd").readlink()
            state = (place / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z" and inside.is_relative_to(root):
            found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def wait_for(what, seconds=120):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def kill_in_training(checkout, *command):
    """Start a command, and kill it with -9 once a training has written some checkpoints."""
    child = checkout.start(*command)
    seen = set()

    def some_epochs():
        assert child.poll() is None, child.stdout.read()
        seen.update(
            (path, path.stat().st_mtime_ns)
            for path in (checkout.root / ".ddnn" / "scratch").glob("*/*.safetensors")
        )
        return len(seen) >= 3

    wait_for(some_epochs)
    child.send_signal(signal.SIGKILL)
    child.stdout.close()
    child.wait()
    wait_for(lambda: not processes(checkout.root), seconds=15)


def test_a_killed_flow_goes_on_where_it_was(checkout, undisturbed):
    kill_in_training(checkout, "ddnn", "run")
    said = checkout.run("ddnn", "run")
    assert re.search(r"goes on after epoch \d+", said), said
    checkout.run("ddnn", "stage", "download")
    checkout.run("ddnn", "stage", "grid")
    checkout.run("ddnn", "stage", "train")
    assert checkout.hashes("train") == undisturbed


def test_no_run_is_left_running(checkout):
    home = checkout.root / ".ddnn"
    with sqlite3.connect(home / "prefect" / "prefect.db") as prefect:
        states = {row[0] for row in prefect.execute("select state_type from flow_run")}
    assert states == {"CRASHED", "COMPLETED"}
    with sqlite3.connect(home / "mlflow" / "mlflow.db") as mlflow:
        assert {row[0] for row in mlflow.execute("select status from runs")} == {"FINISHED"}


def test_a_killed_repro_leaves_no_process_and_goes_on(checkout, undisturbed):
    checkout.set({"setting.w": 0.4})
    kill_in_training(checkout, "dvc", "repro", "train")
    checkout.set({"setting.w": 0.2})
    checkout.run("dvc", "repro", "train")
    assert checkout.hashes("train") == undisturbed
    checkout.set({"setting.w": 0.4})
    assert re.search(r"goes on after epoch \d+", checkout.run("dvc", "repro", "train"))
