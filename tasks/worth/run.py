"""Running one piece: from the repository where it is kept, else through the store of stages."""

import logging
from functools import cache
from pathlib import Path

from ddnn.demand import read_demand
from ddnn.evaluation.worth.result import Result
from tasks import fingerprint
from tasks.registry import spec_of
from tasks.runner import Workshop, run_stage
from tasks.worth.judged import RESULT
from tasks.worth.kept import Kept, demand_digest
from tasks.worth.pieces import Piece

log = logging.getLogger("ddnn")


def run_piece(piece: Piece, kept: Kept) -> bool:
    """Finish a piece; tells whether it was there already.

    A killed piece goes on where its stages left it: finished stages are in the store, a training
    after its last epoch.

    Raises:
        ArtefactError: An input or a kept file is damaged.
        StageFailedError: A stage ran and failed.
    """
    workshop = Workshop.open()
    download = run_stage("download", piece.params, {}, workshop)
    demand = _digest(download.folder)
    if kept.find(piece, demand) is not None:
        log.info("%s: kept in %s", piece.name, kept.folder.name)
        return True
    # The window's demand stands for download from here on.
    whole = {"download": download.folder}
    folders = {"download": run_stage("worth.window", piece.params, whole, workshop).folder}
    for name in piece.stages:
        inputs = {before: folders[before] for before in spec_of(name, piece.params).inputs}
        folders[name] = run_stage(name, piece.params, inputs, workshop).folder
    result = Result.read(folders[piece.stages[-1]] / RESULT)
    machine = workshop.arithmetic.to_dict() | {"libraries": fingerprint.installed_releases()}
    kept.keep(piece, demand, result, machine)
    log.info("%s: done", piece.name)
    return False


@cache
def _digest(folder: Path) -> str:
    return demand_digest(read_demand(folder))
