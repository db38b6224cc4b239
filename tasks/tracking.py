"""The one tracker: runs, data sets, models and the champion, in MLflow; no other module imports it.

A run is written from finished artefacts, so nothing is RUNNING while a stage trains. Importing
this module imports MLflow (a second or two): commands do it late.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed
from itertools import islice
from pathlib import Path
from typing import Any

import mlflow.onnx
import numpy as np
import onnx
import pandas as pd
from mlflow.data.pandas_dataset import from_pandas
from mlflow.data.sources import LocalArtifactDatasetSource
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    Metric,
    Param,
    RunStatus,
)
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import Schema, TensorSpec

from ddnn.errors import ArtefactError, DdnnError, ModelError
from ddnn.params import Params
from tasks import champion as rules
from tasks.addresses import announced
from tasks.champion import ChampionRef, Verdict, model_name
from tasks.home import ddnn_home, file_lock
from tasks.processes import ProcessMark
from tasks.run_record import (
    Point,
    demand_sha256,
    epoch_costs,
    flat_params,
    git_tags,
    read_json,
    summary_metrics,
)

EXPERIMENT = "ddnn"
CHAMPION, PREVIOUS = "champion", "previous"
BUNDLE = "bundle"
"""Where a run keeps its exported model, among its artifacts."""
_DEFAULT_UI = "http://127.0.0.1:5000"
_LONGEST_TAG = 5000


class TrackingError(DdnnError):
    """The tracker cannot be used as it is."""


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
    hits: Mapping[str, bool],
    params: Params,
    door: str,
    flow_run: str | None,
) -> TrackedRun:
    """Log a finished pipeline, register its model, and crown it if it is the best so far.

    Args:
        artefacts: Verified output folder of each stage.
        keys: Key of each stage.
        hits: Whether a stage was found finished.
        params: The settings of the run.
        door: ``prefect`` or ``dvc``.
        flow_run: Id of Prefect's flow run, if there is one.

    Raises:
        ArtefactError: An output is not what its stage writes.
        TrackingError: The tracker cannot be used.
    """
    client, experiment = _open()
    sweep_stale_runs()
    tags = _stage_tags(keys, hits) | _door_tags(door, flow_run)
    tags["demand.sha256"] = demand_sha256(artefacts["download"])
    tags |= _city_days(params)
    with _run(client, experiment, model_name(params), tags) as run_id:
        _log_values(client, run_id, params, artefacts)
        _log_demand(client, run_id, artefacts["download"], tags["demand.sha256"])
        _log_files(client, run_id, artefacts)
        version = _register(client, experiment, run_id, artefacts, params)
        verdict = _challenge(client, run_id, version, artefacts, params)
        client.set_tag(run_id, "champion.verdict", verdict.reason)
    if verdict.promoted:  # last of all: a champion is always of a finished run
        promote(version.name, int(version.version))
    path = f"/#/experiments/{experiment}/runs/{run_id}"
    return TrackedRun(
        run_id, path, _ui_address() + path, version.name, int(version.version), verdict
    )


def log_failure(params: Params, door: str, flow_run: str | None, error: BaseException) -> str:
    """Log a pipeline that failed: a FAILED run with its settings and the error's text.

    Returns:
        The run's id.
    """
    client, experiment = _open()
    sweep_stale_runs()
    tags = _door_tags(door, flow_run)
    run = client.create_run(experiment, run_name=model_name(params), tags=tags)
    run_id: str = run.info.run_id
    for chunk in _chunks([Param(*item) for item in flat_params(params).items()], 100):
        client.log_batch(run_id, params=chunk)
    _fail(client, run_id, error)
    return run_id


def champion(params: Params) -> ChampionRef | None:
    """Give the champion of this demand and setting, if there is one."""
    client, _ = _open()
    return _by_alias(client, model_name(params), CHAMPION)


def model_of_run(run_id: str) -> ChampionRef | None:
    """Give the model that a run registered; None when there is no such run or model."""
    client, _ = _open()
    try:
        found = client.search_model_versions(f"run_id = '{run_id}'")
    except MlflowException:
        return None
    return _reference(found[0]) if found else None


def promote(name: str, version: int) -> ChampionRef:
    """Make a version champion; the champion before it stays at hand as ``previous``."""
    client, _ = _open()
    with _registry_lock():
        before = _by_alias(client, name, CHAMPION)
        if before is not None and before.version != int(version):
            client.set_registered_model_alias(name, PREVIOUS, str(before.version))
        client.set_registered_model_alias(name, CHAMPION, str(version))
    return _reference(client.get_model_version(name, str(version)))


def rollback(name: str) -> ChampionRef:
    """Make the previous champion champion again; doing it twice changes nothing.

    Raises:
        ModelError: There is no previous champion.
    """
    client, _ = _open()
    before = _by_alias(client, name, PREVIOUS)
    if before is None:
        raise ModelError(f"{name}: no previous champion to go back to")
    return promote(name, before.version)


def fetch_bundle(reference: ChampionRef, folder: Path) -> Path:
    """Copy a registered model's exported files into ``folder`` and give their place.

    The reader holds each file against the bundle's own manifest.

    Raises:
        ArtefactError: MLflow does not have them any more.
    """
    client, _ = _open()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return Path(client.download_artifacts(reference.run_id, BUNDLE, str(folder)))
    except (MlflowException, OSError) as error:
        raise ArtefactError(
            f"{reference.name} version {reference.version}: its files cannot be read from MLflow "
            f"(run {reference.run_id}); promote another version, or train again"
        ) from error


def newest_city_days(name: str) -> int | None:
    """Give the most days of a synthetic city that a model of this name was ever trained on."""
    client, _ = _open()
    found = client.search_model_versions(f"name = '{name}'")
    days = [int(version.tags.get("demand.city_days", 0)) for version in found]
    return max(days, default=0) or None


def sweep_stale_runs() -> list[str]:
    """Set runs KILLED that a process of this host left RUNNING when it died; give their ids."""
    client, experiment = _open()
    swept = []
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        mark = ProcessMark.from_tags(run.data.tags)
        if mark is not None and mark.is_dead():
            client.set_tag(run.info.run_id, "error", "its process died while it logged")
            client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))
            swept.append(run.info.run_id)
    return swept


def tracking_uri() -> str:
    """Give MLflow's address: ``MLFLOW_TRACKING_URI``, or sqlite in the state folder."""
    named = os.environ.get("MLFLOW_TRACKING_URI")
    return named or f"sqlite:///{ddnn_home() / 'mlflow' / 'mlflow.db'}"


