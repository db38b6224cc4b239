"""The sweep of the paper's experiment: its pipeline runs, side by side, then claims and report."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed, State
from prefect.task_runners import ThreadPoolTaskRunner

from ddnn.errors import DdnnError
from ddnn.params import Params, parse_params
from flows.pipeline import stage_task
from flows.servers import mark_flow_run, prefect_server, sweep_stale_flow_runs
from tasks import tracking
from tasks.artefact import Reference
from tasks.home import PROJECT_ROOT
from tasks.paper import PaperRun, paper_runs
from tasks.paper_files import Published, claims_markdown, publish_paper
from tasks.registry import BY_NAME
from tasks.runner import StageFailedError, Workshop, find_stages

# Stages in waves: all trainings are submitted before what stands on them, so that no core waits.
_WAVES = (("download",), ("grid",), ("train", "deepcog", "alternatives"))


@task(cache_policy=NO_CACHE, persist_result=False)
def log_member(
    parent: tracking.TrackedParent,
    demand: str,
    run: PaperRun,
    references: Mapping[str, Reference],
) -> State[None]:
    """Log one finished run of the pipeline to MLflow, nested in the experiment's."""
    folders = {stage: reference.folder for stage, reference in references.items()}
    try:
        tracking.log_member(parent, demand, run, folders, references["evaluate"].key)
    except DdnnError as error:
        return Failed(message=str(error))
    return Completed(message="logged")


@flow(
    name="paper",
    task_runner=ThreadPoolTaskRunner(max_workers=os.cpu_count() or 1),
    persist_result=False,
)
def paper(
    values: dict[str, Any], demand: str, file: str | None = None, only: Sequence[str] = ()
) -> Published | State[Published]:
    """Run the paper's settings over their seeds on one demand, and judge its claims.

    Args:
        values: All settings, as in params.yaml.
        demand: One of paper.demands.
        file: The demand's file, where it is not where params.yaml says.
        only: Some of paper.settings, to work in pieces; none: all.
    """
    mark_flow_run()
    params, path = parse_params(values), Path(file) if file else None
    runs = paper_runs(params, demand, path, only)
    parent = tracking.open_paper(demand)
    futures: dict[str, dict[str, PrefectFuture[Any]]] = {run.name: {} for run in runs}
    for run, stage in _order(runs):
        named = stage_task.with_options(name=stage, task_run_name=f"{run.name}/{stage}")
        before = {name: futures[run.name][name] for name in BY_NAME[stage].inputs}
        given = run.params.model_dump(mode="json")
        futures[run.name][stage] = named.submit(stage, given, before)
    logged = [
        log_member.with_options(task_run_name=f"{run.name}/mlflow").submit(
            parent, demand, run, futures[run.name]
        )
        for run in runs
    ]
    references: dict[str, dict[str, Reference]] = {}
    for run in runs:
        for stage, future in futures[run.name].items():
            future.wait()
            if not future.state.is_completed():
                return Failed(message=f"{run.name}: {future.state.message or future.state.name}")
            references.setdefault(run.name, {})[stage] = future.result()
    for future in logged:
        future.wait()
        if not future.state.is_completed():
            return Failed(message=f"MLflow: {future.state.message or future.state.name}")
    # Pieces that were run before are judged with these.
    everything = paper_runs(params, demand, path)
    references |= _finished([run for run in everything if run.name not in references])
    known = [run for run in everything if run.name in references]
    published = publish_paper(params, demand, known, references)
    if published.fresh:
        tracking.close_paper(parent, published.claims, published.files)
    _show(published, parent)
    return published


def run_paper(
    params: Params, demand: str, file: Path | None, only: Sequence[str]
) -> tuple[Published, tracking.TrackedParent]:
    """Run the sweep against the user's Prefect server, or one that lives as long as the run.

    Args:
        params: All settings.
        demand: One of ``paper.demands``.
        file: The demand's file, where it is not where params.yaml says.
        only: Which of ``paper.settings`` to run now, for work in pieces; empty: all.

    Raises:
        ParamsError: A setting is unknown, or the demand's file is not there.
        StageFailedError: A stage failed; its own words are the message.
        TrackingError: MLflow's database is damaged or cannot be made.
    """
    paper_runs(params, demand, file, only)  # a mistake is told before any server starts
    tracking.prepare()
    with prefect_server():
        sweep_stale_flow_runs()
        state: State[Published] = paper(
            params.model_dump(mode="json"),
            demand,
            str(file) if file else None,
            list(only),
            return_state=True,
        )
        if not state.is_completed():
            raise StageFailedError(state.message or f"the flow ended {state.name}")
        published = state.result()
    assert isinstance(published, Published)
    return published, tracking.open_paper(demand)


def closing_words(published: Published, tracked: tracking.TrackedParent) -> str:
    """Give the verdicts, and the places of the results."""
    lines = [""]
    for claim in published.claims:
        lines.append(f"{claim['id']:>3}  {claim['verdict']:<17} {claim['claim']}"[:110])
    count = Counter(claim["verdict"] for claim in published.claims)
    lines += [
        "",
        f"{published.demand}: " + ", ".join(f"{n} {verdict}" for verdict, n in count.items()),
        "",
        f"Report   {_short(published.report)}" + ("" if published.fresh else " (unchanged)"),
        f"Claims   {_short(published.claims_file)}",
        f"Figures  {_short(published.figures)}",
        f"MLflow   `make ui`, then {tracked.url}",
    ]
    return "\n".join(lines)


def _short(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)


def _order(runs: Sequence[PaperRun]) -> list[tuple[PaperRun, str]]:
    """Order the stages in waves, the longest trainings first: no core waits for a last long one."""
    waves = [*_WAVES, tuple(name for name in BY_NAME if not any(name in w for w in _WAVES))]
    ordered = []
    for wave in waves:
        fitting = [(run, stage) for stage in wave for run in runs if stage in run.stages]
        if "train" in wave:
            fitting.sort(key=lambda item: -_work(*item))
        ordered += fitting
    return ordered


def _work(run: PaperRun, stage: str) -> float:
    """Say how long a training takes, against others."""
    published = stage == "deepcog" and run.original
    return run.params.setting.N * (5.0 if published else 0.0 if stage == "alternatives" else 1.0)


def _finished(runs: Sequence[PaperRun]) -> dict[str, dict[str, Reference]]:
    workshop = Workshop.open()
    found = {run.name: find_stages(run.stages, run.params, workshop) for run in runs}
    return {run.name: found[run.name] for run in runs if len(found[run.name]) == len(run.stages)}


def _show(published: Published, parent: tracking.TrackedParent) -> None:
    create_markdown_artifact(
        key="paper-claims",
        markdown=f"{claims_markdown(published.claims)}\n\n[MLflow]({parent.url})\n",
        description="The paper's claims and their verdicts",
    )
