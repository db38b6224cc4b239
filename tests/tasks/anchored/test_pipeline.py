"""The preset `anchored` goes through all stages, each as its family runs it."""

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ddnn.arithmetic import Arithmetic
from ddnn.context import Clock
from ddnn.demand import read_demand
from ddnn.nets import load_exits
from ddnn.nets.anchored import load_allocator, load_anchored
from ddnn.params import Params, change_params
from ddnn.runtime.anchored_bundle import load_anchored_bundle
from ddnn.runtime.manifest import MANIFEST
from tasks.anchored.past import contexts
from tasks.champion import validation_cost
from tasks.prepared import prepare
from tasks.registry import spec_of
from tasks.run_record import epoch_costs
from tasks.stage import Stage

ANCHORED = {
    "train.preset": "anchored",
    "anchored.cross_fitting": {
        "folds": 2,
        "fold_epochs": 3,
        "epochs": 4,
        "teaching": 1.0,
        "advice": 0.5,
    },
    "evaluate.rule": "expected_benefit",
}
STAGES = ("train", "deepcog", "label", "offloader", "evaluate", "export", "report")


@dataclass(frozen=True)
class Run:
    root: Path
    params: Params

    def stage(self, name: str, out: Path, params: Params | None = None) -> Stage:
        chosen = params or self.params
        inputs = {before: self.root / before for before in spec_of(name, chosen).inputs}
        for folder in (out, out.with_suffix(".scratch")):
            folder.mkdir(parents=True)
        how = Arithmetic(1, "float32", "contiguous", "any")
        return Stage(chosen, inputs, out, out.with_suffix(".scratch"), how)

    def run(self, name: str, out: Path | None = None, params: Params | None = None) -> Path:
        stage = self.stage(name, out or self.root / name, params)
        import_module(spec_of(name, stage.params).module).run(stage)
        return stage.out


