"""Retraining by a real schedule on a real Prefect server; the pipeline itself is a stand-in."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from ddnn.errors import ParamsError
from ddnn.params import load_params
from flows.schedule import serve_schedule

pytestmark = [pytest.mark.functional, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]


PIPELINE = """
import time
from types import SimpleNamespace
from ddnn.errors import DdnnError
from tasks.champion import ChampionRef, decide
from tasks.home import PROJECT_ROOT

def run_pipeline(params):
    if (PROJECT_ROOT / "fail").exists():
        raise DdnnError("demand.csv: line 7 is no number")
    if (PROJECT_ROOT / "hang").exists():
        time.sleep(600)
    champion = ChampionRef("ddnn.mine", 3, "old", 2.0, "days")
    tracked = SimpleNamespace(
        model="ddnn.mine", version=4, url="http://mlflow", verdict=decide(champion, 2.0, 1.5)
    )
    return SimpleNamespace(tracked=tracked)
"""
SERVE = (
    "from ddnn.params import load_params; from flows.schedule import serve_schedule\n"
    "from pathlib import Path; serve_schedule(load_params(Path('params.yaml')), 0)"
)
RETRAIN = (
    "from ddnn.params import load_params; from flows.schedule import retrain_once\n"
    "from pathlib import Path; retrain_once(load_params(Path('params.yaml')))"
)


class Checkout:
    """A copy of the code with a pipeline that does as the tests say."""

    def __init__(self, root):
        self.root = root
        self.children = []
        for room in ("ddnn", "tasks", "flows"):
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / room, root / room, ignore=ignore)
        (root / "flows" / "pipeline.py").write_text(PIPELINE)
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        params["download"] |= {"source": "matrix", "matrix": {"path": "mine.csv"}}
        params["schedule"]["cron"] = "* * * * * */3"  # the sixth field: seconds
        (root / "params.yaml").write_text(yaml.safe_dump(params))

    def start(self, code):
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "MLFLOW_"))
        }
        own = {
            "DDNN_HOME": str(self.root / "home"),
            "PYTHONPATH": os.pathsep.join([str(self.root), os.environ.get("PYTHONPATH", "")]),
            "PREFECT_HOME": str(self.root / "home" / "prefect"),
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
            "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "1",
        }
        (self.root / "home" / "prefect").mkdir(parents=True, exist_ok=True)
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=self.root,
            env=kept | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.children.append(child)
        return child


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    yield checkout
    for child in checkout.children:
        child.kill()
        child.wait()
        child.stdout.close()


def ask(url, path, **order):
    request = urllib.request.Request(
        f"{url}/api/{path}/filter",
        data=json.dumps(order).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def wait_for(url, state, count=1, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        runs = ask(url, "flow_runs", limit=100, flow_runs={"state": {"name": {"any_": [state]}}})
        if len(runs) >= count:
            return runs
        time.sleep(0.2)
    pytest.fail(f"no {count} runs {state} in {seconds} s")


def processes(root):
    """Give the living processes that work in a folder."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "cwd").resolve() == root and "Z" not in (
                place / "stat"
            ).read_text().split():
                found.add(int(place.name))
        except OSError:
            continue
    return found


def test_scheduled_runs_come_do_not_overlap_and_survive_a_kill(checkout):
    served = checkout.start(SERVE)
    url = served.stdout.readline().split()[1].rstrip(";")
    (done, *_) = wait_for(url, "Completed")
    assert done["auto_scheduled"]
    assert "version 4 is champion" in done["state"]["message"]
    (artifact,) = ask(url, "artifacts/latest", limit=9)
    assert artifact["key"] == "retraining"
    assert "| champion, version 3 | 2.0000 |" in artifact["data"]
    assert "| challenger, version 4 | 1.5000 |" in artifact["data"]

    (checkout.root / "hang").touch()
    wait_for(url, "Running")
    wait_for(url, "Cancelled", 2)
    assert len(wait_for(url, "Running")) == 1

    served.kill()
    served.communicate()
    deadline = time.monotonic() + 20
    while processes(checkout.root) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes(checkout.root)

    (checkout.root / "hang").unlink()
    served = checkout.start(SERVE)
    url = served.stdout.readline().split()[1].rstrip(";")
    assert len(wait_for(url, "Crashed")) == 1
    before = len(wait_for(url, "Completed"))
    wait_for(url, "Completed", before + 1)
    served.send_signal(signal.SIGINT)
    assert served.wait(30) == 0


def test_a_failed_retraining_says_why_and_its_exit_code_tells(checkout):
    (checkout.root / "fail").touch()
    process = checkout.start(RETRAIN)
    process.communicate(timeout=90)
    (checkout.root / "fail").unlink()
    assert process.returncode != 0


def test_a_retraining_by_hand_prints_its_verdict(checkout):
    process = checkout.start(RETRAIN)
    said, _ = process.communicate(timeout=90)
    assert process.returncode == 0
    assert said.splitlines()[-1].startswith("ddnn.mine version 4 is champion")


def test_a_faulty_cron_line_is_refused():
    params = load_params(ROOT / "params.yaml", {"schedule.cron": "every day"})
    with pytest.raises(ParamsError, match="no cron line"):
        serve_schedule(params)


def test_prefect_yaml_says_the_same_as_params_yaml():
    (first, *_) = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    params = load_params(ROOT / "params.yaml")
    (schedule,) = first["schedules"]
    assert schedule == {"cron": params.schedule.cron, "timezone": params.download.timezone}
    place, _, name = first["entrypoint"].partition(":")
    assert f"def {name}(" in (ROOT / place).read_text()
