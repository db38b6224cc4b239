"""Many runs of the pipeline in MLflow, nested in the run of what they are parts of."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from ddnn.params import Params
from tasks.processes import ProcessMark
from tasks.run_record import Point, git_tags
from tasks.tracking.store import open_run, open_tracker, sweep_stale_runs, ui_address
from tasks.tracking.values import log_params, log_points

_MEMBER = "member"


@dataclass(frozen=True)
class TrackedParent:
    """The run of the whole in MLflow."""

    run_id: str
    url: str
    """Of its page, which lists its nested runs."""


def open_parent(experiment_name: str, name: str, tags: Mapping[str, str]) -> TrackedParent:
    """Give the run with these tags: one for all time, so that pieces come together.

    Raises:
        TrackingError: MLflow cannot be used.
    """
    client, experiment = open_tracker(experiment_name)
    sweep_stale_runs()
    found = _search(client, experiment, tags)
    if found:
        run_id = str(found[0].info.run_id)
    else:
        with open_run(client, experiment, name, dict(tags) | git_tags()) as made:
            run_id = made
    return TrackedParent(run_id, f"{ui_address()}/#/experiments/{experiment}/runs/{run_id}")


def log_nested(
    experiment_name: str,
    parent: TrackedParent,
    name: str,
    made_of: tuple[str, str],
    tags: Mapping[str, str],
    params: Params,
    points: list[Point],
    files: list[Path],
) -> None:
    """Log one run under its parent.

    An older one of the same name (other code, other settings) makes room: it is deleted, as MLflow
    deletes, to be restored by its id.

    Args:
        experiment_name: Of MLflow's experiment.
        parent: The run of the whole.
        name: Of the run, alone among its parent's.
        made_of: Name and value of the tag that tells this run from an older one.
        tags: More of them.
        params: The run's settings.
        points: Its numbers.
        files: What is kept with them.

    Raises:
        TrackingError: MLflow cannot be used.
    """
    client, experiment = open_tracker(experiment_name)
    for old in _members(client, experiment, parent, name):
        client.delete_run(old.info.run_id)
    own = {MLFLOW_PARENT_RUN_ID: parent.run_id, _MEMBER: name, made_of[0]: made_of[1]}
    own |= dict(tags) | git_tags() | ProcessMark.current().tags()
    with open_run(client, experiment, name, own) as run_id:
        log_params(client, run_id, params)
        log_points(client, run_id, points)
        for path in files:
            client.log_artifact(run_id, str(path), "evaluation")


def is_logged(
    experiment_name: str, parent: TrackedParent, name: str, made_of: tuple[str, str]
) -> bool:
    """Tell whether that very run is there already, finished."""
    client, experiment = open_tracker(experiment_name)
    return any(
        run.data.tags.get(made_of[0]) == made_of[1] and run.info.status == "FINISHED"
        for run in _members(client, experiment, parent, name)
    )


def _members(client: MlflowClient, experiment: str, parent: TrackedParent, name: str) -> list[Run]:
    return _search(client, experiment, {MLFLOW_PARENT_RUN_ID: parent.run_id, _MEMBER: name})


def _search(client: MlflowClient, experiment: str, tags: Mapping[str, str]) -> list[Run]:
    what = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    return list(client.search_runs([experiment], what, max_results=1000))
