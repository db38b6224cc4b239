"""Real servers on loopback: they answer, are found again, and never outlive who started them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from flows import guard, servers
from flows.servers import ServerError, free_port
from tasks.processes import ProcessMark

ROOT = Path(__file__).parents[2]
GUARD = [sys.executable, "-I", "-S", guard.__file__]


# A flow in a process of its own: Prefect's settings belong to a process.
FLOW = """
import sys, time
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import FlowRunSort
from flows.servers import mark_flow_run, prefect_server, sweep_stale_flow_runs

@flow
def hang():
    mark_flow_run()
    print("running", flush=True)
    time.sleep(600)

with prefect_server() as server:
    if sys.argv[1] == "hang":
        hang()
    print(server.url, server.ours, *sweep_stale_flow_runs(), flush=True)
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=9):
            print(run.id, run.state.name, flush=True)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Give an environment with a state folder of its own and no server of the user's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "MLFLOW_"))
    }
    home = str(tmp_path_factory.mktemp("home"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DDNN_HOME", home)
        for name in set(os.environ) - set(kept):
            patch.delenv(name)
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        yield kept | {"DDNN_HOME": home, "PYTHONPATH": path}


@pytest.fixture(scope="module")
def ui(environment):
    """Serve both pages as `ddnn ui` does; give the process and the addresses that it printed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code = f"from flows.servers import serve_ui; serve_ui({port}, 0)"
        process = start(code, environment)
        said = [process.stdout.readline() for _ in range(4)]
    assert f"port {port} is taken" in said[0]
    urls = {line.split()[0]: line.split()[1] for line in said[1:3]}
    yield process, urls
    process.kill()
    process.communicate()


def start(code, environment, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def gone(pid, seconds=15.0):
    deadline = time.monotonic() + seconds
    mark = ProcessMark.of(pid)
    while not mark.is_dead() and mark.started:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def refused(url, seconds=15.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            get(url)
        except OSError:
            return True
        time.sleep(0.1)
    return False


def test_prefects_server_imports_with_the_pinned_fastapi():
    # prefect 3.8 declares any fastapi from 0.139 on, but 0.155 took away what it calls.
    code = "import prefect.server.api.server"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_both_pages_are_served_on_loopback(ui):
    _, urls = ui
    assert "Prefect" in get(urls["Prefect"])
    assert "MLflow" in get(urls["MLflow"])
    settings = json.loads(get(f"{urls['Prefect']}/ui-settings"))
    assert settings["api_url"] == f"{urls['Prefect']}/api"
    assert all(url.startswith("http://127.0.0.1:") for url in urls.values())


def test_prefects_server_takes_the_nulls_that_its_client_sends(ui):
    # As with the import above: fastapi 0.151 and newer refuse them, and nothing declares it.
    request = urllib.request.Request(
        f"{ui[1]['Prefect']}/api/flow_runs/filter",
        data=json.dumps({"sort": None, "limit": None, "offset": 0}).encode(),
        headers={"content-type": "application/json"},
    )
    assert get(request) == "[]"


def test_a_run_uses_the_server_that_is_there_and_a_killed_one_is_swept(ui, environment):
    _, urls = ui
    hung = start(FLOW, environment, "hang")
    while "running" not in hung.stdout.readline():
        assert hung.poll() is None
    hung.kill()
    hung.communicate()
    sweeper = start(FLOW, environment, "sweep")
    said = sweeper.communicate(timeout=60)[0].splitlines()
    url, ours, *swept = said[0].split()
    assert (url, ours) == (urls["Prefect"], "False")
    assert said[1:] == [f"{swept[0]} Crashed"]


def test_ctrl_c_stops_both_servers(ui):
    process, urls = ui
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[0]
    assert said.splitlines()[-1] == "stopping"
    assert process.returncode == 0
    for url in urls.values():
        assert refused(url)


def test_a_server_dies_with_its_starter_even_by_kill_9(environment):
    code = (
        "import time\nfrom flows.servers import prefect_server\n"
        "with prefect_server() as server: print(server.url, flush=True); time.sleep(600)"
    )
    process = start(code, environment)
    url = process.stdout.readline().strip()
    assert "true" in get(f"{url}/api/health")
    process.kill()
    process.communicate()
    assert refused(url)


def test_the_guard_ends_grandchildren_too(tmp_path):
    """The starter is killed; the guarded command's own child ignores SIGTERM."""
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    child = (
        "import subprocess, sys, time\n"
        f"c = subprocess.Popen([sys.executable, '-c', {stubborn!r}])\n"
        f"print(c.pid, file=open({str(tmp_path / 'pid')!r}, 'w'), flush=True); time.sleep(600)"
    )
    starter = (
        f"import os, subprocess, sys, time\n"
        f"subprocess.Popen({GUARD!r} + [str(os.getpid()), sys.executable, '-c', {child!r}])\n"
        "time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", starter])
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.3)  # for the grandchild to ignore the signal
    pid = int((tmp_path / "pid").read_text())
    process.kill()
    process.wait()
    assert gone(pid)


def test_the_guard_gives_its_commands_exit_code():
    command = [*GUARD, str(os.getpid()), sys.executable, "-c", "raise SystemExit(7)"]
    assert subprocess.run(command, check=False).returncode == 7


def test_a_named_server_that_does_not_answer_is_one_clear_line(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    with pytest.raises(ServerError, match="no Prefect server answers"), servers.prefect_server():
        pass


def test_a_server_that_ends_at_once_is_told_with_its_last_words(environment, monkeypatch):
    code = "print('no such colour'); raise SystemExit(3)"
    monkeypatch.setattr(servers, "_prefect_command", lambda port: [sys.executable, "-c", code])
    with pytest.raises(ServerError, match="no such colour"), servers.prefect_server():
        pass


def test_a_damaged_database_is_told_before_its_server_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("DDNN_HOME", str(tmp_path))
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "prefect.db").write_bytes(b"no database" * 1000)
    said = r"prefect\.db: the database is damaged"
    with pytest.raises(ServerError, match=said), servers.prefect_server():
        pass


def test_a_wanted_port_is_given_when_it_is_free():
    port = free_port()
    assert free_port(port) == port
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert free_port(taken.getsockname()[1]) != taken.getsockname()[1]
