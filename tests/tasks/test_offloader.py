import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ddnn.arithmetic import Arithmetic
from ddnn.demand import Demand, Scaling, write_demand
from ddnn.errors import ArtefactError, ParamsError
from ddnn.grid import Grid
from ddnn.nets import build_exits, find_preset, load_exits, save_exits
from ddnn.offload.rules import load_rules
from ddnn.params import load_params
from tasks import label, offloader
from tasks.stage import Stage

SLOTS_PER_DAY, DAYS, VNFS = 24, 12, 4
TEST_DAYS = 2
PARAMS = Path(__file__).parents[2] / "params.yaml"
QUICK = {
    "setting.N": 3,
    "setting.c_u": 0.3,
    "split.test_days": TEST_DAYS,
    "split.validation_days": 6,
    "split.calibration_days": 2,
    "label.l0": [0.0, 0.5],
    "evaluate.l0": 0.5,
    "offloader.hidden": 8,
    "offloader.max_epochs": 3,
}


def make_demand() -> Demand:
    rng = np.random.default_rng(0)
    hours = np.arange(DAYS * SLOTS_PER_DAY)
    values = 2 + np.sin(2 * np.pi * hours / SLOTS_PER_DAY)[:, None] + rng.random((len(hours), VNFS))
    names = tuple(f"vnf{index}" for index in range(VNFS))
    return Demand(values, 0, 3600, names, unit="activity", timezone="UTC", name="tiny")


def write_inputs(folder: Path, demand: Demand) -> dict[str, Path]:
    inputs = {name: folder / name for name in ("download", "grid", "train", "label")}
    for place in inputs.values():
        place.mkdir(parents=True)
    write_demand(demand, inputs["download"])
    grid = Grid.in_order(VNFS)
    learn = demand.values[: (DAYS - 6 - TEST_DAYS) * SLOTS_PER_DAY]  # noqa: PD011
    (inputs["grid"] / "grid.json").write_text(json.dumps(grid.to_json()))
    (inputs["grid"] / "scaling.json").write_text(json.dumps(Scaling.fit(learn).to_json()))
    save_exits(build_exits(find_preset("paper"), grid, 3, 0.1, seed=0), inputs["train"])
    return inputs


def run(folder: Path, demand: Demand | None = None, **changes) -> Stage:
    """Run both stages; give the second, whose input ``label`` is the first's output."""
    params = load_params(PARAMS, QUICK | changes)
    inputs = write_inputs(folder, demand or make_demand())
    out = folder / "offloader"
    out.mkdir()
    arithmetic = Arithmetic(1, "float32", "contiguous", "test")
    stage = Stage(params, inputs, inputs["label"], folder, arithmetic)
    label.run(stage)
    stage = replace(stage, out=out)
    offloader.run(stage)
    return stage


def files_of(stage: Stage) -> dict[str, bytes]:
    places = [stage.inputs["label"], stage.out]
    return {
        str(file.relative_to(place)): file.read_bytes()
        for place in places
        for file in sorted(place.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Stage:
    return run(tmp_path_factory.mktemp("done"))


def test_labels_come_from_the_validation_days_without_the_calibration_days(done):
    labels = pd.read_parquet(done.inputs["label"] / "labels.parquet")
    assert labels["slot"].tolist() == list(range(4 * SLOTS_PER_DAY, 8 * SLOTS_PER_DAY))
    np.testing.assert_allclose(labels["benefit"], labels["local_cost"] - labels["remote_cost"])
    facts = json.loads((done.inputs["label"] / "labels.json").read_text())
    row = facts["critical_benefit"]["0.5"]
    assert row["corrected"] == max(row["literal"], 0)
    assert row["used"] == row["corrected"]
    assert labels["hard_0.5"].tolist() == (labels["benefit"] > row["used"]).tolist()
    assert facts["critical_benefit"]["0.0"]["literal"] == "-inf"
    assert facts["critical_benefit"]["0.0"]["hard_share_literal"] == 1.0


def test_labels_of_the_training_days_and_the_literal_benefit_on_request(tmp_path):
    stage = run(tmp_path, **{"label.days": "training", "label.critical": "literal"})
    labels = pd.read_parquet(stage.inputs["label"] / "labels.parquet")
    assert labels["slot"].tolist() == list(range(3, 4 * SLOTS_PER_DAY))
    assert labels["hard_0.0"].all()


def test_there_is_a_gate_for_each_feature_and_share(done):
    gates = {file.name for file in (done.out / "gates").iterdir()}
    assert gates == {
        f"{feature}_l{percent}.{ending}"
        for feature in ("volume", "demand", "latent", "local")
        for percent in (0, 50)
        for ending in ("safetensors", "json")
    }
    with (done.out / "gate_history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 2 * 3
    assert set(rows[0]) == {"feature", "l0", "epoch", "train_loss", "valid_loss", "best"}
    assert rows[0]["best"] == "1"


def test_every_rule_has_its_thresholds(done):
    thresholds = json.loads((done.out / "thresholds.json").read_text())
    gated = {f"optimized_{feature}" for feature in ("volume", "demand", "latent", "local")}
    assert set(thresholds) == {"random", "uncertainty_b2", "uncertainty_b10"} | gated
    assert all(row.keys() >= {"0.0", "0.5"} for row in thresholds.values())
    assert all(thresholds[name]["paper"] == 0.5 for name in gated)
    exits = load_exits(done.inputs["train"])
    rules = load_rules(done.out, exits, done.params.setting.seed, done.params.offloader)
    for name, row in thresholds.items():
        assert rules.threshold(name, 0.5) == row["0.5"]


def test_a_second_run_writes_the_same_bytes(done, tmp_path):
    assert files_of(run(tmp_path)) == files_of(done)


def test_the_test_days_change_nothing_that_is_learned(done, tmp_path):
    demand = make_demand()
    values = demand.values.copy()  # noqa: PD011
    values[-TEST_DAYS * SLOTS_PER_DAY :] *= 3
    assert files_of(run(tmp_path, replace(demand, values=values))) == files_of(done)


def test_labels_with_gaps_are_refused(done, tmp_path):
    labels = pd.read_parquet(done.inputs["label"] / "labels.parquet")
    labels.drop(index=5).to_parquet(tmp_path / "labels.parquet")
    stage = replace(done, inputs={**done.inputs, "label": tmp_path}, out=tmp_path)
    with pytest.raises(ArtefactError, match="run label again"):
        offloader.run(stage)


def test_a_network_without_dropout_is_refused_before_any_training():
    with pytest.raises(ParamsError, match=r"train\.dropout is 0.*mc_passes"):
        load_params(PARAMS, {"train.dropout": 0.0})
    load_params(PARAMS, {"train.dropout": 0.0, "offloader.mc_passes": []})
