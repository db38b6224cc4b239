"""A city of sites: its squares are cut into sites, each with a DDNN and a gate of its own.

The sites run side by side: in threads that wait for processes, or on the workers of a Dask
scheduler. A site that fails is reported and stops no other.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed, State
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from ddnn.demand.sources import demand_name
from ddnn.errors import DdnnError, ParamsError
from ddnn.params import Params, parse_params
from flows.pipeline import stage_task
from flows.servers import Server, ServerError, mark_flow_run, prefect_server, sweep_stale_flow_runs
from tasks import tracking
from tasks.artefact import Reference, publish
from tasks.city import site_runs
from tasks.city_report import CityReport, city_report, markdown, terminal_table
from tasks.home import PROJECT_ROOT, ddnn_home
from tasks.runner import StageFailedError, Workshop, run_stages

REPORTS = PROJECT_ROOT / "reports" / "city"
_log = logging.getLogger("ddnn")


@dataclass(frozen=True)
class CityResult:
    """What a city's run gave."""

    report: CityReport
    folder: Path
    """Where the report, the maps and the tables lie."""
    tracked: tracking.TrackedParent

    @property
    def failed(self) -> dict[str, str]:
        """The sites that have no DDNN now, each with its reason."""
        return dict(self.report.facts["failed"])

    @property
    def failures(self) -> str:
        """All of these in a line."""
        told = "; ".join(f"{name}: {reason}" for name, reason in self.failed.items())
        return f"{len(self.failed)} of {self.report.facts['sites']} sites failed: {told}"


@task(cache_policy=NO_CACHE, persist_result=False)
def site_task(values: dict[str, Any], stages: tuple[str, ...], home: str) -> Any:
    """Run the stages of one site, one after the other, on whatever worker this is.

    Started again, on another worker after the first was lost, it takes finished stages from the
    store and goes on with a training after its last epoch.
    """
    try:
        if str(ddnn_home()) != home:
            raise ParamsError(
                f"this worker keeps its stages in {ddnn_home()}, the flow in {home}: set DDNN_HOME "
                "to one folder that all machines reach"
            )
        references = run_stages(stages, parse_params(values), Workshop.open())
    except DdnnError as error:
        return Failed(message=str(error))
    if all(reference.hit for reference in references.values()):
        return Completed(name="Cached", message="found in the store", data=references)
    return Completed(message="run now", data=references)


@flow(name="city", persist_result=False)
def city(values: dict[str, Any]) -> CityResult | State[CityResult]:
    """Cut a city's squares into sites, serve each with a DDNN of its own, and show them on a map.

    Args:
        values: All settings of the city's run, as :func:`tasks.city.city_params` gives them.
    """
    mark_flow_run()
    params, workshop = parse_params(values), Workshop.open()
    cutting = stage_task.with_options(name="sites", task_run_name="sites")
    cutting_state = cutting("sites", values, {}, return_state=True)  # here: the files are here
    if not cutting_state.is_completed():
        return Failed(message=cutting_state.message)
    cut: Reference = cutting_state.result()
    runs = site_runs(params, cut.folder)
    futures = [
        site_task.with_options(task_run_name=run.name).submit(
            run.params.model_dump(mode="json"), run.stages, str(ddnn_home())
        )
        for run in runs
    ]
    name = demand_name(params.download)
    parent = tracking.open_city(name)
    finished: dict[str, Reference] = {}
    failed: dict[str, str] = {}
    for run, future in zip(runs, futures, strict=True):
        outcome = _outcome(future)
        if isinstance(outcome, str):
            failed[run.name] = outcome.replace(f"{cut.folder}/", "")
            _log.warning("%s failed: %s", run.name, failed[run.name])
            continue
        finished[run.name] = outcome["squares"]
        _log.info("%s: finished, %d of %d", run.name, len(finished), len(runs) - len(failed))
        tracking.log_site(parent, name, run, outcome)
    report = city_report(params, cut, finished, failed, workshop)
    folder = REPORTS / name
    publish(report.reference, folder)
    if not report.reference.hit:
        tracking.close_city(parent, report.facts, folder)
    _show(report, parent)
    result = CityResult(report, folder, parent)
    if failed:
        return Failed(name="SitesFailed", message=result.failures, data=result)
    return result


