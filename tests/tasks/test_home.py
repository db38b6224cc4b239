"""The state folder, the tools' environment, and who is still alive."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ddnn.errors import DdnnError
from tasks.addresses import announce, announced, withdraw
from tasks.home import PROJECT_ROOT, check_database, ddnn_home, file_lock, tool_environment
from tasks.processes import ProcessMark

ROOT = Path(__file__).parents[2]


def test_the_state_folder_lies_in_the_checkout_unless_named(monkeypatch, tmp_path):
    monkeypatch.delenv("DDNN_HOME", raising=False)
    assert ddnn_home() == PROJECT_ROOT / ".ddnn"
    monkeypatch.setenv("DDNN_HOME", str(tmp_path))
    assert ddnn_home() == tmp_path


def test_tools_send_nothing_and_keep_their_state_at_home(monkeypatch, tmp_path):
    monkeypatch.setenv("DDNN_HOME", str(tmp_path))
    for name in ("PREFECT_HOME", "MLFLOW_TRACKING_URI", "DO_NOT_TRACK"):
        monkeypatch.delenv(name, raising=False)
    environment = tool_environment()
    assert environment["DO_NOT_TRACK"] == environment["DVC_NO_ANALYTICS"] == "1"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert environment["PREFECT_HOME"] == str(tmp_path / "prefect")
    assert environment["MLFLOW_TRACKING_URI"].startswith(f"sqlite:///{tmp_path}")


def test_what_the_user_set_stays(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert tool_environment()["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:9"


def test_a_process_is_alive_until_it_is_reaped_or_killed():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = ProcessMark.of(child.pid)
    assert ProcessMark.from_tags(mark.tags()) == mark
    assert not mark.is_dead()
    child.kill()
    child.communicate()
    assert mark.is_dead()


def test_another_process_with_the_same_id_is_not_the_one_that_was_marked():
    ours = ProcessMark.current()
    assert ProcessMark(ours.host, ours.pid, "an earlier start").is_dead()
    assert not ProcessMark("elsewhere", ours.pid, "any").is_dead()


def test_tags_without_a_mark_give_none():
    assert ProcessMark.from_tags({}) is None
    assert ProcessMark.from_tags({"ddnn.host": "x", "ddnn.pid": "?"}) is None


def test_an_address_holds_while_its_process_lives(monkeypatch, tmp_path):
    monkeypatch.setenv("DDNN_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert announced("prefect") is None
    code = "from tasks.addresses import announce; announce('prefect', 'http://x'); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    while announced("prefect") is None:
        assert child.poll() is None
    assert announced("prefect") == "http://x"
    child.kill()
    child.communicate()
    assert announced("prefect") is None
    announce("prefect", "http://y")
    withdraw("prefect")
    assert announced("prefect") is None


def test_a_killed_process_lets_go_of_its_lock(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    code = (
        "import sys; from pathlib import Path; from tasks.home import file_lock\n"
        "with file_lock(Path(sys.argv[1])): print('held', flush=True); input()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout.readline() == b"held\n"
    child.kill()
    child.communicate()
    with file_lock(tmp_path / "lock"):
        pass


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "a #1.db"  # a name that a URI has to quote
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE t (word TEXT)")
        made.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 100)
    return path


def test_a_sound_a_locked_and_a_missing_database_pass(database, tmp_path):
    check_database(database, DdnnError)
    check_database(tmp_path / "none.db", DdnnError)
    assert not (tmp_path / "none.db").exists()
    with closing(sqlite3.connect(database)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("BEGIN IMMEDIATE")
        check_database(database, DdnnError)


@pytest.mark.parametrize("damage", ["garbage", "cut", "overwritten"])
def test_a_damaged_database_is_told_with_the_way_out(database, damage):
    whole = database.read_bytes()
    middle = len(whole) // 2
    damaged = {
        "garbage": b"no database" * 1000,
        "cut": whole[:middle],
        "overwritten": whole[:middle] + b"\xa5" * 8192 + whole[middle + 8192 :],
    }[damage]
    database.write_bytes(damaged)
    with pytest.raises(DdnnError, match=r"a #1\.db: the database is damaged .*move it away"):
        check_database(database, DdnnError)
    assert database.read_bytes() == damaged