@pytest.fixture(scope="module")
def anchored(pipeline, tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("anchored-run")
    for name in ("download", "grid", "alternatives"):
        (root / name).symlink_to(pipeline.root / name)
    run = Run(root, change_params(pipeline.params, ANCHORED, "test"))
    for name in STAGES:
        run.run(name)
    return run


def test_the_paper_presets_run_as_before(pipeline) -> None:
    for name in STAGES:
        assert spec_of(name, pipeline.params).module == f"tasks.{name}"


def test_the_exits_are_trained_and_calibrated(anchored: Run) -> None:
    exits, history = (
        load_anchored(anchored.root / "train"),
        pd.read_csv(anchored.root / "train" / "history.csv"),
    )
    demand = read_demand(anchored.root / "download")
    assert exits.clock == Clock(demand.start, 3600, "Europe/Rome")
    trainings = dict(list(history.groupby("training", sort=False)))
    assert {name: rows["epoch"].tolist() for name, rows in trainings.items()} == {
        "fold_0": [1, 2, 3],
        "fold_1": [1, 2, 3],
        "all": [1, 2, 3, 4],
    }
    for rows in trainings.values():
        assert rows["train_nll"].iloc[-1] < rows["train_nll"].iloc[0]
    assert trainings["all"]["joint_nll"].isna().all()
    assert trainings["fold_1"]["joint_nll"].iloc[-1] < trainings["fold_1"]["joint_nll"].iloc[0]
    assert load_allocator(anchored.root / "train").local.spread_cap.shape == (5,)
    points = epoch_costs({"train": anchored.root / "train"})
    assert {point.name for point in points} == {"local_nll", "remote_nll"}
    means = history.groupby("epoch")["local_nll"].mean().dropna()
    assert {p.step: p.value for p in points if p.name == "local_nll"} == pytest.approx(
        means.to_dict()
    )
    assert load_exits(anchored.root / "deepcog").preset.name == "paper"


def test_the_cost_is_no_part_of_the_training(anchored: Run, tmp_path: Path) -> None:
    dear = change_params(anchored.params, {"setting.c_u": 20.0}, "test")
    assert not any("c_u" in name or name == "setting" for name in spec_of("train", dear).params)
    again = anchored.run("train", tmp_path / "train", dear)
    assert len(list(again.iterdir())) == 5
    for name in (path.name for path in again.iterdir()):
        assert (again / name).read_bytes() == (anchored.root / "train" / name).read_bytes()


def test_the_evaluation_has_the_numbers_of_the_others(anchored: Run, pipeline) -> None:
    found, others = (
        json.loads((root / "evaluate" / "evaluation.json").read_text())
        for root in (anchored.root, pipeline.root)
    )
    assert found.keys() == others.keys()
    assert found["systems"].keys() == others["systems"].keys()
    assert set(found["rules"]) == {
        *("random", "oracle", "oracle_corrected"),
        *("expected_benefit", "expected_cost"),
    }
    assert found["deployed"]["rule"] == "expected_benefit"
    exits = load_anchored(anchored.root / "train")
    cells = exits.grid.rows * exits.grid.columns
    assert found["size"]["bytes"]["latent"] == 4 * 48 * cells
    parameters = sum(weight.numel() for weight in exits.parameters())
    blocks = sum(found["size"][name]["parameters"] for name in ("F0", "F1", "F2"))
    assert blocks == parameters


def test_what_was_judged_is_what_is_served(anchored: Run) -> None:
    """The bundle allocates on the test days what evaluation priced."""
    bundle = load_anchored_bundle(anchored.root / "export")
    demand = read_demand(anchored.root / "download")
    evaluation = json.loads((anchored.root / "evaluate" / "evaluation.json").read_text())
    slots = pd.read_parquet(anchored.root / "evaluate" / "slots.parquet")
    scaled = bundle.scaling.scale(demand.values)

    keys = np.arange(4, demand.slots + 1)
    local, y = bundle.decide(scaled, demand.start, keys, bundle.decider())

    rows = slots["slot"].to_numpy() - 4
    np.testing.assert_array_equal(local[rows], slots["local"])
    served = np.maximum(y[rows], bundle.scaling.scale(np.zeros(5)))
    cost = bundle.cost(served, scaled[slots["slot"]])
    assert cost.mean() == pytest.approx(evaluation["cost"]["system"], rel=1e-3)
    manifest = json.loads((anchored.root / "export" / MANIFEST).read_text())
    assert 0 <= manifest["facts"]["parts_difference"] < 1e-5
    assert manifest["facts"]["family"] == "anchored"


def test_a_champion_may_be_of_either_family(anchored: Run) -> None:
    stage = anchored.root
    cost = validation_cost(stage / "export", stage / "download", anchored.params)
    evaluation = json.loads((stage / "evaluate" / "evaluation.json").read_text())
    # As on days that no training has seen, in both places.
    assert cost == pytest.approx(evaluation["validation"]["system"]["C"], rel=1e-3)


def test_equal_systems_are_exported_to_equal_bytes(anchored: Run, tmp_path: Path) -> None:
    again = anchored.run("export", tmp_path / "export")
    assert (again / MANIFEST).read_text() == (anchored.root / "export" / MANIFEST).read_text()


def test_the_report_says_how_it_was_trained(anchored: Run) -> None:
    text = (anchored.root / "report" / "report.html").read_text()
    assert "predict a distribution" in text
    assert "stand-in" not in text
    assert "Expected benefit" in text
    history = pd.read_csv(anchored.root / "report" / "plots" / "history.csv")
    assert {"local_nll", "local_cost", "deepcog_cost"} <= set(history)
    assert history["epoch"].is_unique


def test_no_stage_reads_the_demand_of_its_own_slot(anchored: Run, tmp_path: Path) -> None:
    stage = anchored.stage("label", tmp_path / "label")
    prepared = prepare(stage)
    reaches = load_anchored(anchored.root / "train").reaches
    targets = prepared.split.validation_fit
    before = contexts(prepared, targets, reaches)
    prepared.values_scaled[targets.stop - 1 :] += 1
    after = contexts(prepared, targets, reaches)
    for one, other in zip(before.cloud.arrays, after.cloud.arrays, strict=True):
        np.testing.assert_array_equal(one, other)
