"""MLflow's registry: one model per demand and setting, its champion and the one before."""

import logging
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib.metadata import version as installed
from pathlib import Path

import mlflow.onnx
import numpy as np
import onnx
from mlflow.entities import LoggedModelOutput
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import Schema, TensorSpec

from ddnn.errors import ArtefactError, ModelError
from ddnn.params import Params
from tasks import champion as rules
from tasks.champion import ChampionRef, Verdict, model_name
from tasks.home import ddnn_home, file_lock
from tasks.run_record import read_json
from tasks.tracking.store import TrackingError, first_line, open_tracker

log = logging.getLogger("ddnn")
CHAMPION, PREVIOUS = "champion", "previous"
BUNDLE = "bundle"
"""Where a run keeps its exported model, among its artifacts."""


def champion(params: Params) -> ChampionRef | None:
    """Give the champion of this demand and setting, if there is one."""
    client, _ = open_tracker()
    return _by_alias(client, model_name(params), CHAMPION)


def champions() -> list[ChampionRef]:
    """Give the champions of all demands and settings, the newest first."""
    client, _ = open_tracker()
    found = [
        client.get_model_version(model.name, model.aliases[CHAMPION])
        for model in client.search_registered_models()
        if CHAMPION in model.aliases
    ]
    found.sort(key=lambda version: version.creation_timestamp, reverse=True)
    return [_reference(version) for version in found]


def model_of_run(run_id: str) -> ChampionRef | None:
    """Give the model that a run registered; None when there is no such run or model."""
    client, _ = open_tracker()
    try:
        found = client.search_model_versions(f"run_id = '{run_id}'")
    except MlflowException:
        return None
    return _reference(found[0]) if found else None


def promote(name: str, version: int) -> ChampionRef:
    """Make a version champion; the champion before it stays at hand as ``previous``."""
    client, _ = open_tracker()
    with _registry_lock():
        before = _by_alias(client, name, CHAMPION)
        if before is not None and before.version != int(version):
            client.set_registered_model_alias(name, PREVIOUS, str(before.version))
        client.set_registered_model_alias(name, CHAMPION, str(version))
    return _reference(client.get_model_version(name, str(version)))


def rollback(name: str) -> ChampionRef:
    """Make the previous champion champion again; done twice, the later one is back.

    Raises:
        ModelError: There is no previous champion.
    """
    client, _ = open_tracker()
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
    client, _ = open_tracker()
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
    client, _ = open_tracker()
    found = client.search_model_versions(f"name = '{name}'")
    days = [int(version.tags.get("demand.city_days", 0)) for version in found]
    return max(days, default=0) or None


def register(
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
        tags=demand_tags(artefacts["download"], params),
        model_id=logged.model_id,
    )


def demand_tags(folder: Path, params: Params) -> dict[str, str]:
    """Say what was trained on: the series, and how far a synthetic city had grown."""
    tags = {"demand.series": rules.series_digest(read_json(folder / "demand.json")["series"])}
    if params.download.source == "city":  # a scheduled run goes on from there
        tags["demand.city_days"] = str(params.download.city.days)
    return tags


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


def challenge(
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
        try:
            bundle = fetch_bundle(present, Path(scratch))
            return rules.decide(present, rules.validation_cost(bundle, demand, params), cost)
        except ModelError as fault:  # of other series or slots: it serves this demand no more
            return rules.decide(present, None, cost, str(fault))
        except ArtefactError:
            log.warning("%s version %d: its files are damaged", present.name, present.version)
            return rules.decide(present, None, cost, "its files in MLflow are damaged")


def _by_alias(client: MlflowClient, name: str, alias: str) -> ChampionRef | None:
    try:
        return _reference(client.get_model_version_by_alias(name, alias))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise TrackingError(f"{name}: MLflow does not answer ({first_line(error)})") from error


def _reference(version: ModelVersion) -> ChampionRef:
    return ChampionRef(
        name=version.name,
        version=int(version.version),
        run_id=str(version.run_id),
        cost=float(version.tags.get("validation.cost", "nan")),
        judged_on=version.tags.get("validation.judged_on", ""),
        series=version.tags.get("demand.series", ""),
    )


def one_challenge_at_a_time() -> AbstractContextManager[None]:
    """Keep two challengers from both beating the champion that only one of them replaces."""
    return file_lock(ddnn_home() / "mlflow" / "challenge.lock")


def _registry_lock() -> AbstractContextManager[None]:
    return file_lock(ddnn_home() / "mlflow" / "registry.lock")
