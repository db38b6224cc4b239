"""The paper's experiment in MLflow: one run for it, and nested in that each run of the pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from tasks.paper import PaperRun
from tasks.processes import ProcessMark
from tasks.run_record import epoch_costs, git_tags, read_json, summary_metrics
from tasks.tracking.store import (
    PAPER_EXPERIMENT,
    open_run,
    open_tracker,
    sweep_stale_runs,
    ui_address,
)
from tasks.tracking.values import log_params, log_points

_DEMAND, _KEY = "paper.demand", "paper.evaluate_key"


@dataclass(frozen=True)
class TrackedPaper:
    """The experiment's run in MLflow."""

    run_id: str
    url: str
    """Of the page that lists its nested runs for comparison."""


def open_paper(demand: str) -> TrackedPaper:
    """Give the experiment's run for a demand: one for all time, so that pieces come together.

    Raises:
        TrackingError: MLflow cannot be used.
    """
    client, experiment = open_tracker(PAPER_EXPERIMENT)
    sweep_stale_runs()
    found = _search(client, experiment, f"tags.`{_DEMAND}` = '{demand}' and tags.kind = 'paper'")
    if found:
        run_id = str(found[0].info.run_id)
    else:
        tags = {_DEMAND: demand, "kind": "paper"} | git_tags()
        with open_run(client, experiment, f"paper {demand}", tags) as made:
            run_id = made
    return TrackedPaper(run_id, f"{ui_address()}/#/experiments/{experiment}/runs/{run_id}")


def log_member(
    parent: TrackedPaper,
    demand: str,
    run: PaperRun,
    artefacts: Mapping[str, Path],
    key: str,
) -> None:
    """Log one run of the pipeline under the experiment's, unless it is there already.

    An older one of the same name (other code, other settings) makes room: it is deleted, as MLflow
    deletes, to be restored by its id.

    Args:
        parent: The experiment's run.
        demand: Name of the demand.
        run: The run.
        artefacts: Its stages' output folders.
        key: Of its stage ``evaluate``.

    Raises:
        ArtefactError: An output is not what its stage writes.
        TrackingError: MLflow cannot be used.
    """
    client, experiment = open_tracker(PAPER_EXPERIMENT)
    known = _search(
        client,
        experiment,
        f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent.run_id}' and tags.member = '{run.name}'",
    )
    for old in known:
        if old.data.tags.get(_KEY) == key and old.info.status == "FINISHED":
            return
        client.delete_run(old.info.run_id)
    tags = {
        MLFLOW_PARENT_RUN_ID: parent.run_id,
        _DEMAND: demand,
        _KEY: key,
        "member": run.name,
        "paper.setting": run.setting,
        "deepcog": "deepcog_original" if run.original else "the DDNN's layers, w = 0",
    }
    tags |= git_tags() | ProcessMark.current().tags()
    with open_run(client, experiment, run.name, tags) as run_id:
        log_params(client, run_id, run.params)
        evaluation = read_json(artefacts["evaluate"] / "evaluation.json")
        log_points(client, run_id, epoch_costs(artefacts) + summary_metrics(evaluation, run.params))
        for name in ("evaluation.json", "curves.parquet"):
            client.log_artifact(run_id, str(artefacts["evaluate"] / name), "evaluation")


def close_paper(parent: TrackedPaper, claims: list[dict[str, Any]], files: list[Path]) -> None:
    """Log the verdicts to the experiment's run, with the files that were made of its members.

    Args:
        parent: The experiment's run.
        claims: As in claims_<demand>.json.
        files: The report, the claims and the figures.

    Raises:
        TrackingError: MLflow cannot be used.
    """
    client, _ = open_tracker(PAPER_EXPERIMENT)
    verdicts = [claim["verdict"] for claim in claims]
    for claim in claims:
        client.set_tag(parent.run_id, f"claim.{claim['id']:02}", claim["verdict"])
    for verdict in sorted(set(verdicts)):
        name = "claims." + verdict.replace(" ", "_")
        client.log_metric(parent.run_id, name, float(verdicts.count(verdict)))
    for path in files:
        client.log_artifact(parent.run_id, str(path), "figures" if path.suffix == ".png" else None)


def _search(client: MlflowClient, experiment: str, what: str) -> list[Run]:
    return list(client.search_runs([experiment], what, max_results=1000))
