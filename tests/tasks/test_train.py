import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ddnn.arithmetic import Arithmetic
from ddnn.demand import Demand, Scaling, write_demand
from ddnn.grid import Grid
from ddnn.nets import build_exits, find_preset, load_exits
from ddnn.params import load_params
from ddnn.training.joint_exit import EpochRecord
from tasks import deepcog, train
from tasks.progress import EpochProgress
from tasks.stage import Stage

PARAMS = Path(__file__).parents[2] / "params.yaml"
FILES = ["exits.json", "exits.safetensors", "history.csv"]
MakeDemand = Callable[..., Demand]


@pytest.fixture
def inputs(tmp_path: Path, make_demand: MakeDemand) -> dict[str, Path]:
    folders = {name: tmp_path / name for name in ("download", "grid")}
    for folder in folders.values():
        folder.mkdir()
    demand = make_demand(slots=24 * 12, vnfs=3)
    write_demand(demand, folders["download"])
    learned = np.asarray(demand.values)[: 24 * 7]
    parts = {"grid": Grid.in_order(3), "scaling": Scaling.fit(learned)}
    for name, part in parts.items():
        (folders["grid"] / f"{name}.json").write_text(json.dumps(part.to_json()))
    return folders


@pytest.fixture
def make_stage(tmp_path: Path, inputs: dict[str, Path]) -> Callable[..., Stage]:
    def make(name: str, **overrides: Any) -> Stage:
        quick = {"train.max_epochs": 2, "split.test_days": 2, "split.validation_days": 3}
        changed = {key.replace("__", "."): value for key, value in overrides.items()}
        out, scratch = tmp_path / name / "out", tmp_path / name / "scratch"
        out.mkdir(parents=True)
        scratch.mkdir()
        params = load_params(PARAMS, quick | changed)
        return Stage(params, inputs, out, scratch, Arithmetic(1, "float32", "contiguous", "any"))

    return make


def test_train_writes_exits_and_their_history(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("a")
    train.run(stage)
    assert sorted(place.name for place in stage.out.iterdir()) == FILES
    history = pd.read_csv(stage.out / "history.csv")
    assert list(history) == [
        "epoch",
        "surrogate",
        "local_cost",
        "remote_cost",
        "joint_cost",
        "best",
    ]
    assert history["epoch"].tolist() == [1, 2]
    y_L, y_R = load_exits(stage.out)(torch.rand(2, stage.params.setting.N, 3))
    assert y_L.shape == y_R.shape == (2, 3)


def test_the_same_stage_writes_the_same_bytes(make_stage: Callable[..., Stage]) -> None:
    first, again = make_stage("a"), make_stage("b")
    train.run(first)
    train.run(again)
    for name in FILES:
        assert (first.out / name).read_bytes() == (again.out / name).read_bytes()


def test_test_days_change_nothing_that_is_learned(
    make_stage: Callable[..., Stage], inputs: dict[str, Path], make_demand: MakeDemand
) -> None:
    first, changed = make_stage("a"), make_stage("b")
    train.run(first)
    demand = make_demand(slots=24 * 12, vnfs=3)
    values = np.array(demand.values)
    values[-48:] *= 3
    write_demand(dataclasses.replace(demand, values=values), inputs["download"])
    train.run(changed)
    for name in FILES:
        assert (first.out / name).read_bytes() == (changed.out / name).read_bytes()


def test_deepcog_is_the_same_preset_with_its_local_exit_untrained(
    make_stage: Callable[..., Stage],
) -> None:
    stage = make_stage("a", deepcog__preset=None)
    deepcog.run(stage)
    exits = load_exits(stage.out)
    fresh = build_exits(find_preset("paper"), exits.grid, exits.N, exits.dropout, seed=0)
    for name, value in fresh.F1.state_dict().items():
        assert torch.equal(exits.F1.state_dict()[name], value)
    assert pd.read_csv(stage.out / "history.csv")["local_cost"].isna().all()


def test_deepcog_does_not_depend_on_w(make_stage: Callable[..., Stage]) -> None:
    first, other = make_stage("a", setting__w=0.2), make_stage("b", setting__w=0.9)
    deepcog.run(first)
    deepcog.run(other)
    for name in FILES:
        assert (first.out / name).read_bytes() == (other.out / name).read_bytes()


def test_deepcog_can_be_the_published_network(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage("a", deepcog__preset="deepcog_original", train__max_epochs=1)
    deepcog.run(stage)
    assert load_exits(stage.out).remote_only


def record(epoch: int, best: bool = True) -> EpochRecord:
    return EpochRecord(epoch, 1.0, None, 2.0, 2.0, best)


def test_without_a_terminal_progress_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 10.5, 10.5, 12.0])
    monkeypatch.setattr("tasks.standard_error.time.monotonic", lambda: next(clock))
    monkeypatch.setenv("DDNN_PROGRESS_POSITION", "nonsense")
    with EpochProgress("train", max_epochs=9, patience=3) as progress:
        progress(record(1))
        progress(record(2, best=False))
        progress(record(3, best=False))
    captured = capsys.readouterr()
    assert captured.err == "train: epoch 2, remote 2.000, best at 1, patience 2\n"
    assert captured.out == ""


def test_on_a_terminal_progress_is_a_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("DDNN_PROGRESS_POSITION", "1")
    with EpochProgress("deepcog", max_epochs=9, patience=3) as progress:
        for epoch in range(4, 8):  # resumed after the third
            progress(record(epoch))
        assert progress._bar.n == 7
    assert "deepcog" in capsys.readouterr().err
