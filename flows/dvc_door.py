"""DVC's door: one stage on the outputs in artefacts/, without Prefect."""

import os
from pathlib import Path

from ddnn.errors import ArtefactError, ParamsError
from ddnn.params import Params
from tasks.artefact import Reference, publish, read_manifest, verify_folder
from tasks.dvcfile import OUTPUTS, PAPER
from tasks.paper import paper_runs
from tasks.processes import ProcessMark, end_with, parent_of
from tasks.registry import BY_NAME, STAGES
from tasks.runner import Workshop, find_stages, run_stage, run_stages


def run_here(name: str, params: Params) -> None:
    """Give a stage's outputs in artefacts/NAME; after the last stage, log to MLflow.

    Raises:
        ParamsError: There is no such stage.
        ArtefactError: A stage that this one stands on has not run, or its outputs are altered.
    """
    names = [spec.name for spec in STAGES]
    if name not in names:
        raise ParamsError(f"stage {name}: unknown; the stages are {', '.join(names)}")
    _end_with_dvc()
    here = Path(OUTPUTS)
    spec = BY_NAME[name]
    for before in spec.inputs:
        if not (here / before).is_dir():
            raise ArtefactError(f"{here / before}: not there; run `ddnn stage {before}` first")
    folders = {before: here / before for before in spec.inputs}
    reference = run_stage(name, params, folders, Workshop.open())
    publish(reference, here / name)
    if spec is STAGES[-1]:
        _track(params, here, reference)


def run_paper_here(name: str, params: Params) -> None:
    """Give one run of the paper's experiment, on ``paper.demand``, in experiments/paper/runs/NAME.

    Raises:
        ParamsError: There is no such run.
        StageFailedError: A stage failed.
    """
    runs = {run.name: run for run in paper_runs(params, params.paper.demand)}
    if name not in runs:
        raise ParamsError(f"run {name}: unknown; the runs are {', '.join(runs)}")
    _end_with_dvc()
    run = runs[name]
    done = run_stages(run.stages, run.params, Workshop.open())
    place = PAPER / "runs" / name
    for stage in done.keys() & {"evaluate", "snapshots"}:
        publish(done[stage], place / stage)


def judge_paper_here(params: Params) -> None:
    """Judge the paper's claims on the runs that the store holds, in experiments/paper/results.

    Raises:
        ArtefactError: A run is not in the store.
    """
    _end_with_dvc()
    from tasks.paper_files import publish_paper

    demand, workshop = params.paper.demand, Workshop.open()
    runs = paper_runs(params, demand)
    references = {run.name: find_stages(run.stages, run.params, workshop) for run in runs}
    for run in runs:
        if len(references[run.name]) < len(run.stages):
            raise ArtefactError(f"run {run.name}: not finished; run `dvc repro` in {PAPER}")
    publish_paper(params, demand, runs, references, PAPER / "results")


def _track(params: Params, here: Path, last: Reference) -> None:
    from flows.pipeline import track_references

    references = {last.stage: last}
    for name in BY_NAME[last.stage].inputs:
        folder = here / name
        references[name] = Reference(
            name, read_manifest(folder)["key"], verify_folder(folder), folder, hit=True
        )
    # The other stages came out of processes of their own: whether they ran, only those knew.
    hits = dict.fromkeys(references) | {last.stage: last.hit}
    track_references(params, references, "dvc", None, hits)


def _end_with_dvc() -> None:
    """End this process when the `dvc` that called it is killed, which would leave it running."""
    pid = _ancestor("dvc")
    if pid is not None:
        end_with(ProcessMark.of(pid))


def _ancestor(command: str) -> int | None:
    pid = os.getppid()
    while pid > 1:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return None
        if any(Path(os.fsdecode(word)).name == command for word in words[:2]):
            return pid
        pid = parent_of(pid)
    return None
