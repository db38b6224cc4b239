"""MLflow's database, its experiment, and runs that end in a state that is true."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ddnn.errors import DdnnError
from tasks.addresses import announced
from tasks.home import check_database, ddnn_home, file_lock
from tasks.processes import ProcessMark

EXPERIMENT = "ddnn"
PAPER_EXPERIMENT = "ddnn-paper"
CITY_EXPERIMENT = "ddnn-city"
_LONGEST_TAG = 5000
_DEFAULT_UI = "http://127.0.0.1:5000"


class TrackingError(DdnnError):
    """The tracker cannot be used as it is."""


def tracking_uri() -> str:
    """Give MLflow's address: ``MLFLOW_TRACKING_URI``, or sqlite in the state folder."""
    named = os.environ.get("MLFLOW_TRACKING_URI")
    return named or f"sqlite:///{ddnn_home() / 'mlflow' / 'mlflow.db'}"


def ui_address() -> str:
    """Give the address under which MLflow's pages are, or will be once ``make ui`` runs."""
    uri = tracking_uri()
    return uri.rstrip("/") if uri.startswith("http") else announced("mlflow") or _DEFAULT_UI


def prepare() -> None:
    """Make MLflow's database if it is not there yet: once, however many processes start."""
    open_tracker()


def sweep_stale_runs() -> list[str]:
    """Set runs KILLED that a process of this host left RUNNING when it died; give their ids."""
    client, experiment = open_tracker()
    others = [open_tracker(name)[1] for name in (PAPER_EXPERIMENT, CITY_EXPERIMENT)]
    swept = []
    for run in client.search_runs([experiment, *others], "attributes.status = 'RUNNING'"):
        mark = ProcessMark.from_tags(run.data.tags)
        if mark is not None and mark.is_dead():
            client.set_tag(run.info.run_id, "error", "its process died while it logged")
            client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))
            swept.append(run.info.run_id)
    return swept


def open_tracker(name: str = EXPERIMENT) -> tuple[MlflowClient, str]:
    """Give a client and the experiment's id, which is made if it is not there yet.

    Raises:
        TrackingError: The database is damaged or cannot be made, or the server refuses.
    """
    uri = tracking_uri()
    root = ddnn_home() / "mlflow"
    with file_lock(root / "start.lock"):
        if uri.startswith("sqlite:///"):
            path = Path(uri.removeprefix("sqlite:///"))
            check_database(path, TrackingError)
            _make_database(path)
        client = MlflowClient(uri, os.environ.get("MLFLOW_REGISTRY_URI") or uri)
        try:
            found = client.get_experiment_by_name(name)
            if found is not None:
                return client, str(found.experiment_id)
            # A server has a place of its own for artifacts; a database has none.
            local = None if uri.startswith("http") else (root / "artifacts").as_uri()
            kind = {"mlflow.experimentKind": "custom_model_development"}  # its pages: training's
            made = client.create_experiment(name, artifact_location=local, tags=kind)
            return client, str(made)
        except MlflowException as error:
            raise TrackingError(f"MLflow at {uri}: {first_line(error)}") from error


def _make_database(path: Path) -> None:
    """Migrate under another name, so that a kill in the middle leaves no half-made database."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    made = subprocess.run(
        [sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{draft}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        last = (made.stderr.strip().splitlines() or ["no word"])[-1]
        raise TrackingError(f"{path}: MLflow could not make its database: {last}")
    draft.rename(path)


@contextmanager
def open_run(
    client: MlflowClient, experiment: str, name: str, tags: dict[str, str]
) -> Iterator[str]:
    """Open a run that ends FINISHED, or FAILED with the error's text, whatever happens."""
    run = client.create_run(experiment, run_name=name, tags=tags)
    run_id: str = run.info.run_id
    try:
        yield run_id
        client.set_terminated(run_id)
    except BaseException as error:
        fail(client, run_id, error)
        raise


def fail(client: MlflowClient, run_id: str, error: BaseException) -> None:
    """End a run as FAILED, with the error's text as a tag."""
    client.set_tag(run_id, "error", f"{type(error).__name__}: {error}"[:_LONGEST_TAG])
    client.set_terminated(run_id, RunStatus.to_string(RunStatus.FAILED))


def first_line(error: Exception) -> str:
    """Give the first line of an error's text, or its kind."""
    return (str(error).splitlines() or [type(error).__name__])[0]
