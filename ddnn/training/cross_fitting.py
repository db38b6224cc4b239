"""Exits that predict a distribution, trained on all days before the test by cross-fitting.

Each fold leaves out every third day, say: what its exits predict for these says how large errors
are on days never seen, for all days and not for the validation days alone. The folds' mean then
teaches the one small network that is used. Under drift the newest days are worth the most, and a
training that keeps them for validation does not learn from them.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddnn.arithmetic import Arithmetic
from ddnn.decision import Predicted, ResidualShape
from ddnn.errors import ModelError, ParamsError
from ddnn.nets.anchored import Allocator, AnchoredExits, predict
from ddnn.training.anchored import (
    Decisions,
    LikelihoodHistory,
    LikelihoodParams,
    LikelihoodRecord,
    Teacher,
    train_anchored,
)

Both = tuple[Predicted, Predicted]
"""Of the local and of the remote exit."""

ALL = "all"
"""Name of the training on all days; those of the folds are ``fold_0``, ``fold_1``, ..."""


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

    @property
    def trainings(self) -> dict[str, int]:
        """Epochs of each training, by its name, in their order."""
        return {f"fold_{each}": self.fold_epochs for each in range(self.folds)} | {ALL: self.epochs}


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """What the folds leave beside the trained exits."""

    allocator: Allocator
    """The shape of each exit's errors on days left out."""
    held_out: Both
    """(K, M): each day as predicted by the fold that did not see it. Whatever is calibrated on days
    before the test asks these, for the exits themselves know those days by heart."""
    histories: Mapping[str, LikelihoodHistory]
    """Of each training, by its name. A fold's epochs are watched on the days that it left out; none
    is chosen by them. The training on all days has none left to be watched on."""


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
    on_epoch: Callable[[str, LikelihoodRecord], None] | None = None,
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
        on_epoch: Told each epoch that is computed, with its training's name.

    Raises:
        ModelError: There are fewer days than folds, or a training fails, see
            :func:`~ddnn.training.anchored.train_anchored`.
    """
    fold = _folds(days, len(decisions[1]), params.folds)
    trainings = _Trainings(likelihood, params, w, seed, arithmetic, checkpoints, on_epoch)
    members, histories = [], {}
    for each in range(params.folds):
        member, name = copy.deepcopy(exits), f"fold_{each}"
        known, left_out = _some(decisions, fold != each), _some(decisions, fold == each)
        histories[name] = trainings.run(name, member, known, watched=left_out)
        members.append(predict(member, decisions[0]))
    local, remote = ([member[exit] for member in members] for exit in (0, 1))
    teacher = Teacher(_mean(local), _mean(remote), params.teaching) if params.teaching else None
    histories[ALL] = trainings.run(ALL, exits, decisions, teacher=teacher)
    held_out = _held_out(local, fold), _held_out(remote, fold)
    met = decisions[1].astype(np.float64)
    allocator = Allocator(*(ResidualShape.fit(each, met) for each in held_out))
    return CrossFitted(allocator, held_out, histories)


@dataclass(frozen=True)
class _Trainings:
    """What all trainings share."""

    likelihood: LikelihoodParams
    params: CrossFitParams
    w: float
    seed: int
    arithmetic: Arithmetic
    checkpoints: Path | None
    on_epoch: Callable[[str, LikelihoodRecord], None] | None

    def run(
        self,
        name: str,
        exits: AnchoredExits,
        known: Decisions,
        watched: Decisions | None = None,
        teacher: Teacher | None = None,
    ) -> LikelihoodHistory:
        """Train in place, all epochs."""
        lengths = self.params.trainings
        number = 0 if name == ALL else 1 + list(lengths).index(name)
        return train_anchored(
            exits,
            known,
            watched,
            replace(self.likelihood, max_epochs=lengths[name]),
            self.w,
            self.seed * len(lengths) + number,
            self.arithmetic,
            None if self.checkpoints is None else self.checkpoints / f"{name}.safetensors",
            None if self.on_epoch is None else partial(self.on_epoch, name),
            teacher,
            choose=False,
        )


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
