"""Exits that predict a distribution, trained on all days before the test by cross-fitting.

Each fold leaves out every third day, say: what its exits predict for these says how large errors
are on days never seen, for all days and not for the validation days alone. The folds' mean then
teaches the one small network that is used. Under drift the newest days are worth the most, and a
training that keeps them for validation does not learn from them.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddnn.anchored_training import (
    Decisions,
    LikelihoodParams,
    LikelihoodRecord,
    Teacher,
    train_anchored,
)
from ddnn.arithmetic import Arithmetic
from ddnn.decision import Predicted, ResidualShape
from ddnn.errors import ModelError, ParamsError
from ddnn.nets.anchored import Allocator, AnchoredExits, predict

Both = tuple[Predicted, Predicted]
"""Of the local and of the remote exit."""


@dataclass(frozen=True)
class CrossFitParams:
    """Folds and lengths of the trainings.

    Raises:
        ParamsError: A number is out of its range.
    """

    folds: int = 3
    fold_epochs: int = 20
    epochs: int = 25
    """Of the exits that are used, on all days."""
    teaching: float = 1.0
    """Weight of the distance to the folds' mean beside the likelihood; 0: none."""

    def __post_init__(self) -> None:
        if min(self.folds - 1, self.fold_epochs, self.epochs) < 1 or not self.teaching >= 0:
            raise ParamsError(f"{self}: two folds and an epoch at least, and no weight below 0")


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """What the folds leave beside the trained exits."""

    allocator: Allocator
    """The shape of each exit's errors on days left out."""
    held_out: Both
    """(K, M): each day as predicted by the fold that did not see it. Whatever is calibrated on days
    before the test asks these, for the exits themselves know those days by heart."""


def cross_fit(
    exits: AnchoredExits,
    decisions: Decisions,
    days: NDArray[np.int64],
    likelihood: LikelihoodParams,
    params: CrossFitParams,
    w: float,
    seed: int,
    arithmetic: Arithmetic,
    checkpoints: Path | None = None,
    on_epoch: Callable[[LikelihoodRecord], None] | None = None,
) -> CrossFitted:
    """Train the exits in place on all days, and learn the shape of their errors.

    Args:
        exits: As built, not trained; all folds start from their weights too.
        decisions: All K decisions before the test days, validation days included.
        days: (K,) calendar day of each decision (:meth:`ddnn.context.Clock.days`); whole days are
            dealt out to the folds in turn.
        likelihood: Optimiser; its number of epochs and patience do not count.
        params: Folds and lengths.
        w: Weight of the local exit, in [0, 1].
        seed: Of the order.
        arithmetic: Threads.
        checkpoints: Folder for the files to resume from; None: none.
        on_epoch: Told each epoch that is computed, of all trainings.

    Raises:
        ModelError: There are fewer days than folds, or a training fails, see
            :func:`~ddnn.anchored_training.train_anchored`.
    """
    fold = _folds(days, len(decisions[1]), params.folds)
    members = []
    for each in range(params.folds):
        member = copy.deepcopy(exits)
        train_anchored(
            member,
            _some(decisions, fold != each),
            None,
            replace(likelihood, max_epochs=params.fold_epochs),
            w,
            seed * (params.folds + 1) + 1 + each,
            arithmetic,
            _file(checkpoints, f"fold_{each}"),
            on_epoch,
        )
        members.append(predict(member, decisions[0]))
    local, remote = ([member[exit] for member in members] for exit in (0, 1))
    train_anchored(
        exits,
        decisions,
        None,
        replace(likelihood, max_epochs=params.epochs),
        w,
        seed * (params.folds + 1),
        arithmetic,
        _file(checkpoints, "all"),
        on_epoch,
        Teacher(_mean(local), _mean(remote), params.teaching) if params.teaching else None,
    )
    held_out = _held_out(local, fold), _held_out(remote, fold)
    met = decisions[1].astype(np.float64)
    return CrossFitted(Allocator(*(ResidualShape.fit(each, met) for each in held_out)), held_out)


def _folds(days: NDArray[np.int64], decisions: int, folds: int) -> NDArray[np.int64]:
    """Fold (K,) of each decision."""
    if len(days) != decisions:
        raise ModelError(f"days of {len(days)} decisions for {decisions}")
    different, order = np.unique(days, return_inverse=True)
    if len(different) < folds:
        raise ModelError(f"{len(different)} days for {folds} folds; bring longer demand")
    return np.asarray(order % folds)


def _some(decisions: Decisions, which: NDArray[np.bool_]) -> Decisions:
    context, demand = decisions
    return context.part(np.flatnonzero(which)), demand[which]


def _mean(members: list[Predicted]) -> Predicted:
    """Mean location, and geometric mean of the spreads."""
    spread = np.exp(np.mean([np.log(member.spread) for member in members], axis=0))
    return Predicted(np.mean([member.location for member in members], axis=0), spread)


def _held_out(members: list[Predicted], fold: NDArray[np.int64]) -> Predicted:
    """Give each decision as the member of its own fold predicted it."""
    rows = np.arange(len(fold))
    location, spread = (
        np.stack([getattr(member, part) for member in members])[fold, rows]
        for part in ("location", "spread")
    )
    return Predicted(location, spread)


def _file(folder: Path | None, name: str) -> Path | None:
    return None if folder is None else folder / f"{name}.safetensors"
