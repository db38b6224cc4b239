"""Train twice: once to see when to stop and how large errors are, once on all days before the test.

Under drift the newest days are worth the most, and these are the validation days.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ddnn.anchored_training import (
    Decisions,
    LikelihoodHistory,
    LikelihoodParams,
    LikelihoodRecord,
    train_anchored,
)
from ddnn.arithmetic import Arithmetic
from ddnn.nets.anchored import Allocator, AnchoredExits


@dataclass(frozen=True)
class Refitted:
    """What two trainings leave beside the exits."""

    held_out: AnchoredExits
    """Those of the first training. All that is calibrated on validation days asks these: the
    refitted exits know those days by heart."""
    allocator: Allocator
    """The shapes of the errors that the first training made on days that it had not seen."""
    history: LikelihoodHistory
    """The first training's."""


def train_and_refit(
    exits: AnchoredExits,
    train: Decisions,
    validation: Decisions,
    calibration: Decisions,
    everything: Decisions,
    params: LikelihoodParams,
    w: float,
    seed: int,
    arithmetic: Arithmetic,
    checkpoints: Path | None = None,
    on_epoch: Callable[[LikelihoodRecord], None] | None = None,
) -> Refitted:
    """Train in place on all days, for as many epochs as validation days preferred.

    The first training, from the same initial weights, is stopped and calibrated on validation days;
    see :func:`~ddnn.anchored_training.train_anchored`. Statistics of the series stay those that
    the exits were built with, so that both trainings mean the same by a spread.

    Args:
        exits: As built, not trained.
        train: Decisions of the training days, the first training's.
        validation: Decisions on which its epochs are judged.
        calibration: Decisions of validation days from which its errors' shape is learned.
        everything: Decisions of all days before the test: the second training's.
        params: Optimiser, patience.
        w: Weight of the local exit, in [0, 1].
        seed: Of the order.
        arithmetic: Threads.
        checkpoints: Folder for the files to resume from; None: none.
        on_epoch: Told each epoch that is computed, of both trainings.

    Raises:
        ModelError: As :func:`~ddnn.anchored_training.train_anchored`.
    """
    held_out = copy.deepcopy(exits)
    rest = (w, seed, arithmetic)
    first, second = (
        None if checkpoints is None else checkpoints / f"{name}.safetensors"
        for name in ("held_out", "refit")
    )
    history = train_anchored(held_out, train, validation, params, *rest, first, on_epoch)
    epochs = max(record.epoch for record in history if record.best)
    train_anchored(
        exits, everything, None, replace(params, max_epochs=epochs), *rest, second, on_epoch
    )
    return Refitted(held_out, Allocator.fit(held_out, *calibration), history)
