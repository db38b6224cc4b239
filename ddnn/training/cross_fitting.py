"""Exits that predict a distribution, trained on all days before the test by cross-fitting.

Each fold leaves out every third day, say: what its exits predict for these says how large errors
are on days never seen, for all days and not for the validation days alone. The folds' mean then
teaches the one small network that is used. Under drift the newest days are worth the most, and a
training that keeps them for validation does not learn from them. An adviser, another kind of model
that is too slow or too large to be served, may teach beside them: what errs differently averages to
less error (Hinton et al. 2015, arXiv:1503.02531).
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

Advice = Callable[[NDArray[np.bool_]], Predicted]
"""Says what it expects of K decisions (K, M), as learned from the known ones (K,) alone, of each
without its own day; what it says of the others means nothing."""

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
    """Weight of the distance to the teacher beside the likelihood; 0: none."""
    advice: float = 0.5
    """Of the adviser in the teacher, beside the folds' mean; it alone teaches the folds."""

    def __post_init__(self) -> None:
        whole = min(self.folds - 1, self.fold_epochs, self.epochs) >= 1
        if not (whole and self.teaching >= 0 and 0 <= self.advice <= 1):
            raise ParamsError(
                f"{self}: two folds and an epoch at least, no weight below 0, no share above 1"
            )

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
    advice: Advice | None = None,
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
        advice: Of an adviser; None: the folds' mean teaches alone, and the folds have no teacher.

    Raises:
        ModelError: There are fewer days than folds, or a training fails, see
            :func:`~ddnn.training.anchored.train_anchored`.
    """
    fold = _folds(days, len(decisions[1]), params.folds)
    trainings = _Trainings(likelihood, params, w, seed, arithmetic, checkpoints, on_epoch)
    if not (params.teaching and params.advice):
        advice = None
    members, histories = [], {}
    for each in range(params.folds):
        member, name = copy.deepcopy(exits), f"fold_{each}"
        known, left_out = _some(decisions, fold != each), _some(decisions, fold == each)
        taught = None if advice is None else _part(advice(fold != each), fold != each)
        sides = None if taught is None else (taught, taught)
        histories[name] = trainings.run(name, member, known, left_out, sides)
        members.append(predict(member, decisions[0]))
    local, remote = ([member[exit] for member in members] for exit in (0, 1))
    taught = None if advice is None else advice(np.ones_like(fold, dtype=np.bool_))
    both = _mean(local, taught, params.advice), _mean(remote, taught, params.advice)
    histories[ALL] = trainings.run(ALL, exits, decisions, None, both)
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
        watched: Decisions | None,
        taught: Both | None,
    ) -> LikelihoodHistory:
        """Train in place, all epochs."""
        lengths, weight = self.params.trainings, self.params.teaching
        teacher = Teacher(*taught, weight) if taught is not None and weight else None
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


def _part(predicted: Predicted, which: NDArray[np.bool_]) -> Predicted:
    return Predicted(predicted.location[which], predicted.spread[which])


def _mean(members: list[Predicted], advised: Predicted | None, share: float) -> Predicted:
    """Mean location, and geometric mean of the spreads: of the members, then of both."""
    location = np.mean([member.location for member in members], axis=0)
    log_spread = np.mean([np.log(member.spread) for member in members], axis=0)
    if advised is not None:
        location += share * (advised.location - location)
        log_spread += share * (np.log(advised.spread) - log_spread)
    return Predicted(location, np.exp(log_spread))


def _held_out(members: list[Predicted], fold: NDArray[np.int64]) -> Predicted:
    """Give each decision as the member of its own fold predicted it."""
    rows = np.arange(len(fold))
    location, spread = (
        np.stack([getattr(member, part) for member in members])[fold, rows]
        for part in ("location", "spread")
    )
    return Predicted(location, spread)
