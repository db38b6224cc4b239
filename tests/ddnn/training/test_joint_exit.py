import dataclasses
import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ddnn.arithmetic import Arithmetic
from ddnn.cost import AllocationCost, sla_cost, squared_error, violation_rate
from ddnn.errors import ModelError
from ddnn.grid import Grid
from ddnn.nets import Exits, build_exits, find_preset
from ddnn.params import SurrogateParams, TrainParams
from ddnn.training.joint_exit import EpochRecord, History, Windows, train_exits

VNFS, N = 4, 3
PLAIN = Arithmetic(1, "float32", "contiguous", "any")
ARITHMETICS = [
    PLAIN,
    Arithmetic(1, "bfloat16", "contiguous", "any"),
    Arithmetic(1, "bfloat16", "channels_last_3d", "any"),
]
SURROGATE = SurrogateParams(name="ramp", width=0.1, pull=0.5)
PARAMS = TrainParams(
    preset="paper",
    surrogate=SURROGATE,
    learning_rate=3e-3,
    batch=32,
    dropout=0.1,
    weight_decay=0.0,
    max_epochs=5,
    patience=30,
)


def demand(slots: int, seed: int = 0) -> Windows:
    rng = np.random.default_rng(seed)
    phase = np.arange(slots + N)[:, None] / 6 + rng.random(VNFS)
    noise = 0.02 * rng.standard_normal((slots + N, VNFS))
    values = (0.5 + 0.4 * np.sin(phase) + noise).astype("f4")
    D = np.stack([values[n : slots + n] for n in range(N)], axis=1)
    return D, values[N:]


TRAIN, VALIDATION = demand(160), demand(40, seed=1)


def build(preset: str = "paper") -> Exits:
    return build_exits(find_preset(preset), Grid.in_order(VNFS), N, PARAMS.dropout, seed=0)


def train(
    exits: Exits,
    cost: AllocationCost | None = None,
    w: float = 0.2,
    seed: int = 0,
    arithmetic: Arithmetic = PLAIN,
    windows: tuple[Windows, Windows] = (TRAIN, VALIDATION),
    **changed: Any,
) -> History:
    checkpoint, on_epoch = changed.pop("checkpoint", None), changed.pop("on_epoch", None)
    params = TrainParams.model_validate(PARAMS.model_dump() | changed)
    chosen = cost or sla_cost(1.0)
    return train_exits(exits, *windows, chosen, params, w, seed, arithmetic, checkpoint, on_epoch)


def sha256(exits: Exits) -> str:
    values = exits.state_dict().values()
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in values)).hexdigest()


def hard(exits: Exits, windows: Windows, cost: AllocationCost) -> tuple[float, float]:
    with torch.inference_mode():
        local, remote = exits.eval()(torch.from_numpy(windows[0]))
    return (
        float(cost(local.numpy(), windows[1]).mean()),
        float(cost(remote.numpy(), windows[1]).mean()),
    )


class StopError(Exception):
    pass


def stop_after(epoch: int) -> Any:
    def stop(record: EpochRecord) -> None:
        if record.epoch == epoch:
            raise StopError

    return stop


def test_training_lowers_the_hard_cost_of_both_exits() -> None:
    exits = build()
    before = hard(exits, VALIDATION, sla_cost(1.0))
    train(exits, max_epochs=10)
    after = hard(exits, VALIDATION, sla_cost(1.0))
    assert after[0] < 0.7 * before[0]
    assert after[1] < 0.7 * before[1]


def test_the_exits_end_with_the_weights_of_the_best_epoch() -> None:
    exits, w = build(), 0.3
    history = train(exits, w=w, max_epochs=8)
    best = min(history, key=lambda record: record.joint_cost)
    local, remote = hard(exits, VALIDATION, sla_cost(1.0))
    assert (best.local_cost, best.remote_cost) == pytest.approx((local, remote), rel=1e-5)
    assert best.joint_cost == pytest.approx(w * local + (1 - w) * remote, rel=1e-5)
    assert [record for record in history if record.best][-1] == best
    assert not exits.training


def test_a_starved_network_recovers() -> None:
    exits = build()
    with torch.no_grad():
        for block in (exits.F1, exits.F2):
            list(block.parameters())[-1].fill_(-3.0)
    train(exits, learning_rate=0.02, max_epochs=10)
    with torch.inference_mode():
        local, remote = exits(torch.from_numpy(VALIDATION[0]))
    assert violation_rate(local.numpy(), VALIDATION[1]).mean() < 0.7
    assert violation_rate(remote.numpy(), VALIDATION[1]).mean() < 0.7


@pytest.mark.parametrize(("w", "kept", "trained"), [(0.0, "F1", "F2"), (1.0, "F2", "F1")])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_an_exit_of_weight_zero_keeps_its_initial_weights(
    w: float, kept: str, trained: str, decay: float
) -> None:
    exits = build()
    history = train(exits, w=w, max_epochs=2, weight_decay=decay)
    for name, before in build().state_dict().items():
        if not name.startswith("F0"):
            assert torch.equal(exits.state_dict()[name], before) == name.startswith(kept)
    record = history[-1]
    assert (record.local_cost is None, record.remote_cost is None) == (w == 0, w == 1)
    assert record.joint_cost == (record.remote_cost if w == 0 else record.local_cost)


