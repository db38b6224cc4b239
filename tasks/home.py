"""Where this checkout keeps its state, and the environment that its tools are given."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ddnn.errors import DdnnError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
"""The checkout: params.yaml, dvc.yaml and prefect.yaml lie here."""


def ddnn_home() -> Path:
    """Give the state folder: ``DDNN_HOME``, or ``.ddnn`` in the checkout. It need not exist."""
    named = os.environ.get("DDNN_HOME")
    return Path(named).expanduser().resolve() if named else PROJECT_ROOT / ".ddnn"


def tool_environment() -> dict[str, str]:
    """Give the variables that Prefect, MLflow and DVC run under; what is set already, stays.

    They are read when the tools are imported, so the command applies them before that. Nothing
    leaves the machine: telemetry is off, servers listen on loopback, and Prefect's own profile
    (it may name a cloud account) is not read.
    """
    home = ddnn_home()
    (home / "prefect").mkdir(parents=True, exist_ok=True)  # Prefect warns where it cannot
    wanted = {
        "DDNN_HOME": str(home),
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # for a dozen small local files
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow' / 'mlflow.db'}",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # 4 worker processes, of no use here
        "GIT_PYTHON_REFRESH": "quiet",  # mlflow must not complain where git is not installed
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # A server that Prefect starts by itself outlives a killed run: start ours, or none.
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    }
    return {name: os.environ.get(name) or value for name, value in wanted.items()}


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path``; the kernel lets go of it when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def check_database(path: Path, error: type[DdnnError]) -> None:
    """Refuse a damaged sqlite database before a tool meets it; one that is not there passes.

    It is only read: what cannot be read now (locked, left open by a kill) is the tool's to mend.

    Args:
        path: The database.
        error: What is raised.

    Raises:
        DdnnError: As ``error``: the database is damaged.
    """
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            said = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as caught:
        if caught.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return
        said = str(caught)
    if said != "ok":
        raise error(
            f"{path}: the database is damaged ({' '.join(said.split())}); restore it from a "
            "backup, or move it away to begin a new history"
        )
