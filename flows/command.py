"""The command `ddnn`: each of its verbs a function, which imports only what it needs."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from ddnn.errors import DdnnError, ParamsError
from ddnn.params import Params, load_params
from tasks.home import tool_environment

app = typer.Typer(
    help="Scale edge resources with a DNN that is cut between edge and cloud.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
PARAMS = Path("params.yaml")

# The stages' own lines are for the terminal; Prefect's go to its pages, ours beside them.
_QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "ddnn",
}

DemandOption = Annotated[
    Path | None, typer.Option(help="Your own CSV or Parquet, for this run.", show_default=False)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="GROUP.KEY=VALUE for this run; may be given again."),
]
PaperDemandOption = Annotated[
    str | None, typer.Option(help="One of paper.demands in params.yaml; `city` will do.")
]
DemandFileOption = Annotated[
    Path | None, typer.Option(help="The demand's file, where it is not in its place.")
]


ModelOption = Annotated[str, typer.Option(help="champion, an MLflow run id, or a bundle's folder.")]


@app.command()
def run(
    demand: DemandOption = None,
    overrides: SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run, and about how long.")
    ] = False,
) -> None:
    """Run the pipeline: from past demand to a trained, gated, judged network and a report."""
    params = _params(demand, overrides)
    if dry_run:
        from flows.plan import plan_table

        print(plan_table(params))
        return
    from flows.pipeline import run_pipeline
    from flows.summary import closing_words, publish_newest

    result = run_pipeline(params)
    publish_newest(result)
    print(closing_words(result))


@app.command()
def stage(name: Annotated[str, typer.Argument(help="A stage of dvc.yaml.")]) -> None:
    """Run one stage on the outputs in artefacts/ (what `dvc repro` calls)."""
    from flows.dvc_door import run_here

    run_here(name, _params(None, None))


@app.command()
def allocate(
    demand: Annotated[Path, typer.Option(help="CSV or Parquet with the newest demand.")],
    out: Annotated[Path, typer.Option(help="CSV or Parquet to write.")],
    rule: Annotated[str | None, typer.Option(help="Offloading rule.")] = None,
    l0: Annotated[float | None, typer.Option(help="Least share decided at the edge.")] = None,
    model: ModelOption = "champion",
    overrides: SetOption = None,
) -> None:
    """Allocate for each slot of a demand file, and for the one after it."""
    from flows.allocation import allocate_file
    from flows.models import bundle_folder

    with bundle_folder(model, demand, _params(None, overrides)) as folder:
        print(allocate_file(demand, out, folder, rule, l0))


@app.command()
def retrain(demand: DemandOption = None, overrides: SetOption = None) -> None:
    """Take in new days, train a challenger, and promote it only if it beats the champion."""
    from flows.schedule import retrain_once

    retrain_once(_params(demand, overrides))


@app.command()
def schedule(demand: DemandOption = None, overrides: SetOption = None) -> None:
    """Serve the retraining by its cron schedule until Ctrl-C."""
    # A service's terminal is its log: what each run does and decides is said there.
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "INFO"
    from flows.schedule import serve_schedule

    serve_schedule(_params(demand, overrides))


@app.command("serve-settings")
def serve_settings(
    out: Annotated[Path, typer.Option(help="JSON file for ddnn-edge and ddnn-cloud.")],
    overrides: SetOption = None,
) -> None:
    """Write the group `serve` for the processes, which read no YAML."""
    text = _params(None, overrides).serve.to_json()
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ParamsError(f"--out {out}: cannot be written ({error.strerror})") from error


@app.command()
def publish(
    models: Annotated[Path, typer.Option(help="Folder that ddnn-cloud serves from.")],
    model: ModelOption = "champion",
    demand: DemandOption = None,
    follow: Annotated[
        float | None, typer.Option(help="Seconds between looks for another champion.", min=1)
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Hand a model to a running cloud: it is taken up within seconds, and by its edges after it."""
    from flows.models import served_folder
    from flows.serving import follow_champion
    from flows.serving import publish as hand_over

    params = _params(demand, overrides)
    if follow is not None:
        if model != "champion":
            raise typer.BadParameter("--follow follows the champion: leave out --model")
        follow_champion(models, params, follow)
        return
    with served_folder(model, demand, params) as folder:
        print(hand_over(folder, models))


@app.command()
def replay(
    demand: Annotated[Path, typer.Option(help="CSV or Parquet; its newest slots are replayed.")],
    model: ModelOption = "champion",
    slots: Annotated[int, typer.Option(help="Slots to replay.", min=2)] = 720,
    l0: Annotated[
        list[float] | None, typer.Option(help="Share decided at the edge; may be given again.")
    ] = None,
    rtt: Annotated[
        list[float] | None, typer.Option(help="Added round trip, ms; may be given again.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file for the results.")] = None,
    overrides: SetOption = None,
) -> None:
    """Drive edge and cloud as processes with past demand: Table IV as measured."""
    from flows.models import bundle_folder
    from flows.serving import replay_file

    params = _params(None, overrides)
    with bundle_folder(model, demand, params) as folder:
        replay_file(folder, demand, params, slots, l0 or [], rtt or [0.0, 42.46], out)