@pytest.mark.parametrize("arithmetic", ARITHMETICS, ids=lambda a: a.dtype)
@pytest.mark.parametrize("w", [0.0, 0.2])
def test_a_stopped_training_ends_with_the_very_weights_of_an_undisturbed_one(
    tmp_path: Path, arithmetic: Arithmetic, w: float
) -> None:
    undisturbed, resumed = build(), build()
    history = train(undisturbed, w=w, arithmetic=arithmetic, weight_decay=0.01)
    checkpoint = tmp_path / "exits.safetensors"
    setting: dict[str, Any] = {"w": w, "arithmetic": arithmetic, "checkpoint": checkpoint}
    for epoch in (2, 3):
        with pytest.raises(StopError):
            train(build(), weight_decay=0.01, on_epoch=stop_after(epoch), **setting)
    told: list[EpochRecord] = []
    assert train(resumed, weight_decay=0.01, on_epoch=told.append, **setting) == history
    assert told == history[3:]
    assert sha256(resumed) == sha256(undisturbed)


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    checkpoint = tmp_path / "exits.safetensors"
    first, again = build(), build()
    history = train(first, checkpoint=checkpoint)
    assert train(again, checkpoint=checkpoint, on_epoch=stop_after(1)) == history
    assert sha256(again) == sha256(first)


def test_a_damaged_checkpoint_is_set_aside_and_training_starts_anew(tmp_path: Path) -> None:
    checkpoint = tmp_path / "exits.safetensors"
    undisturbed, anew = build(), build()
    train(undisturbed, checkpoint=checkpoint)
    content = bytearray(checkpoint.read_bytes())
    content[-5] ^= 1
    checkpoint.write_bytes(content)
    with pytest.warns(RuntimeWarning, match="starting anew"):
        train(anew, checkpoint=checkpoint)
    assert sha256(anew) == sha256(undisturbed)


@pytest.mark.parametrize(
    "other", [{"w": 0.5}, {"seed": 1}, {"batch": 16}, {"windows": (demand(160, 5), VALIDATION)}]
)
def test_a_checkpoint_of_another_training_is_not_taken_up(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    checkpoint = tmp_path / "exits.safetensors"
    train(build(), checkpoint=checkpoint, max_epochs=2)
    undisturbed, anew = build(), build()
    train(undisturbed, max_epochs=2, **other)
    with pytest.warns(RuntimeWarning, match="belongs to a training with other"):
        train(anew, checkpoint=checkpoint, max_epochs=2, **other)
    assert sha256(anew) == sha256(undisturbed)


def test_the_seed_decides_and_the_global_random_state_neither_matters_nor_moves() -> None:
    torch.manual_seed(1)
    first, again, other = build(), build(), build()
    train(first, max_epochs=2)
    torch.manual_seed(2)
    expected = torch.rand(1)
    torch.manual_seed(2)
    train(again, max_epochs=2)
    assert torch.equal(torch.rand(1), expected)
    train(other, max_epochs=2, seed=1)
    assert sha256(first) == sha256(again) != sha256(other)


def test_patience_ends_a_training_that_no_longer_gets_better() -> None:
    history = train(build(), cost=squared_error(), max_epochs=100, patience=2, learning_rate=0.1)
    best = max(record.epoch for record in history if record.best)
    assert len(history) == best + 2 < 100


@pytest.mark.parametrize("preset", ["paper", "table3", "deepcog_original"])
def test_every_preset_trains_without_a_local_exit(preset: str) -> None:
    history = train(build(preset), w=0.0, max_epochs=1)
    assert math.isfinite(history[0].joint_cost)


def test_a_preset_has_its_own_learning_rate() -> None:
    slow, fast = build("deepcog_original"), build("deepcog_original")
    train(slow, w=0.0, max_epochs=1, learning_rate=1e-3)
    train(fast, w=0.0, max_epochs=1, learning_rate=1.0)
    assert sha256(slow) == sha256(fast)


def test_constant_demand_and_a_single_window_train() -> None:
    flat: Windows = (np.full((1, N, VNFS), 0.5, "f4"), np.full((1, VNFS), 0.5, "f4"))
    assert len(train(build(), windows=(flat, flat))) == PARAMS.max_epochs


@pytest.mark.parametrize("empty", [0, 1])
def test_no_windows_are_refused(empty: int) -> None:
    pair = [TRAIN, VALIDATION]
    pair[empty] = demand(0)
    with pytest.raises(ModelError, match="at least one"):
        train(build(), windows=(pair[0], pair[1]))


def test_a_preset_without_a_local_exit_needs_w_zero() -> None:
    with pytest.raises(ModelError, match="w = 0"):
        train(build("deepcog_original"), w=0.2)


def test_a_blown_up_loss_names_the_epoch_and_the_settings(tmp_path: Path) -> None:
    checkpoint = tmp_path / "exits.safetensors"
    exits = build()
    with pytest.raises(ModelError, match=r"epoch \d+.*train\.learning_rate.*surrogate\.width"):
        train(exits, cost=squared_error(), learning_rate=1e30, checkpoint=checkpoint)


def test_threads_and_denormal_numbers_are_as_before_afterwards() -> None:
    before = torch.get_num_threads()
    train(build(), arithmetic=dataclasses.replace(PLAIN, threads=2), max_epochs=1)
    assert torch.get_num_threads() == before
    assert np.float64(np.finfo(np.float64).tiny) / 2 > 0
