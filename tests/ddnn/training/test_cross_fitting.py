import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ddnn.arithmetic import Arithmetic
from ddnn.context import Clock, build_context
from ddnn.decision import Predicted, ResidualShape
from ddnn.errors import ModelError, ParamsError
from ddnn.grid import Grid
from ddnn.nets.anchored import (
    AnchoredExits,
    SeriesStatistics,
    build_anchored,
    find_anchored,
    predict,
    tensors,
)
from ddnn.nets.anchored.likelihood import negative_log_likelihood
from ddnn.training.anchored import (
    Decisions,
    LikelihoodParams,
    LikelihoodRecord,
    Teacher,
    train_anchored,
)
from ddnn.training.cross_fitting import ALL as ALL_DAYS
from ddnn.training.cross_fitting import Advice, CrossFitParams, CrossFitted, cross_fit

VNFS, N = 4, 3
CLOCK = Clock(1383260400, 3600, "Europe/Rome")
ALL, TEST = range(N, 168), range(168, 216)
PLAIN = Arithmetic(1, "float32", "contiguous", "any")
PARAMS = LikelihoodParams(learning_rate=5e-3, batch=32, max_epochs=1, patience=1)
FOLDS = CrossFitParams(folds=3, fold_epochs=2, epochs=3)


def demand() -> NDArray[np.float64]:
    """Nine hourly days."""
    rng = np.random.default_rng(0)
    cycle = 0.5 + 0.2 * np.sin(2 * np.pi * np.arange(216)[:, None] / 24)
    return cycle + 0.02 * rng.standard_normal((216, VNFS))


VALUES = demand()


def build() -> AnchoredExits:
    preset = find_anchored("anchored")
    preset = replace(preset, latent=(6,), local=(6,), memory=4, remote=(6,), remote_dense=(6,))
    usual = SeriesStatistics.fit(VALUES[: ALL.stop])
    return build_anchored(preset, Grid.in_order(VNFS), N, CLOCK, usual, seed=0)


def decisions(targets: range, values: NDArray[np.float64] = VALUES) -> Decisions:
    context = build_context(values, targets, CLOCK, build().reaches)
    return context, values[targets.start : targets.stop].astype("f4")


def fit(
    exits: AnchoredExits,
    values: NDArray[np.float64] = VALUES,
    params: CrossFitParams = FOLDS,
    checkpoints: Path | None = None,
    on_epoch: Callable[[str, LikelihoodRecord], None] | None = None,
    advice: Advice | None = None,
) -> CrossFitted:
    known, days = decisions(ALL, values), CLOCK.days(ALL)
    return cross_fit(
        exits, known, days, PARAMS, params, 0.5, 7, PLAIN, checkpoints, on_epoch, advice
    )


def alone(known: Decisions, epochs: int, seed: int, teacher: Teacher | None) -> AnchoredExits:
    exits, params = build(), replace(PARAMS, max_epochs=epochs)
    train_anchored(exits, known, None, params, 0.5, seed, PLAIN, teacher=teacher)
    return exits


def sha256(exits: AnchoredExits) -> str:
    state = exits.state_dict().values()
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in state)).hexdigest()


Told = list[tuple[str, LikelihoodRecord]]
Made = tuple[AnchoredExits, CrossFitted, Told]


@pytest.fixture(scope="module")
def made() -> Made:
    exits, told = build(), Told()
    return exits, fit(exits, on_epoch=lambda *epoch: told.append(epoch)), told


def test_each_day_is_told_by_a_training_that_did_not_see_it_and_their_mean_teaches(
    made: Made,
) -> None:
    exits, found, told = made
    assert len(told) == 3 * 2 + 3
    context, met = decisions(ALL)
    local_day = (np.arange(ALL.start, ALL.stop)) // 24  # The first slot is local midnight.
    members: list[tuple[Predicted, Predicted]] = []
    for fold in range(3):
        seen = np.flatnonzero(local_day % 3 != fold)
        member = alone((context.part(seen), met[seen]), 2, 7 * 4 + 1 + fold, None)
        members.append(predict(member, context))
        for exit in (0, 1):
            unseen = local_day % 3 == fold
            for part in ("location", "spread"):
                expected = getattr(members[-1][exit], part)[unseen]
                assert np.array_equal(getattr(found.held_out[exit], part)[unseen], expected)
    taught = [
        Predicted(
            np.mean([member[exit].location for member in members], axis=0),
            np.prod([member[exit].spread for member in members], axis=0) ** (1 / 3),
        )
        for exit in (0, 1)
    ]
    expected_exits = alone((context, met), 3, 7 * 4, Teacher(taught[0], taught[1], 1.0))
    for ours, theirs in zip(exits.parameters(), expected_exits.parameters(), strict=True):
        np.testing.assert_allclose(ours.detach(), theirs.detach(), atol=1e-4)


