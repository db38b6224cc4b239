"""The rolling-origin evaluation: its pieces, side by side and cheap ones first, then the bars."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed, State
from prefect.task_runners import ThreadPoolTaskRunner

from ddnn.errors import DdnnError, ParamsError
from ddnn.params import Params, parse_params
from flows.servers import mark_flow_run, prefect_server, sweep_stale_flow_runs
from tasks.runner import StageFailedError
from tasks.worth.kept import Kept
from tasks.worth.pieces import Piece, pieces_of
from tasks.worth.report import Judged, judge, publish
from tasks.worth.run import run_piece
from tasks.worth.tables import met


@task(cache_policy=NO_CACHE, persist_result=False)
def piece_task(piece: Piece, demand: str) -> State[None]:
    """Finish one piece, if it is not kept already."""
    try:
        there = run_piece(piece, Kept.of(demand))
    except DdnnError as error:
        return Failed(message=str(error))
    return Completed(name="Cached" if there else None, message="kept" if there else "run now")


@flow(
    name="worth",
    task_runner=ThreadPoolTaskRunner(max_workers=os.cpu_count() or 1),
    persist_result=False,
)
def worth(
    values: dict[str, Any], demand: str, file: str | None = None, only: Sequence[str] = ()
) -> State[None]:
    """Run the pieces; one that fails stops no other.

    Args:
        values: All settings, as in params.yaml.
        demand: One of paper.demands.
        file: The demand's file, where it is not where params.yaml says.
        only: Kinds or names of pieces, to work in parts; none: all.
    """
    mark_flow_run()
    pieces = chosen(pieces_of(parse_params(values), demand, Path(file) if file else None), only)
    futures = [
        piece_task.with_options(task_run_name=piece.name).submit(piece, demand) for piece in pieces
    ]
    failed = {}
    for piece, future in zip(pieces, futures, strict=True):
        future.wait()
        if not future.state.is_completed():
            failed[piece.name] = future.state.message or str(future.state.name)
    if failed:
        first, why = next(iter(failed.items()))
        return Failed(message=f"{len(failed)} of {len(pieces)} pieces failed; {first}: {why}")
    return Completed(message=f"{len(pieces)} pieces")


def run_worth(
    params: Params, demand: str, file: Path | None, only: Sequence[str], judge_only: bool
) -> Judged:
    """Run what is not kept yet, judge what there is, and publish it.

    Args:
        params: All settings.
        demand: One of ``paper.demands``.
        file: The demand's file, where it is not where params.yaml says.
        only: Kinds or names of pieces to run; empty: all.
        judge_only: Run nothing.

    Raises:
        ParamsError: A setting or a piece is unknown, or nothing is kept to be judged.
        StageFailedError: A piece failed; the others were run, and judged.
    """
    pieces = pieces_of(params, demand, file)
    waiting = chosen(pieces, only)
    state: State[None] | None = None
    if not judge_only:
        with prefect_server():
            sweep_stale_flow_runs()
            name = str(file) if file else None
            values = params.model_dump(mode="json")
            state = worth(values, demand, name, list(only), return_state=True)
    judged = judge(params, demand, pieces, Kept.of(demand))
    if judged is not None:
        publish(judged)
    if state is not None and not state.is_completed():
        raise StageFailedError(state.message or f"the flow ended {state.name}")
    if judged is None:
        raise ParamsError(
            f"demand {demand}: no piece is kept, of {len(waiting)}; run `make worth` first"
        )
    return judged


def run_pieces(pieces: Sequence[Piece], demand: str) -> None:
    """Run pieces here, one after the other, without Prefect.

    Raises:
        StageFailedError: A stage ran and failed.
    """
    for piece in pieces:
        run_piece(piece, Kept.of(demand))


def chosen(pieces: Sequence[Piece], only: Sequence[str]) -> list[Piece]:
    """Give the pieces of some kinds or names; all where none is asked for.

    Raises:
        ParamsError: There is no such kind or piece.
    """
    for asked in only:
        if not any(asked in (piece.kind, piece.name) for piece in pieces):
            kinds = ", ".join(dict.fromkeys(piece.kind for piece in pieces))
            raise ParamsError(f"piece {asked}: neither a kind ({kinds}) nor a piece's name")
    return [p for p in pieces if not only or p.kind in only or p.name in only]


def closing_words(judged: Judged) -> str:
    """Give the bars, and what is missing."""
    lines = [""]
    for bar in judged.bars:
        price = "" if bar.c_u is None else f"c_u {bar.c_u:g}"
        value = "-" if bar.value is None else f"{bar.value:.3f}"
        lines.append(f"{met(bar):<13}{value:>8}  {price:<9} {bar.bar}"[:110])
    lines.append("")
    if judged.missing:
        count = Counter(piece.kind for piece in judged.missing)
        told = ", ".join(f"{number} {kind}" for kind, number in count.items())
        lines.append(f"Pieces that are not there: {told}; stale: {len(judged.stale)}")
    lines.append("Bars     metrics/worth.json, docs/worth.md")
    lines.append(f"Report   reports/worth/{judged.demand}/report.html")
    return "\n".join(lines)
