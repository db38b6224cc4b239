"""Runs of MLflow, written from finished artefacts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from mlflow.data.pandas_dataset import from_pandas
from mlflow.data.sources import LocalArtifactDatasetSource
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.tracking import MlflowClient

from ddnn.params import Params
from ddnn.runtime.manifest import ORIGIN
from tasks.champion import Verdict, model_name
from tasks.processes import ProcessMark
from tasks.run_record import (
    demand_sha256,
    epoch_costs,
    git_tags,
    read_json,
    summary_metrics,
)
from tasks.tracking.registry import (
    BUNDLE,
    challenge,
    demand_tags,
    one_challenge_at_a_time,
    promote,
    register,
)
from tasks.tracking.store import fail, open_run, open_tracker, sweep_stale_runs, ui_address
from tasks.tracking.values import log_params, log_points


@dataclass(frozen=True)
class TrackedRun:
    """A finished pipeline in MLflow."""

    run_id: str
    url_path: str
    """Of the run's page, after the address of an MLflow server."""
    url: str
    """Of the run's page; it answers while that server (or ``make ui``) runs."""
    model: str
    version: int
    verdict: Verdict


def log_pipeline(
    artefacts: Mapping[str, Path],
    keys: Mapping[str, str],
    hits: Mapping[str, bool | None],
    params: Params,
    door: str,
    flow_run: str | None,
    description: str = "",
) -> TrackedRun:
    """Log a finished pipeline, register its model, and crown it if it is the best so far.

    Args:
        artefacts: Verified output folder of each stage.
        keys: Key of each stage.
        hits: Whether a stage was found finished; None where another process knows.
        params: The settings of the run.
        door: ``prefect`` or ``dvc``.
        flow_run: Id of Prefect's flow run, if there is one.
        description: What MLflow shows on the run's page, as markdown.

    Raises:
        ArtefactError: An output is not what its stage writes.
        TrackingError: The tracker cannot be used.
    """
    client, experiment = open_tracker()
    sweep_stale_runs()
    tags = _stage_tags(keys, hits) | _door_tags(door, flow_run)
    tags["demand.sha256"] = demand_sha256(artefacts["download"])
    tags |= demand_tags(artefacts["download"], params)
    with one_challenge_at_a_time():
        with open_run(client, experiment, model_name(params), tags) as run_id:
            _log_values(client, run_id, params, artefacts)
            _log_demand(client, run_id, artefacts["download"], tags["demand.sha256"])
            _log_files(client, run_id, artefacts)
            version = register(client, experiment, run_id, artefacts, params)
            origin = {"run": run_id, "model": version.name, "version": int(version.version)}
            client.log_dict(run_id, origin, f"{BUNDLE}/{ORIGIN}")
            verdict = challenge(client, run_id, version, artefacts, params)
            client.set_tag(run_id, "champion.verdict", verdict.reason)
            client.set_tag(run_id, "mlflow.note.content", description)
        if verdict.promoted:  # last of all: a champion is always of a finished run
            promote(version.name, int(version.version))
    path = f"/#/experiments/{experiment}/runs/{run_id}"
    return TrackedRun(
        run_id, path, ui_address() + path, version.name, int(version.version), verdict
    )


def log_failure(params: Params, door: str, flow_run: str | None, error: BaseException) -> str:
    """Log a pipeline that failed: a FAILED run with its settings and the error's text.

    Returns:
        The run's id.
    """
    client, experiment = open_tracker()
    sweep_stale_runs()
    tags = _door_tags(door, flow_run)
    run = client.create_run(experiment, run_name=model_name(params), tags=tags)
    run_id: str = run.info.run_id
    log_params(client, run_id, params)
    fail(client, run_id, error)
    return run_id


def _door_tags(door: str, flow_run: str | None) -> dict[str, str]:
    flow = {} if flow_run is None else {"prefect.flow_run": flow_run}
    source = {"mlflow.source.name": "ddnn run" if door == "prefect" else "dvc repro"}
    return {"door": door} | source | flow | git_tags() | ProcessMark.current().tags()


def _stage_tags(keys: Mapping[str, str], hits: Mapping[str, bool | None]) -> dict[str, str]:
    words = {True: "hit", False: "ran", None: "before"}
    tags = {f"stage.{stage}": words[hit] for stage, hit in hits.items()}
    return tags | {f"stage.{stage}.key": key for stage, key in keys.items()}


def _log_values(
    client: MlflowClient, run_id: str, params: Params, artefacts: Mapping[str, Path]
) -> None:
    log_params(client, run_id, params)
    evaluation = read_json(artefacts["evaluate"] / "evaluation.json")
    log_points(client, run_id, epoch_costs(artefacts) + summary_metrics(evaluation, params))


def _log_demand(client: MlflowClient, run_id: str, folder: Path, sha256: str) -> None:
    facts = read_json(folder / "demand.json")
    data = from_pandas(
        pd.read_parquet(folder / "demand.parquet"),
        # Its class named: MLflow finds two of this name for a path, and warns.
        source=LocalArtifactDatasetSource(str(folder / "demand.parquet")),
        name=str(facts["name"]),
        digest=sha256[:36],  # all that MLflow has room for
    )
    tags = [InputTag("mlflow.data.context", "training"), InputTag("sha256", sha256)]
    client.log_inputs(run_id, [DatasetInput(Dataset(**data.to_dict()), tags)])


def _log_files(client: MlflowClient, run_id: str, artefacts: Mapping[str, Path]) -> None:
    client.log_artifacts(run_id, str(artefacts["export"]), BUNDLE)
    evaluate, report = artefacts["evaluate"], artefacts["report"]
    client.log_artifact(run_id, str(report / "report.html"))
    for folder, place in ((report / "figures", "figures"), (report / "plots", "plots")):
        if folder.is_dir():
            client.log_artifacts(run_id, str(folder), place)
    for name in ("evaluation.json", "curves.parquet"):
        if (evaluate / name).is_file():
            client.log_artifact(run_id, str(evaluate / name), "evaluation")
