"""Exits trained for every cost, tuned on the surrogate of one, with nothing left to judge them."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ddnn.arithmetic import Arithmetic
from ddnn.context import Clock, build_context
from ddnn.cost import sla_cost
from ddnn.grid import Grid
from ddnn.nets.anchored import (
    Allocator,
    AnchoredExits,
    SeriesStatistics,
    build_anchored,
    find_anchored,
)
from ddnn.params import SurrogateParams
from ddnn.training import cost_tuning
from ddnn.training.anchored import LikelihoodParams, train_anchored
from ddnn.training.cost_tuning import tune_for_cost

VNFS, N, COST = 4, 3, sla_cost(10.0)
CLOCK, PLAIN = Clock(1383260400, 3600, "Europe/Rome"), Arithmetic(1, "float32", "contiguous", "any")
HOW = LikelihoodParams(learning_rate=5e-3, batch=32, max_epochs=4)
SURROGATE = SurrogateParams(name="ramp", width=0.05, pull=1.0)


def demand() -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    cycle = 0.5 + 0.2 * np.sin(2 * np.pi * np.arange(168)[:, None] / 24)
    return cycle + 0.02 * rng.standard_normal((168, VNFS))


VALUES = demand()


@pytest.fixture(scope="module")
def trained() -> AnchoredExits:
    preset = find_anchored("anchored")
    preset = replace(preset, latent=(6,), local=(6,), memory=4, remote=(6,), remote_dense=(6,))
    usual = SeriesStatistics.fit(VALUES)
    exits = build_anchored(preset, Grid.in_order(VNFS), N, CLOCK, usual, seed=0)
    train_anchored(exits, decisions(exits), None, replace(HOW, max_epochs=2), 0.5, 0, PLAIN)
    return exits


def decisions(exits: AnchoredExits):
    days = range(N, len(VALUES))
    return build_context(VALUES, days, CLOCK, exits.reaches), VALUES[N:].astype("f4")


def tune(trained: AnchoredExits, allocator: Allocator, checkpoint: Path | None = None, cost=COST):
    exits = copy.deepcopy(trained)
    known = decisions(exits)
    history = tune_for_cost(
        exits, known, allocator, cost, HOW, SURROGATE, 0.5, 3, PLAIN, checkpoint
    )
    return exits, history


def state(exits: AnchoredExits) -> bytes:
    return b"".join(value.numpy().tobytes() for value in exits.state_dict().values())


@pytest.fixture(scope="module")
def allocator(trained: AnchoredExits) -> Allocator:
    return Allocator.fit(trained, *decisions(trained))


def test_what_the_tuned_exits_decide_costs_less_on_the_days_that_they_were_tuned_on(
    trained: AnchoredExits, allocator: Allocator
) -> None:
    tuned, history = tune(trained, allocator)
    assert [row.epoch for row in history] == [1, 2, 3, 4]
    assert all(row.best and row.local is None for row in history)
    assert history[-1].train < history[0].train
    context, met = decisions(trained)
    costs = [
        [COST(y, met.astype("f8")).mean() for y in allocator.allocate(exits, context, COST)]
        for exits in (trained, tuned)
    ]
    assert sum(costs[1]) < sum(costs[0])


def test_killed_it_ends_as_if_undisturbed(
    tmp_path: Path,
    trained: AnchoredExits,
    allocator: Allocator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    undisturbed, _ = tune(trained, allocator)
    place, saved = tmp_path / "all.safetensors", []
    keep = cost_tuning._Further.save

    def save(run: cost_tuning._Further, path: Path) -> None:
        keep(run, path)
        saved.append(path)
        if len(saved) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(cost_tuning._Further, "save", save)
        tune(trained, allocator, place)
    again, history = tune(trained, allocator, place)
    assert len(history) == 4
    assert state(again) == state(undisturbed)


def test_a_checkpoint_of_another_cost_is_not_taken_up(
    tmp_path: Path, trained: AnchoredExits, allocator: Allocator
) -> None:
    place = tmp_path / "all.safetensors"
    tune(trained, allocator, place)
    with pytest.warns(RuntimeWarning, match="belongs to a training with other"):
        tune(trained, allocator, place, sla_cost(2.0))