def prepare() -> None:
    """Make MLflow's database if it is not there yet: once, however many processes start."""
    _open()


def _open() -> tuple[MlflowClient, str]:
    """Give a client and the experiment's id."""
    uri = tracking_uri()
    root = ddnn_home() / "mlflow"
    with file_lock(root / "start.lock"):
        if uri.startswith("sqlite:///"):
            _make_database(Path(uri.removeprefix("sqlite:///")))
        client = MlflowClient(uri, os.environ.get("MLFLOW_REGISTRY_URI") or uri)
        try:
            found = client.get_experiment_by_name(EXPERIMENT)
            if found is not None:
                return client, str(found.experiment_id)
            # A server has a place of its own for artifacts; a database has none.
            local = None if uri.startswith("http") else (root / "artifacts").as_uri()
            return client, str(client.create_experiment(EXPERIMENT, artifact_location=local))
        except MlflowException as error:
            raise TrackingError(f"MLflow at {uri}: {_first_line(error)}") from error


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
def _run(client: MlflowClient, experiment: str, name: str, tags: dict[str, str]) -> Iterator[str]:
    """Open a run that ends FINISHED, or FAILED with the error's text, whatever happens."""
    run = client.create_run(experiment, run_name=name, tags=tags)
    run_id: str = run.info.run_id
    try:
        yield run_id
        client.set_terminated(run_id)
    except BaseException as error:
        _fail(client, run_id, error)
        raise


def _fail(client: MlflowClient, run_id: str, error: BaseException) -> None:
    client.set_tag(run_id, "error", f"{type(error).__name__}: {error}"[:_LONGEST_TAG])
    client.set_terminated(run_id, RunStatus.to_string(RunStatus.FAILED))


def _door_tags(door: str, flow_run: str | None) -> dict[str, str]:
    flow = {} if flow_run is None else {"prefect.flow_run": flow_run}
    return {"door": door} | flow | git_tags() | ProcessMark.current().tags()


def _stage_tags(keys: Mapping[str, str], hits: Mapping[str, bool]) -> dict[str, str]:
    tags = {f"stage.{stage}": "hit" if hit else "ran" for stage, hit in hits.items()}
    return tags | {f"stage.{stage}.key": key for stage, key in keys.items()}


