"""Scheduled retraining: take in new days, train a challenger, promote it only if it wins."""

import os
from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import (
    ConcurrencyLimitConfig,
    ConcurrencyLimitStrategy,
    State,
)
from prefect.context import FlowRunContext
from prefect.schedules import Cron
from prefect.states import Completed, Failed
from prefect.types.entrypoint import EntrypointType

from ddnn.errors import DdnnError, ParamsError
from ddnn.params import Params, load_params, parse_params
from flows.servers import (
    PREFECT_PORT,
    mark_flow_run,
    prefect_server,
    stop_on_signals,
    sweep_stale_flow_runs,
)
from tasks.champion import model_name
from tasks.home import PROJECT_ROOT, tool_environment
from tasks.processes import ProcessMark, end_with

if TYPE_CHECKING:
    from tasks.tracking import TrackedRun

DEPLOYMENT = "scheduled"
ARTIFACT = "retraining"
"""Key of the Prefect artifact that tells how each retraining went."""


class RetrainingError(DdnnError):
    """A retraining ended without a verdict; the champion is still the one before."""


@flow(name="retrain", persist_result=False)
def retrain(values: dict[str, Any] | None = None, days: int | None = None) -> State[None]:
    """Train a challenger on the newest demand, and let it replace the champion if it is better.

    Args:
        values: All settings, as in params.yaml; none: those of params.yaml now.
        days: Days of a synthetic city; none: those of the newest model, and the new ones.
    """
    os.environ.update(tool_environment())
    _end_with_runner()
    mark_flow_run()
    try:
        from flows.pipeline import run_pipeline  # imports MLflow

        params = _with_new_days(_read(values), days)
        tracked = run_pipeline(params).tracked
    except Exception as error:
        get_run_logger().error("retraining failed, the champion stays: %s", error)
        create_markdown_artifact(_failure_page(error), ARTIFACT, "How the retraining went")
        if isinstance(error, DdnnError):
            return Failed(message=str(error))
        raise
    get_run_logger().info(_words(tracked))
    create_markdown_artifact(_verdict_page(tracked), ARTIFACT, "How the retraining went")
    return Completed(message=_words(tracked))


def retrain_once(params: Params, days: int | None = None) -> None:
    """Retrain now, without a schedule.

    Raises:
        RetrainingError: It failed; the line says why.
    """
    with prefect_server():
        state: State[Any] = retrain(_plain(params), days, return_state=True)
    if not state.is_completed():
        raise RetrainingError(state.message or f"the retraining ended {state.name}")
    print(state.message)


def serve_schedule(params: Params, port: int = PREFECT_PORT) -> None:
    """Serve the retraining by ``schedule.cron`` until Ctrl-C, one run at a time.

    A run that is due while another one goes on is cancelled: the next takes in its days too.

    Raises:
        ParamsError: The cron line is not one.
        ServerError: There is no Prefect server and none can be started.
    """
    schedule = _cron(params)
    os.chdir(PROJECT_ROOT)  # where the runs that Prefect starts find flows/ and tasks/
    with stop_on_signals(), prefect_server(port, lasting=True) as server:
        sweep_stale_flow_runs()
        owner = "" if server.ours else " (keep it running)"
        print(f"Prefect {server.url}{owner}; `{params.schedule.cron}`; Ctrl-C stops", flush=True)
        try:
            retrain.serve(
                name=DEPLOYMENT,
                schedule=schedule,
                parameters={"values": _plain(params)},
                global_limit=ConcurrencyLimitConfig(
                    limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
                ),
                entrypoint_type=EntrypointType.MODULE_PATH,
                print_starting_message=False,
            )
        except KeyboardInterrupt:
            print("stopping", flush=True)


def _read(values: dict[str, Any] | None) -> Params:
    return load_params(PROJECT_ROOT / "params.yaml") if values is None else parse_params(values)


def _plain(params: Params) -> dict[str, Any]:
    values = params.model_dump(mode="json")
    # Files are meant from where the command is given; a scheduled run starts elsewhere.
    places = (("matrix", "path"), ("milano_raw", "folder"), ("milano", "folder"))
    for source, place in (*places, ("select", "polygon")):
        group = values["download"][source] or {}
        if group.get(place) is not None:
            group[place] = os.path.abspath(group[place])  # noqa: PTH100
    return values


def _with_new_days(params: Params, days: int | None) -> Params:
    """Let a synthetic city grow; files grow by themselves, and are read again."""
    if params.download.source != "city":
        return params
    if days is None:
        from tasks.tracking import newest_city_days

        # Time goes on whether or not the last challenger won.
        newest = newest_city_days(model_name(params))
        days = params.download.city.days if newest is None else newest + params.schedule.new_days
    values = params.model_dump(mode="json")
    values["download"]["city"]["days"] = days
    return parse_params(values, where="retrain")


def _cron(params: Params) -> Any:
    try:
        # By the clock of the place whose demand it is.
        return Cron(params.schedule.cron, timezone=params.download.timezone)
    except ValueError as error:
        raise ParamsError(
            f"schedule.cron: {params.schedule.cron!r} is no cron line; "
            "write minute, hour, day, month, weekday, such as '15 3 * * *'"
        ) from error


def _words(tracked: "TrackedRun") -> str:
    verdict = tracked.verdict
    if verdict.promoted:
        return f"{tracked.model} version {tracked.version} is champion: {verdict.reason}"
    assert verdict.champion is not None
    kept = verdict.champion.version
    return f"{tracked.model} version {kept} stays champion: {verdict.reason}"


def _verdict_page(tracked: "TrackedRun") -> str:
    verdict = tracked.verdict
    lines = [f"| challenger, version {tracked.version} | {_cost(verdict.challenger_cost)} |"]
    if verdict.champion is not None:
        cost = _cost(verdict.champion_cost)
        lines.insert(0, f"| champion, version {verdict.champion.version} | {cost} |")
    return "\n".join(
        [
            f"# {'Promoted' if verdict.promoted else 'Kept the champion'}",
            "",
            "| model | cost on the newest validation days |",
            "|---|---:|",
            *lines,
            "",
            f"{_words(tracked)}. [MLflow run]({tracked.url})",
            "",
            "Back to the champion before: `ddnn rollback`" if verdict.promoted else "",
        ]
    )


def _failure_page(error: Exception) -> str:
    return f"# Failed\n\nThe champion is still the one before.\n\n```\n{error}\n```\n"


def _cost(value: float | None) -> str:
    return "cannot serve" if value is None else f"{value:.4f}"


def _end_with_runner() -> None:
    """End this process when the schedule (or the worker) that started it is killed."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow_run.deployment_id is None:
        return  # started by hand
    end_with(ProcessMark.of(os.getppid()))
