"""Stage ``train`` of the preset ``anchored``: both exits by likelihood, whatever the cost."""

import csv
from collections.abc import Mapping
from pathlib import Path

from ddnn.alternatives import Past
from ddnn.alternatives.boosting import BoostingAdvice
from ddnn.nets.anchored import (
    AnchoredExits,
    HeldOut,
    SeriesStatistics,
    build_anchored,
    find_anchored,
    save_allocator,
    save_anchored,
    save_held_out,
)
from ddnn.params import Params
from ddnn.training.anchored import LikelihoodHistory, LikelihoodParams
from ddnn.training.cross_fitting import CrossFitParams, cross_fit
from tasks.anchored.days import trained_on
from tasks.anchored.past import clock_of, decisions
from tasks.anchored.progress import RowProgress
from tasks.prepared import Prepared, prepare
from tasks.stage import Stage


def run(stage: Stage) -> None:
    """Write anchored.safetensors, anchored.json, allocator.json, held_out.npz and history.csv.

    All days before the test teach, validation days too. The shape of both exits' errors, and
    whatever is calibrated later on, asks held_out.npz: what folds say of days that they left out.
    """
    setting, own = stage.params.setting, stage.params.anchored
    prepared = prepare(stage)
    exits, days = fresh(prepared, stage.params), trained_on(prepared.split)
    folds = CrossFitParams(**own.cross_fitting.model_dump(exclude={"advisers"}))
    with RowProgress("train", folds.trainings) as progress:
        fitted = cross_fit(
            exits,
            decisions(prepared, days, exits.reaches),
            clock_of(prepared).days(days),
            LikelihoodParams(**own.training.model_dump()),
            folds,
            setting.w,
            setting.seed,
            stage.arithmetic,
            checkpoints=stage.scratch,
            on_epoch=progress.tell,
            advice=_advice(prepared, stage) if folds.advice else None,
        )
    save_anchored(exits, stage.out)
    save_allocator(fitted.allocator, stage.out)
    save_held_out(HeldOut(days.start, *fitted.held_out), stage.out)
    _write_history(fitted.histories, stage.out / "history.csv")


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


def _advice(prepared: Prepared, stage: Stage) -> BoostingAdvice:
    """Let boosted trees learn from the same days."""
    past = Past.of(prepared.demand, prepared.split, prepared.scaling, prepared.N)
    return BoostingAdvice(
        past,
        models=stage.params.anchored.cross_fitting.advisers,
        threads=stage.arithmetic.threads,
        seed=stage.params.setting.seed,
    )


def _write_history(histories: Mapping[str, LikelihoodHistory], path: Path) -> None:
    """Write it; what is low is good, in nats per VNF: ``nll`` is a negative log-likelihood.

    That of the exits is on the days that the fold leaves out; the last training leaves out none.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["training", "epoch", "train_nll", "local_nll", "remote_nll", "joint_nll"])
        for training, history in histories.items():
            for record in history:
                watched = record.local is not None or record.remote is not None
                # What is not trained or not watched has an empty cell.
                values = (record.local, record.remote, record.joint if watched else None)
                writer.writerow([training, record.epoch, record.train, *values])