@app.command("demo-serve")
def demo_serve(
    model: ModelOption = "champion",
    edges: Annotated[int, typer.Option(min=1, max=20)] = 3,
    slots: Annotated[int, typer.Option(min=1)] = 40,
    rtt: Annotated[float, typer.Option(help="Added round trip, ms.", min=0)] = 42.46,
    pause: Annotated[float, typer.Option(help="Seconds between slots.", min=0)] = 0.2,
    overrides: SetOption = None,
) -> None:
    """Run one cloud and three edges on this machine for a few made slots."""
    from flows.models import served_folder
    from flows.serving import demo

    params = _params(None, overrides)
    with served_folder(model, None, params) as folder:
        demo(folder, params, edges, slots, rtt, pause)


@app.command()
def ui() -> None:
    """Serve Prefect's and MLflow's pages on loopback until Ctrl-C."""
    from flows.servers import serve_ui

    serve_ui()


@app.command()
def paper(
    demand: PaperDemandOption = None,
    file: DemandFileOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--setting", help="One of paper.settings, for a piece; may be given again."),
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Run the paper's experiment, judge its claims and draw its figures and tables."""
    from flows.paper import closing_words, run_paper
    from tasks.paper import demand_name

    params = _params(None, overrides)
    published, tracked = run_paper(params, demand_name(params, demand), file, only or [])
    print(closing_words(published, tracked))


@app.command("paper-run")
def paper_run(
    setting: Annotated[str, typer.Argument(help="One of paper.settings.")],
    seed: Annotated[str, typer.Argument(help="A seed, or `original`.")],
) -> None:
    """Run one of the experiment's pipelines (what `dvc repro` calls in experiments/paper)."""
    from flows.dvc_door import run_paper_here

    run_paper_here(f"{setting}-{seed}", _params(None, None))


@app.command("paper-claims")
def paper_claims() -> None:
    """Judge the claims on what `ddnn paper-run` left (what `dvc repro` calls)."""
    from flows.dvc_door import judge_paper_here

    judge_paper_here(_params(None, None))


@app.command()
def worth(
    demand: PaperDemandOption = None,
    file: DemandFileOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--piece", help="A kind of worth.pieces, or a piece; may be given again."),
    ] = None,
    here: Annotated[
        bool, typer.Option("--here", help="One piece after the other, without Prefect.")
    ] = False,
    judge: Annotated[
        bool, typer.Option("--judge", help="Run nothing, judge what is kept.")
    ] = False,
    overrides: SetOption = None,
) -> None:
    """Evaluate over rolling test windows and judge the bars: what is the system worth?"""
    from flows.worth import chosen, closing_words, run_pieces, run_worth
    from tasks.worth.pieces import demand_name, pieces_of

    params = _params(None, overrides)
    name = demand_name(params, demand)
    if here and not judge:
        run_pieces(chosen(pieces_of(params, name, file), only or []), name)
    print(closing_words(run_worth(params, name, file, only or [], judge_only=here or judge)))


@app.command()
def city(
    demand: Annotated[
        str | None, typer.Option(help="One of city.demands in params.yaml.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="A matrix file with a city's demand instead.")
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Cut a city's squares into sites, train and judge a DDNN for each, and draw the map."""
    from tasks.city import city_params

    params = city_params(_params(None, overrides), demand, file)
    from flows.city import closing_words, run_city

    result = run_city(params)
    print(closing_words(result))
    if result.failed:
        raise typer.Exit(1)


@app.command("city-worker")
def city_worker(
    scheduler: Annotated[str, typer.Argument(help="Address of the Dask scheduler.")],
    workers: Annotated[
        int | None, typer.Option(help="Sites side by side; one for each core.", min=1)
    ] = None,
) -> None:
    """Train sites for `ddnn city` on this machine until the scheduler ends or Ctrl-C."""
    from flows.dask_workers import serve_workers

    serve_workers(scheduler, workers)


@app.command()
def rollback() -> None:
    """Make the previous champion of the current demand and setting champion again."""
    from flows.models import roll_back

    print(roll_back(_params(None, None)))


@app.command("dvc-yaml")
def dvc_yaml() -> None:
    """Write both dvc.yaml from the stages' registry and the code's imports."""
    from tasks.dvcfile import files

    for path, text in files(Path.cwd(), _params(None, None)).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@app.command()
def doctor() -> None:
    """Say what this machine has, and what is missing."""
    from flows.doctor import examine

    print(examine())


def main() -> None:
    """Run the command; a mistake of the user's is one line, not a traceback."""
    os.environ.update(_QUIET | tool_environment())
    speak()
    try:
        app(prog_name="ddnn")
    except DdnnError as error:
        sys.exit(f"ddnn: {error}")
    except KeyboardInterrupt:
        sys.exit("ddnn: stopped; finished stages are kept, run again to go on")


def speak() -> None:
    """Print the stages' lines; Prefect's own go to its pages, and would say all twice."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    ours = logging.getLogger("ddnn")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)


def _params(demand: Path | None, overrides: list[str] | None) -> Params:
    values: dict[str, Any] = {}
    if demand is not None:
        values |= {"download.source": "matrix", "download.matrix.path": str(demand)}
    for text in overrides or []:
        dotted, sign, value = text.partition("=")
        if not sign:
            raise ParamsError(f"--set {text}: write GROUP.KEY=VALUE")
        try:
            values[dotted] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ParamsError(f"--set {text}: the value is not YAML") from error
    return load_params(PARAMS, values)
