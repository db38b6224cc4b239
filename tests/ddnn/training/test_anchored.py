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
from ddnn.cost import sla_cost
from ddnn.errors import ModelError, ParamsError
from ddnn.grid import Grid
from ddnn.nets.anchored import (
    Allocator,
    AnchoredExits,
    SeriesStatistics,
    build_anchored,
    find_anchored,
    predict,
)
from ddnn.training.anchored import (
    Decisions,
    LikelihoodHistory,
    LikelihoodParams,
    LikelihoodRecord,
    train_anchored,
)

VNFS, N = 5, 3
CLOCK = Clock(1383260400, 3600, "Europe/Rome")
TRAIN, VALIDATION, TEST = range(N, 192), range(192, 240), range(240, 288)
PLAIN = Arithmetic(1, "float32", "contiguous", "any")
PARAMS = LikelihoodParams(learning_rate=5e-3, batch=32, max_epochs=5, patience=30)


def demand(seed: int = 0) -> NDArray[np.float64]:
    """Twelve hourly days; noise is five times larger by day than by night."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(288)[:, None] / 24
    cycle = 0.5 + 0.3 * np.sin(phase + rng.random(VNFS) / 2)
    noise = np.where(np.sin(phase) > 0, 0.05, 0.01)
    return cycle + noise * rng.standard_normal((288, VNFS))


VALUES = demand()


def build(values: NDArray[np.float64] = VALUES) -> AnchoredExits:
    preset = find_anchored("anchored")
    preset = replace(preset, latent=(8,), local=(8,), memory=6, remote=(8,), remote_dense=(8,))
    usual = SeriesStatistics.fit(values[: TRAIN.stop])
    return build_anchored(preset, Grid.in_order(VNFS), N, CLOCK, usual, seed=0)


def decisions(
    exits: AnchoredExits, targets: range, values: NDArray[np.float64] = VALUES
) -> Decisions:
    context = build_context(values, targets, CLOCK, exits.reaches)
    return context, values[targets.start : targets.stop].astype("f4")


def train(
    exits: AnchoredExits,
    w: float = 0.5,
    seed: int = 0,
    values: NDArray[np.float64] = VALUES,
    arithmetic: Arithmetic = PLAIN,
    checkpoint: Path | None = None,
    on_epoch: Callable[[LikelihoodRecord], None] | None = None,
    **changed: Any,
) -> LikelihoodHistory:
    pair = [decisions(exits, targets, values) for targets in (TRAIN, VALIDATION)]
    params = replace(PARAMS, **changed)
    return train_anchored(
        exits, pair[0], pair[1], params, w, seed, arithmetic, checkpoint, on_epoch
    )


def sha256(exits: AnchoredExits) -> str:
    state = exits.state_dict().values()
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in state)).hexdigest()


class StopError(Exception):
    pass


def stop_after(epoch: int) -> Callable[[LikelihoodRecord], None]:
    def stop(record: LikelihoodRecord) -> None:
        if record.epoch == epoch:
            raise StopError

    return stop


@pytest.fixture(scope="module")
def trained() -> tuple[AnchoredExits, LikelihoodHistory]:
    exits = build()
    return exits, train(exits, max_epochs=15)


Trained = tuple[AnchoredExits, LikelihoodHistory]


def test_likelihood_rises_at_both_exits(trained: Trained) -> None:
    first, best = trained[1][0], min(trained[1], key=lambda record: record.joint)
    assert best.local is not None and best.remote is not None
    assert first.local is not None and first.remote is not None
    assert best.local < first.local - 0.2
    assert best.remote < first.remote - 0.2


def test_the_spread_learns_when_demand_is_noisy(trained: Trained) -> None:
    exits, _ = trained
    hours = (np.arange(TEST.start, TEST.stop) % 24)[:, None] * np.ones(VNFS)
    for predicted in predict(exits, decisions(exits, TEST)[0]):
        by_day = predicted.spread[(hours > 2) & (hours < 10)].mean()
        by_night = predicted.spread[(hours > 14) & (hours < 22)].mean()
        assert by_day > 1.5 * by_night


def test_the_exits_end_with_the_weights_of_the_best_epoch(trained: Trained) -> None:
    exits, history = trained
    best = min(history, key=lambda record: record.joint)
    assert [record for record in history if record.best][-1] == best
    context, met = decisions(exits, VALIDATION)
    local, remote = predict(exits, context)
    for predicted, dof, found in (
        (local, exits.F1, best.local),
        (remote, exits.F2_head, best.remote),
    ):
        nu = 1 + np.log1p(np.exp(float(dof.tail.detach())))
        law = torch.distributions.StudentT(
            nu, torch.from_numpy(predicted.location), torch.from_numpy(predicted.spread)
        )
        assert -float(law.log_prob(torch.from_numpy(met)).mean()) == pytest.approx(found, rel=1e-4)
    assert not exits.training


def test_one_training_serves_two_costs(trained: Trained) -> None:
    exits, _ = trained
    before = sha256(exits)
    context, met = decisions(exits, VALIDATION)
    allocator = Allocator.fit(exits, context, met)
    context, met = decisions(exits, TEST)
    costs = sla_cost(0.1), sla_cost(5.0)
    cheap, dear = (allocator.allocate(exits, context, cost) for cost in costs)
    for exit in (0, 1):
        assert costs[0](cheap[exit], met).mean() < costs[0](dear[exit], met).mean()
        assert costs[1](dear[exit], met).mean() < costs[1](cheap[exit], met).mean()
    assert sha256(exits) == before


def test_what_test_days_hold_changes_nothing_that_was_learned() -> None:
    changed = VALUES.copy()
    changed[TEST.start :] = 77.0
    found = []
    for values in (VALUES, changed):
        exits = build(values)
        history = train(exits, values=values, max_epochs=2)
        context, met = decisions(exits, VALIDATION, values)
        found.append((sha256(exits), history, Allocator.fit(exits, context, met).to_json()))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("w", "kept", "trained_"),
    [(0.0, ("F1.",), ("F2", "memory")), (1.0, ("F2", "memory"), ("F1.hidden",))],
)
def test_an_exit_of_weight_zero_keeps_its_initial_weights(
    w: float, kept: tuple[str, ...], trained_: tuple[str, ...]
) -> None:
    exits = build()
    history = train(exits, w=w, max_epochs=2, weight_decay=0.01)
    parameters = dict(exits.named_parameters())
    for name, before in build().named_parameters():
        if name.startswith(kept):
            assert torch.equal(parameters[name], before)
        if name.startswith(trained_):
            assert not torch.equal(parameters[name], before)
    record = history[-1]
    assert (record.local is None, record.remote is None) == (w == 0, w == 1)
    assert record.joint == (record.remote if w == 0 else record.local)


@pytest.mark.parametrize("w", [0.0, 0.5])
def test_a_stopped_training_ends_with_the_very_weights_of_an_undisturbed_one(
    tmp_path: Path, w: float
) -> None:
    undisturbed, resumed = build(), build()
    history = train(undisturbed, w=w, weight_decay=0.01)
    checkpoint = tmp_path / "anchored.safetensors"
    setting: dict[str, Any] = {"w": w, "weight_decay": 0.01, "checkpoint": checkpoint}
    for epoch in (2, 3):
        with pytest.raises(StopError):
            train(build(), on_epoch=stop_after(epoch), **setting)
    told: list[LikelihoodRecord] = []
    assert train(resumed, on_epoch=told.append, **setting) == history
    assert told == history[3:]
    assert sha256(resumed) == sha256(undisturbed)


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    checkpoint = tmp_path / "anchored.safetensors"
    first, again = build(), build()
    history = train(first, checkpoint=checkpoint, max_epochs=2)
    assert train(again, checkpoint=checkpoint, max_epochs=2, on_epoch=stop_after(1)) == history
    assert sha256(again) == sha256(first)


@pytest.mark.parametrize(
    "other", [{"w": 0.4}, {"seed": 1}, {"batch": 16}, {"values": demand(seed=5)}]
)
def test_a_checkpoint_of_another_training_is_not_taken_up(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    checkpoint = tmp_path / "anchored.safetensors"
    train(build(), checkpoint=checkpoint, max_epochs=1)
    undisturbed, anew = build(), build()
    train(undisturbed, max_epochs=1, **other)
    with pytest.warns(RuntimeWarning, match="belongs to a training with other"):
        train(anew, checkpoint=checkpoint, max_epochs=1, **other)
    assert sha256(anew) == sha256(undisturbed)


def test_the_seed_decides_and_the_global_random_state_neither_matters_nor_moves() -> None:
    torch.manual_seed(1)
    first, again, other = build(), build(), build()
    train(first, max_epochs=1)
    torch.manual_seed(2)
    expected = torch.rand(1)
    torch.manual_seed(2)
    train(again, max_epochs=1)
    assert torch.equal(torch.rand(1), expected)
    train(other, max_epochs=1, seed=1)
    assert sha256(first) == sha256(again) != sha256(other)


def test_patience_ends_a_training_that_no_longer_gets_better() -> None:
    history = train(build(), max_epochs=100, patience=2, learning_rate=0.05, averaging=0.0)
    best = max(record.epoch for record in history if record.best)
    assert len(history) == best + 2 < 100


def test_constant_demand_trains() -> None:
    flat = np.full_like(VALUES, 0.5)
    exits = build(flat)
    train(exits, values=flat, max_epochs=1)
    assert np.isfinite(predict(exits, decisions(exits, TEST, flat)[0])[0].location).all()


def test_threads_are_as_before_afterwards() -> None:
    before = torch.get_num_threads()
    train(build(), arithmetic=replace(PLAIN, threads=2), max_epochs=1)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("w", [-0.1, 1.1])
def test_a_weight_outside_0_to_1_is_refused(w: float) -> None:
    with pytest.raises(ModelError, match="between 0 and 1"):
        train(build(), w=w)


def test_no_decisions_and_unequal_numbers_are_refused() -> None:
    exits = build()
    some, none = decisions(exits, VALIDATION), decisions(exits, range(200, 200))
    with pytest.raises(ModelError, match="at least one"):
        train_anchored(exits, none, some, PARAMS, 0.5, 0, PLAIN)
    with pytest.raises(ModelError, match="48 contexts for 47"):
        train_anchored(exits, (some[0], some[1][1:]), some, PARAMS, 0.5, 0, PLAIN)


def test_an_undefined_loss_names_the_epoch_and_the_rate() -> None:
    exits = build()
    context, met = decisions(exits, TRAIN)
    met[7, 2] = np.nan
    with pytest.raises(ModelError, match=r"epoch 1: .*learning rate \(0\.005\)"):
        train_anchored(exits, (context, met), decisions(exits, VALIDATION), PARAMS, 0.5, 0, PLAIN)


@pytest.mark.parametrize(
    "wrong", [{"learning_rate": 0.0}, {"batch": 0}, {"weight_decay": -1.0}, {"averaging": 1.0}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParamsError, match="range"):
        replace(PARAMS, **wrong)
