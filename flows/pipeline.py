"""The main flow: demand, grid, exits, labels, gate, evaluation, report, each a cached task."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed, State
from prefect.task_runners import ThreadPoolTaskRunner

from ddnn.errors import DdnnError
from ddnn.evaluation import cost_table_markdown
from ddnn.params import Params, parse_params
from flows.servers import mark_flow_run, prefect_server, sweep_stale_flow_runs
from flows.summary import demand_notes
from tasks import tracking
from tasks.artefact import Reference
from tasks.registry import STAGES
from tasks.run_record import read_json
from tasks.runner import StageFailedError, Workshop, run_stage

# A run that Prefect starts by itself has no command line that would ask for the stages' lines.
_log = logging.getLogger("ddnn")
_log.setLevel(logging.INFO)


@dataclass(frozen=True)
class PipelineResult:
    """What a run of the pipeline gave: its stages, and where it is tracked."""

    references: dict[str, Reference]
    tracked: tracking.TrackedRun


# The store is the one cache: it verifies what it gives, Prefect's own would not. A hit is shown in
# Prefect's word for it, as a state named Cached. A user's error is a state, not a traceback.
@task(cache_policy=NO_CACHE, persist_result=False)
def stage_task(
    name: str, values: dict[str, Any], inputs: Mapping[str, Reference]
) -> State[Reference]:
    """Give one stage's outputs, from the store or by running it."""
    folders = {stage: reference.folder for stage, reference in inputs.items()}
    try:
        reference = run_stage(name, parse_params(values), folders, Workshop.open())
    except DdnnError as error:
        return Failed(message=str(error))
    if reference.hit:
        return Completed(name="Cached", message="found in the store", data=reference)
    return Completed(message="run now", data=reference)


@task(cache_policy=NO_CACHE, persist_result=False)
def track(
    values: dict[str, Any], references: Mapping[str, Reference], flow_run: str | None
) -> tracking.TrackedRun:
    """Log the finished stages to MLflow, and crown the model if it is the best so far."""
    return track_references(parse_params(values), references, "prefect", flow_run)


@flow(name="pipeline", task_runner=ThreadPoolTaskRunner(max_workers=2), persist_result=False)
def pipeline(values: dict[str, Any]) -> PipelineResult | State[PipelineResult]:
    """Take past demand to a trained DDNN, a gate, a judged result and a report.

    Args:
        values: All settings, as in params.yaml.
    """
    mark_flow_run()
    context = FlowRunContext.get()
    flow_run = str(context.flow_run.id) if context and context.flow_run else None
    futures: dict[str, PrefectFuture[Any]] = {}
    for spec in STAGES:
        named = stage_task.with_options(name=spec.name, task_run_name=spec.name)
        futures[spec.name] = named.submit(
            spec.name, values, {stage: futures[stage] for stage in spec.inputs}
        )
    references: dict[str, Reference] = {}
    for name, future in futures.items():  # in order: the first failure is the cause of the others
        future.wait()
        if not future.state.is_completed():
            said = future.state.message or f"{name}: {future.state.name}"
            tracking.log_failure(parse_params(values), "prefect", flow_run, StageFailedError(said))
            return Failed(message=said)
        references[name] = future.result()
        if name == "download":  # from the store too: what its stage said then is long gone
            for note in demand_notes(references[name].folder):
                _log.warning("%s", note)
    tracked = track(values, references, flow_run)
    _show(references, tracked)
    return PipelineResult(references, tracked)


def run_pipeline(params: Params) -> PipelineResult:
    """Run the flow against the user's Prefect server, or one that lives as long as the run.

    Raises:
        StageFailedError: A stage failed; its own words are the message.
        TrackingError: MLflow's database is damaged or cannot be made.
    """
    tracking.prepare()  # a tracker that cannot be used is told now, not after hours of training
    with prefect_server():
        sweep_stale_flow_runs()
        state: State[PipelineResult] = pipeline(params.model_dump(mode="json"), return_state=True)
        if not state.is_completed():
            raise StageFailedError(state.message or f"the flow ended {state.name}")
        result = state.result()
    assert isinstance(result, PipelineResult)
    return result


def track_references(
    params: Params,
    references: Mapping[str, Reference],
    door: str,
    flow_run: str | None,
    hits: Mapping[str, bool | None] | None = None,
) -> tracking.TrackedRun:
    """Log finished stages to MLflow by either door; ``hits`` where the references do not know."""
    return tracking.log_pipeline(
        artefacts={name: reference.folder for name, reference in references.items()},
        keys={name: reference.key for name, reference in references.items()},
        hits=hits or {name: reference.hit for name, reference in references.items()},
        params=params,
        door=door,
        flow_run=flow_run,
        description=_cost_table(references),
    )


def _show(references: Mapping[str, Reference], tracked: tracking.TrackedRun) -> None:
    report = references["report"].folder / "report.html"
    links = f"[MLflow run]({tracked.url})\n\nReport: `{report}`\n"
    create_markdown_artifact(
        key="cost-table",
        markdown=f"{_cost_table(references)}\n\n{links}",
        description="Cost of each way to allocate, on the test days",
    )
    get_run_logger().info("MLflow run: %s", tracked.url)


def _cost_table(references: Mapping[str, Reference]) -> str:
    return cost_table_markdown(read_json(references["evaluate"].folder / "evaluation.json"))