class Adviser:
    """Says as much as it was asked for; keeps what it was let know."""

    def __init__(self) -> None:
        self.known: list[NDArray[np.bool_]] = []

    def __call__(self, known: NDArray[np.bool_]) -> Predicted:
        self.known.append(known)
        shape = len(known), VNFS
        location = np.where(known[:, None], 0.3, 77.0)  # Of what it may not know it says nonsense.
        return Predicted(np.broadcast_to(location, shape), np.full(shape, 0.05))


def test_an_adviser_knows_what_a_fold_knows_and_teaches_beside_the_folds() -> None:
    exits, adviser = build(), Adviser()
    params = replace(FOLDS, advice=0.25)
    fit(exits, params=params, advice=adviser)
    (context, met), day = decisions(ALL), np.arange(ALL.start, ALL.stop) // 24
    expected_masks = [*(day % 3 != fold for fold in range(3)), np.ones_like(day, dtype=np.bool_)]
    for known, expected in zip(adviser.known, expected_masks, strict=True):
        assert np.array_equal(known, expected)
    members = []
    for fold in range(3):
        seen = np.flatnonzero(expected_masks[fold])
        said = Predicted(np.full((len(seen), VNFS), 0.3), np.full((len(seen), VNFS), 0.05))
        teacher = Teacher(said, said, 1.0)
        member = alone((context.part(seen), met[seen]), 2, 7 * 4 + 1 + fold, teacher)
        members.append(predict(member, context))
    taught = []
    for exit in (0, 1):
        location = np.mean([member[exit].location for member in members], axis=0)
        spread = np.prod([member[exit].spread for member in members], axis=0) ** (1 / 3)
        taught.append(
            Predicted(0.75 * location + 0.25 * 0.3, spread**0.75 * 0.05**0.25),
        )
    expected_exits = alone((context, met), 3, 7 * 4, Teacher(taught[0], taught[1], 1.0))
    for ours, theirs in zip(exits.parameters(), expected_exits.parameters(), strict=True):
        np.testing.assert_allclose(ours.detach(), theirs.detach(), atol=1e-4)


@pytest.mark.parametrize("without", [{"advice": 0.0}, {"teaching": 0.0}])
def test_without_advice_or_teaching_no_adviser_is_asked(without: dict[str, float]) -> None:
    adviser, taught, plain = Adviser(), build(), build()
    params = replace(FOLDS, **without)  # type: ignore[arg-type]
    fit(taught, params=params, advice=adviser)
    fit(plain, params=params)
    assert not adviser.known
    assert sha256(taught) == sha256(plain)


def test_the_shape_is_that_of_errors_on_days_left_out(made: Made) -> None:
    _, found, _ = made
    met = decisions(ALL)[1]
    for shape, predicted in zip(
        (found.allocator.local, found.allocator.remote), found.held_out, strict=True
    ):
        assert shape.to_json() == ResidualShape.fit(predicted, met).to_json()


def test_without_teaching_the_last_training_is_a_plain_one() -> None:
    exits = build()
    fit(exits, params=replace(FOLDS, fold_epochs=1, epochs=2, teaching=0.0))
    assert sha256(exits) == sha256(alone(decisions(ALL), 2, 7 * 4, None))


def test_a_teacher_is_followed_away_from_demand() -> None:
    known = decisions(ALL)
    last = VALUES[ALL.start - 1 : ALL.stop - 1]
    lesson = Predicted(last + 0.05, np.full_like(last, 0.3))
    taught, free = (
        predict(alone(known, 20, 0, teacher), known[0])
        for teacher in (Teacher(lesson, lesson, 100.0), None)
    )
    for near, far in zip(taught, free, strict=True):
        for part in ("location", "spread"):
            goal = getattr(lesson, part)
            errors = [np.abs(getattr(each, part) - goal).mean() for each in (near, far)]
            assert errors[0] < 0.5 * errors[1]


def test_without_validation_no_patience_ends_and_the_last_weights_stay() -> None:
    params = replace(PARAMS, learning_rate=0.05)
    histories = [
        train_anchored(
            build(), decisions(ALL), None, replace(params, max_epochs=epochs), 0.5, 0, PLAIN
        )
        for epochs in (3, 4)
    ]
    assert histories[1][:3] == histories[0]
    assert [len(history) for history in histories] == [3, 4]
    assert all(record.best and record.joint == record.train for record in histories[1])
    assert all(record.local is None is record.remote for record in histories[1])
    three, four = (alone(decisions(ALL), epochs, 0, None) for epochs in (3, 4))
    assert sha256(three) != sha256(four)


