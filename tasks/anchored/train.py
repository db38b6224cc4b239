"""Stage ``train`` of the preset ``anchored``: both exits by likelihood, whatever the cost."""

import csv
from pathlib import Path

from ddnn.anchored_training import LikelihoodHistory, LikelihoodParams, train_anchored
from ddnn.nets.anchored import (
    Allocator,
    AnchoredExits,
    SeriesStatistics,
    build_anchored,
    find_anchored,
    save_allocator,
    save_anchored,
)
from ddnn.params import Params
from tasks.anchored.past import clock_of, decisions
from tasks.prepared import Prepared, prepare
from tasks.progress import EpochProgress
from tasks.stage import Stage


def run(stage: Stage) -> None:
    """Write anchored.safetensors, anchored.json, allocator.json and history.csv.

    Stopped on the validation days without the calibration days, as the paper's presets are; the
    shape of both exits' errors is that of all validation days.
    """
    setting, training = stage.params.setting, stage.params.anchored.training
    prepared = prepare(stage)
    split, exits = prepared.split, fresh(prepared, stage.params)
    fit, judged, calibrated = (
        decisions(prepared, days, exits.reaches)
        for days in (split.train, split.validation_fit, split.validation)
    )
    with EpochProgress("train", training.max_epochs, training.patience) as progress:
        history = train_anchored(
            exits,
            fit,
            judged,
            LikelihoodParams(**training.model_dump()),
            setting.w,
            setting.seed,
            stage.arithmetic,
            checkpoint=stage.scratch / "anchored.safetensors",
            on_epoch=lambda record: progress(record.as_epoch()),
        )
    save_anchored(exits, stage.out)
    save_allocator(Allocator.fit(exits, *calibrated), stage.out)
    _write_history(history, stage.out / "history.csv")


def fresh(prepared: Prepared, params: Params) -> AnchoredExits:
    """Build the exits, not trained; what is usual for each series is learned on training days."""
    learn = prepared.split.learn_slots
    return build_anchored(
        find_anchored(params.train.preset),
        prepared.grid,
        prepared.N,
        clock_of(prepared),
        SeriesStatistics.fit(prepared.values_scaled[learn.start : learn.stop]),
        params.setting.seed,
    )


def _write_history(history: LikelihoodHistory, path: Path) -> None:
    """Write it; what is low is good, in nats per VNF: ``nll`` is a negative log-likelihood."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["epoch", "train_nll", "local_nll", "remote_nll", "joint_nll", "best"])
        for record in history:
            # An exit that is not trained has an empty cell.
            values = (record.train, record.local, record.remote, record.joint)
            writer.writerow([record.epoch, *values, int(record.best)])