def _log_values(
    client: MlflowClient, run_id: str, params: Params, artefacts: Mapping[str, Path]
) -> None:
    for chunk in _chunks([Param(*item) for item in flat_params(params).items()], 100):
        client.log_batch(run_id, params=chunk)
    points = epoch_costs(artefacts) + summary_metrics(artefacts, params)
    # Single metrics take 22 ms each: whole batches, of at most 1000.
    for chunk in _chunks(_metrics(points), 1000):
        client.log_batch(run_id, metrics=chunk)


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


def _register(
    client: MlflowClient,
    experiment: str,
    run_id: str,
    artefacts: Mapping[str, Path],
    params: Params,
) -> ModelVersion:
    """Log the ONNX model with its signature, and register it as a new version."""
    name = model_name(params)
    logged = client.create_logged_model(experiment, "exits", run_id, model_type="ddnn")
    graph = onnx.load(str(artefacts["export"] / "model.onnx"))
    with tempfile.TemporaryDirectory(prefix="ddnn-") as scratch:
        mlflow.onnx.save_model(
            graph,
            f"{scratch}/model",
            mlflow_model=Model(
                artifact_path=logged.artifact_location,
                run_id=run_id,
                model_uuid=logged.model_id,
                model_id=logged.model_id,
            ),
            signature=_signature(graph),
            # Named, or MLflow starts a process of its own to find them out.
            pip_requirements=[f"{tool}=={installed(tool)}" for tool in ("onnx", "onnxruntime")],
            save_as_external_data=False,
        )
        client.log_model_artifacts(logged.model_id, f"{scratch}/model")
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    with _registry_lock():
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
    return client.create_model_version(
        name,
        logged.artifact_location,
        run_id,
        tags=_city_days(params),
        model_id=logged.model_id,
    )


def _city_days(params: Params) -> dict[str, str]:
    """Say how far a synthetic city had grown, so that a scheduled run knows where to go on."""
    if params.download.source != "city":
        return {}
    return {"demand.city_days": str(params.download.city.days)}


def _signature(graph: onnx.ModelProto) -> ModelSignature:
    return ModelSignature(
        inputs=Schema([_tensor(value) for value in graph.graph.input]),
        outputs=Schema([_tensor(value) for value in graph.graph.output]),
    )


def _tensor(value: onnx.ValueInfoProto) -> TensorSpec:
    shape = value.type.tensor_type.shape.dim
    kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    dims = [size.dim_value if size.HasField("dim_value") else -1 for size in shape]
    return TensorSpec(np.dtype(kind), tuple(dims), value.name)


def _challenge(
    client: MlflowClient,
    run_id: str,
    version: ModelVersion,
    artefacts: Mapping[str, Path],
    params: Params,
) -> Verdict:
    """Measure the new version, and the champion too unless it was measured on the same days."""
    demand = artefacts["download"]
    days = rules.judged_on(demand, params)
    cost = rules.validation_cost(artefacts["export"], demand, params)
    client.set_model_version_tag(version.name, version.version, "validation.cost", repr(cost))
    client.set_model_version_tag(version.name, version.version, "validation.judged_on", days)
    client.log_metric(run_id, "validation_cost", cost)
    present = _by_alias(client, version.name, CHAMPION)
    if present is None:
        return rules.decide(None, None, cost)
    if present.judged_on == days:
        return rules.decide(present, present.cost, cost)
    with tempfile.TemporaryDirectory(prefix="ddnn-") as scratch:
        bundle = fetch_bundle(present, Path(scratch))
        try:
            return rules.decide(present, rules.validation_cost(bundle, demand, params), cost)
        except ModelError as fault:  # other series, or without the rule: unfit for the job by now
            return rules.decide(present, None, cost, str(fault))


def _by_alias(client: MlflowClient, name: str, alias: str) -> ChampionRef | None:
    try:
        return _reference(client.get_model_version_by_alias(name, alias))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _reference(version: ModelVersion) -> ChampionRef:
    return ChampionRef(
        name=version.name,
        version=int(version.version),
        run_id=str(version.run_id),
        cost=float(version.tags.get("validation.cost", "nan")),
        judged_on=version.tags.get("validation.judged_on", ""),
    )


def _registry_lock() -> Any:
    return file_lock(ddnn_home() / "mlflow" / "registry.lock")


def _ui_address() -> str:
    uri = tracking_uri()
    return uri.rstrip("/") if uri.startswith("http") else announced("mlflow") or _DEFAULT_UI


def _metrics(points: list[Point]) -> list[Metric]:
    now = int(time.time() * 1000)
    return [Metric(point.name, point.value, now, point.step) for point in points]


def _chunks(items: list[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