def test_what_test_days_hold_changes_nothing_that_was_learned(made: Made) -> None:
    changed = VALUES.copy()
    changed[TEST.start :] = 77.0
    exits = build()
    found = fit(exits, changed)
    assert sha256(exits) == sha256(made[0])
    assert found.allocator.to_json() == made[1].allocator.to_json()


@pytest.mark.parametrize("epoch", [1, 4, 8])
def test_killed_in_any_training_it_ends_as_if_undisturbed(
    tmp_path: Path, made: Made, epoch: int
) -> None:
    told: Told = []

    def stop(training: str, record: LikelihoodRecord) -> None:
        told.append((training, record))
        if len(told) == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(build(), checkpoints=tmp_path, on_epoch=stop)
    exits = build()
    found = fit(exits, checkpoints=tmp_path, on_epoch=lambda *epoch: told.append(epoch))
    assert sha256(exits) == sha256(made[0])
    assert found.allocator.to_json() == made[1].allocator.to_json()
    assert told == made[2]
    assert found.histories == made[1].histories


def test_a_fold_is_watched_on_the_days_that_it_left_out_and_they_choose_nothing(
    made: Made,
) -> None:
    _, found, told = made
    assert {name: len(history) for name, history in found.histories.items()} == FOLDS.trainings
    assert told == [(name, row) for name, rows in found.histories.items() for row in rows]
    assert all(record.local is None is record.remote for record in found.histories[ALL_DAYS])
    (context, met), local_day = decisions(ALL), np.arange(ALL.start, ALL.stop) // 24
    for fold in range(3):
        seen, unseen = (np.flatnonzero((local_day % 3 != fold) == each) for each in (True, False))
        member = alone((context.part(seen), met[seen]), 2, 7 * 4 + 1 + fold, None)
        judged = context.part(unseen)
        with torch.inference_mode():
            said = member(tensors(judged.edge), tensors(judged.cloud))
        last = found.histories[f"fold_{fold}"][-1]
        for watched, of in zip((last.local, last.remote), said, strict=True):
            likelihood = negative_log_likelihood(of, torch.from_numpy(met[unseen])).mean()
            assert watched == pytest.approx(float(likelihood), rel=1e-4)


def test_days_that_only_watch_change_no_weight() -> None:
    known, watched = decisions(range(N, 144)), decisions(range(144, 168))
    states = []
    for validation in (None, watched):
        exits = build()
        params = replace(PARAMS, learning_rate=0.05, max_epochs=4)
        history = train_anchored(exits, known, validation, params, 0.5, 0, PLAIN, choose=False)
        assert len(history) == 4
        states.append(sha256(exits))
    assert states[0] == states[1]


def test_a_checkpoint_of_another_teacher_is_not_taken_up(tmp_path: Path) -> None:
    known, place = decisions(ALL), tmp_path / "all.safetensors"
    last = VALUES[ALL.start - 1 : ALL.stop - 1]
    for number, weight in enumerate((1.0, 2.0)):
        teacher = Teacher(*[Predicted(last, np.ones_like(last))] * 2, weight)
        rest: Any = (known, None, PARAMS, 0.5, 0, PLAIN, place)
        if number:
            with pytest.warns(RuntimeWarning, match="belongs to a training with other"):
                train_anchored(build(), *rest, teacher=teacher)
        else:
            train_anchored(build(), *rest, teacher=teacher)


def test_too_few_days_and_other_numbers_are_refused() -> None:
    known, days = decisions(ALL), CLOCK.days(ALL)
    rest: Any = (PARAMS, FOLDS, 0.5, 0, PLAIN)
    with pytest.raises(ModelError, match="2 days for 3 folds"):
        cross_fit(build(), known, days % 2, *rest)
    with pytest.raises(ModelError, match="days of 164 decisions for 165"):
        cross_fit(build(), known, days[1:], *rest)
    few = Predicted(VALUES[:9], np.ones_like(VALUES[:9]))
    with pytest.raises(ModelError, match="teacher did not predict"):
        train_anchored(build(), known, None, PARAMS, 0.5, 0, PLAIN, teacher=Teacher(few, few))


@pytest.mark.parametrize(
    "wrong", [{"folds": 1}, {"fold_epochs": 0}, {"epochs": 0}, {"teaching": -1.0}]
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParamsError, match="two folds"):
        replace(FOLDS, **wrong)
