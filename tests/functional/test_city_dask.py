"""A city on a real Dask scheduler and two worker processes, one of which is killed in between."""

import os
import re
import signal
import sqlite3
import subprocess
import time

import pytest
from functional_checkout import make_checkout

pytestmark = [pytest.mark.functional, pytest.mark.timeout(900)]

SITES = 3
CITY = {
    "city.demand": "tiny",
    "city.demands": {
        "tiny": {
            "download.source": "city",
            "download.name": "tiny",
            "download.city": {"squares": 4 * SITES, "days": 10, "seed": 1},
        }
    },
    "city.sites": {"size": 4, "by": "correlation", "seed": 0},
    "train.max_epochs": 20,
    "train.patience": 20,
    "offloader.max_epochs": 1,
}


def wait_for(what, seconds=600):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
    return found


@pytest.fixture
def started():
    """Give a list of processes; the whole session of each is ended after the test."""
    processes = []
    yield processes
    for child in processes:
        kill(child)


def kill(child):
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def start(started, checkout, name, *command):
    environment = checkout.environment | {"PYTHONPATH": str(checkout.root)}
    with (checkout.root / f"{name}.log").open("w") as log:
        child = subprocess.Popen(
            command,
            cwd=checkout.root,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started.append(child)
    return child


def test_what_a_killed_worker_had_is_done_by_the_other(tmp_path, started, begin_home):
    checkout = make_checkout(tmp_path, begin_home)
    checkout.set(CITY)

    def log(name):
        return (tmp_path / f"{name}.log").read_text()

    start(
        started,
        checkout,
        "scheduler",
        *("dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
    )
    address = wait_for(lambda: re.search(r"Scheduler at:\s+(tcp://\S+)", log("scheduler")))[1]
    workers = {
        name: start(started, checkout, name, "ddnn", "city-worker", address, "--workers", "1")
        for name in ("one", "other")
    }
    for name in workers:
        wait_for(lambda name=name: "Registered to" in log(name))
    flow = start(started, checkout, "flow", "ddnn", "city", "--set", f"city.scheduler={address}")

    def in_training():
        """Name a worker whose training has left a checkpoint."""
        assert flow.poll() is None, log("flow")
        busy = [n for n in workers if log(n).count("grid: done") > log(n).count("train: done")]
        kept = list((tmp_path / ".ddnn" / "scratch").glob("*/exits.safetensors"))
        return busy[0] if busy and len(kept) == len(busy) else None

    lost = wait_for(in_training)
    kill(workers.pop(lost))
    (other,) = workers
    assert flow.wait(600) == 0, log("flow")
    assert f"{SITES} of {SITES} sites" in log("flow")
    assert log(other).count("squares: done in") >= SITES - 1
    assert re.search(r"train: goes on after epoch \d+", log(other))
    with sqlite3.connect(tmp_path / ".ddnn" / "prefect" / "prefect.db") as database:
        rows = database.execute(
            "select t.name, s.type from task_run t join task_run_state s on s.id = t.state_id"
        )
        # The workers told the flow's server, not a temporary one of their own.
        assert {f"site{number}": "COMPLETED" for number in range(SITES)}.items() <= dict(
            rows
        ).items()
