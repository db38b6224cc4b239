import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ddnn.anchored_refit import Refitted, train_and_refit
from ddnn.anchored_training import (
    Decisions,
    LikelihoodParams,
    LikelihoodRecord,
    train_anchored,
)
from ddnn.arithmetic import Arithmetic
from ddnn.context import Clock, build_context
from ddnn.grid import Grid
from ddnn.nets.anchored import (
    Allocator,
    AnchoredExits,
    SeriesStatistics,
    build_anchored,
    find_anchored,
    predict,
)

VNFS, N = 4, 3
CLOCK = Clock(1383260400, 3600, "Europe/Rome")
TRAIN, STOP, VALIDATION, TEST = range(N, 96), range(96, 144), range(96, 168), range(168, 216)
ALL = range(N, VALIDATION.stop)
PLAIN = Arithmetic(1, "float32", "contiguous", "any")
PARAMS = LikelihoodParams(learning_rate=5e-3, batch=32, max_epochs=4, patience=2)


def demand(moves_from: int = 216) -> NDArray[np.float64]:
    """Nine hourly days; from a slot on, every second hour is higher by 0.3."""
    rng = np.random.default_rng(0)
    cycle = 0.5 + 0.2 * np.sin(2 * np.pi * np.arange(216)[:, None] / 24)
    values = cycle + 0.02 * rng.standard_normal((216, VNFS))
    values[moves_from::2] += 0.3
    return values


VALUES = demand()


def build() -> AnchoredExits:
    preset = find_anchored("anchored")
    preset = replace(preset, latent=(6,), local=(6,), memory=4, remote=(6,), remote_dense=(6,))
    usual = SeriesStatistics.fit(VALUES[: TRAIN.stop])
    return build_anchored(preset, Grid.in_order(VNFS), N, CLOCK, usual, seed=0)


def decisions(targets: range, values: NDArray[np.float64] = VALUES) -> Decisions:
    context = build_context(values, targets, CLOCK, build().reaches)
    return context, values[targets.start : targets.stop].astype("f4")


def refit(
    exits: AnchoredExits,
    values: NDArray[np.float64] = VALUES,
    params: LikelihoodParams = PARAMS,
    checkpoints: Path | None = None,
    on_epoch: Callable[[LikelihoodRecord], None] | None = None,
) -> Refitted:
    days = (decisions(targets, values) for targets in (TRAIN, STOP, VALIDATION, ALL))
    return train_and_refit(exits, *days, params, 0.5, 0, PLAIN, checkpoints, on_epoch)


def sha256(exits: AnchoredExits) -> str:
    state = exits.state_dict().values()
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in state)).hexdigest()


Made = tuple[AnchoredExits, Refitted, list[LikelihoodRecord]]


@pytest.fixture(scope="module")
def made() -> Made:
    exits, told = build(), list[LikelihoodRecord]()
    return exits, refit(exits, on_epoch=told.append), told


def test_the_first_training_is_the_one_that_stops_and_calibrates(made: Made) -> None:
    _, found, _ = made
    alone = build()
    history = train_anchored(alone, decisions(TRAIN), decisions(STOP), PARAMS, 0.5, 0, PLAIN)
    assert found.history == history
    assert sha256(found.held_out) == sha256(alone)
    expected = Allocator.fit(alone, *decisions(VALIDATION))
    assert found.allocator.to_json() == expected.to_json()


def test_the_second_takes_all_days_for_as_many_epochs_from_the_same_start(made: Made) -> None:
    exits, found, told = made
    epochs = max(record.epoch for record in found.history if record.best)
    alone, params = build(), replace(PARAMS, max_epochs=epochs)
    history = train_anchored(alone, decisions(ALL), None, params, 0.5, 0, PLAIN)
    assert sha256(exits) == sha256(alone) != sha256(found.held_out)
    assert told == [*found.history, *history]
    assert not exits.training


def test_without_validation_no_patience_ends_and_the_last_weights_stay() -> None:
    params = replace(PARAMS, max_epochs=5, patience=1, learning_rate=0.05)
    lengths = [
        replace(params, max_epochs=epochs) for epochs in (4, 5)
    ]  # the last epoch must change something
    exits = [build() for _ in lengths]
    histories = [
        train_anchored(each, decisions(TRAIN), None, how, 0.5, 0, PLAIN)
        for each, how in zip(exits, lengths, strict=True)
    ]
    assert histories[1][:4] == histories[0]
    assert [len(history) for history in histories] == [4, 5]
    assert all(record.best and record.joint == record.train for record in histories[1])
    assert all(record.local is None is record.remote for record in histories[1])
    assert sha256(exits[0]) != sha256(exits[1])


def test_what_only_the_newest_days_show_is_learned_by_the_refit_alone() -> None:
    values = demand(moves_from=VALIDATION.start)
    exits, params = build(), replace(PARAMS, max_epochs=40, patience=40, batch=16)
    found = refit(exits, values, params)
    context, met = decisions(TEST, values)
    for old, new in zip(predict(found.held_out, context), predict(exits, context), strict=True):
        errors = [np.abs(met - each.location).mean() for each in (old, new)]
        assert errors[1] < 0.8 * errors[0]


def test_what_test_days_hold_changes_nothing_that_was_learned(made: Made) -> None:
    changed = VALUES.copy()
    changed[TEST.start :] = 77.0
    exits = build()
    found = refit(exits, changed)
    assert sha256(exits) == sha256(made[0])
    assert found.allocator.to_json() == made[1].allocator.to_json()


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_killed_in_either_training_it_ends_as_if_undisturbed(
    tmp_path: Path, made: Made, epoch: int
) -> None:
    told: list[LikelihoodRecord] = []

    def stop(record: LikelihoodRecord) -> None:
        told.append(record)
        if len(told) == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refit(build(), checkpoints=tmp_path, on_epoch=stop)
    exits = build()
    found = refit(exits, checkpoints=tmp_path, on_epoch=told.append)
    assert sha256(exits) == sha256(made[0])
    assert found.history == made[1].history
    assert told == made[2]