def run_city(params: Params) -> CityResult:
    """Run the city against the user's Prefect server, or one that lives as long as the run.

    Args:
        params: What :func:`tasks.city.city_params` gave.

    Returns:
        The result, also when sites failed: it names them.

    Raises:
        ServerError: Another machine's workers could not reach Prefect's server.
        StageFailedError: The city could not be read or cut.
        TrackingError: MLflow's database is damaged or cannot be made.
    """
    tracking.prepare()
    with prefect_server() as server:
        _refuse_unreachable(server, params.city.scheduler)
        sweep_stale_flow_runs()
        ready = city.with_options(task_runner=_task_runner(params))
        state: State[CityResult] = ready(params.model_dump(mode="json"), return_state=True)
        if not state.is_completed() and state.name != "SitesFailed":
            raise StageFailedError(state.message or f"the flow ended {state.name}")
        result = state.result(raise_on_failure=False)
    assert isinstance(result, CityResult)
    return result


def closing_words(result: CityResult) -> str:
    """Give the costs over the city, what failed, and the places of the results."""
    folder = result.folder
    shown = folder.relative_to(PROJECT_ROOT) if folder.is_relative_to(PROJECT_ROOT) else folder
    unchanged = " (unchanged)" if result.report.reference.hit else ""
    lines = ["", terminal_table(result.report.facts), ""]
    if result.failed:
        lines += [f"{name} failed: {reason}" for name, reason in result.failed.items()]
        lines += ["Run again when that is mended: the other sites are kept.", ""]
    return "\n".join(
        [
            *lines,
            f"Report   {shown / 'report.html'}{unchanged}",
            f"Tables   {shown / 'squares.csv'}, {shown / 'sites.csv'}",
            f"MLflow   `make ui`, then {result.tracked.url}",
        ]
    )


def _task_runner(params: Params) -> TaskRunner[Any]:
    """Choose who trains: threads that wait for a process each, or the workers of a scheduler."""
    address = params.city.scheduler
    if address is None:
        return ThreadPoolTaskRunner(max_workers=params.city.workers or os.cpu_count() or 1)
    try:
        from prefect_dask import DaskTaskRunner  # an extra
    except ImportError as error:
        raise ParamsError(
            "city.scheduler needs the extra `dask`: pip install -c constraints.txt -e '.[dask]'"
        ) from error
    return DaskTaskRunner(address=address, client_kwargs={"timeout": "20s"})


def _refuse_unreachable(server: Server, scheduler: str | None) -> None:
    """A worker on another machine that cannot reach the flow's server could not run its tasks."""
    if scheduler is None or _on_loopback(scheduler) or not _on_loopback(server.url):
        return
    raise ServerError(
        f"Prefect's server at {server.url} is out of reach for the workers of {scheduler}: start "
        "one that they reach (`prefect server start --host 0.0.0.0`) and name it in "
        "PREFECT_API_URL=http://HOST:4200/api"
    )


def _on_loopback(address: str) -> bool:
    return urlsplit(address).hostname in ("localhost", "127.0.0.1", "::1")


def _outcome(future: PrefectFuture[Any]) -> dict[str, Reference] | str:
    """Wait for a site: its stages, or the reason why it has none."""
    future.wait()
    state = future.state
    if state.is_completed():
        references: dict[str, Reference] = future.result()
        return references
    if state.is_final():
        return state.message or state.name or "failed"
    try:  # Prefect never heard of its end: Dask did
        future.result()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return f"its task was left {state.name}"


def _show(report: CityReport, parent: tracking.TrackedParent) -> None:
    create_markdown_artifact(
        key="city",
        markdown=f"{markdown(report.facts)}\n\n[MLflow]({parent.url})\n",
        description="What each way to allocate costs over the whole city",
    )
