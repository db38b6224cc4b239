import hashlib
import json

import numpy as np
import pandas as pd
import pytest

NAMES = ("local", "remote", "deepcog", "last_value_headroom", "system")


@pytest.fixture(scope="session")
def evaluation(pipeline):
    return json.loads((pipeline.root / "evaluate" / "evaluation.json").read_text())


@pytest.fixture(scope="session")
def slots(pipeline):
    return pd.read_parquet(pipeline.root / "evaluate" / "slots.parquet")


def test_the_numbers_that_others_read_are_there(pipeline, evaluation):
    demand = (pipeline.root / "download" / "demand.parquet").read_bytes()
    assert evaluation["demand"]["sha256"] == hashlib.sha256(demand).hexdigest()
    costs = {"cloud", "edge", "deepcog", "last_value_headroom", "system"}
    assert evaluation["cost"].keys() == costs
    names = {"optimized", "uncertainty_b2", "uncertainty_b10", "random", "oracle"}
    assert names <= evaluation["rules"].keys()
    keys = {"L0", "u", "L", "C", "capture", "violation_rate", "mean_overprovision"}
    for name in names:
        points = evaluation["rules"][name]
        assert len(points) >= 5
        assert all(keys <= point.keys() for point in points)
    asked = [point["L0"] for point in evaluation["rules"]["oracle"]]
    assert max(np.diff(asked)) <= 0.05 + 1e-9


def test_costs_are_the_means_of_the_slots(evaluation, slots):
    for name in NAMES:
        mean = slots[f"cost_{name}"].mean()
        assert evaluation["systems"][name]["C"] == pytest.approx(mean)
    assert len(slots) == evaluation["test"]["slots"] == 72
    assert slots["benefit"].to_numpy() == pytest.approx(slots["cost_local"] - slots["cost_remote"])


def test_the_deployed_system_decides_by_its_frozen_threshold(evaluation, slots):
    point = evaluation["deployed"]
    local = slots["score_optimized_volume_l50"] <= point["u"]
    assert (local == slots["local"]).all()
    assert point["L"] == pytest.approx(local.mean())
    mixed = slots["cost_local"].where(local, slots["cost_remote"])
    assert slots["cost_system"].to_numpy() == pytest.approx(mixed)


def test_the_threshold_follows_from_the_calibration_days(pipeline, evaluation):
    frozen = json.loads((pipeline.root / "offloader" / "thresholds.json").read_text())
    assert evaluation["deployed"]["u"] == frozen["optimized_volume"]["0.5"]
    points = {point["L0"]: point for point in evaluation["rules"]["uncertainty_b2"]}
    assert points[0.5]["u"] == frozen["uncertainty_b2"]["0.5"]


def test_the_oracle_keeps_what_is_asked_and_costs_least(evaluation):
    rules = evaluation["rules"]
    for literal, corrected, coin in zip(
        rules["oracle"], rules["oracle_corrected"], rules["random"], strict=True
    ):
        assert literal["L"] >= literal["L0"] - 1e-9
        assert corrected["L"] >= literal["L"]
        assert corrected["C"] <= literal["C"] + 1e-9
        assert corrected["C"] <= coin["C"] + 1e-9
    ends = [rules["oracle"][0]["C"], rules["oracle"][-1]["C"]]
    assert ends == pytest.approx([evaluation["cost"]["cloud"], evaluation["cost"]["edge"]])


def test_a_huge_u_keeps_all_local_and_zero_none(evaluation):
    zero, half = evaluation["paper_thresholds"]["uncertainty_b10"]
    assert (zero["u"], zero["L"]) == (0.0, 0.0)
    assert half["u"] == 0.5
    assert {p["u"] for p in evaluation["paper_thresholds"]["optimized_volume"]} == {0.5}


def test_the_cheapest_is_the_cheapest(evaluation):
    costs = {name: evaluation["systems"][name]["C"] for name in NAMES}
    assert evaluation["cheapest"]["system"] == min(costs, key=lambda name: costs[name])


def test_validation_judges_the_calibration_days(pipeline, evaluation):
    assert evaluation["validation"].keys() == set(NAMES)
    assert evaluation["days"]["calibration"] == {"slots": 24, "days": 1.0}
    low, high = sorted(evaluation["validation"][name]["C"] for name in ("local", "remote"))
    assert low <= evaluation["validation"]["system"]["C"] <= high or low == pytest.approx(high)


def test_curves_hold_every_ranking(pipeline):
    curves = pd.read_parquet(pipeline.root / "evaluate" / "curves.parquet")
    names = {"oracle", "oracle_corrected", "random", "uncertainty_b2", "uncertainty_b10"}
    names |= {f"optimized_{what}_l{l0}" for what in ("volume", "local") for l0 in (30, 50)}
    assert set(curves["curve"]) == names


def test_allocations_of_examples_are_in_the_users_units(pipeline):
    table = pd.read_parquet(pipeline.root / "evaluate" / "allocation.parquet")
    assert table["vnf"].nunique() == 3
    assert len(table) == 3 * 72
    means = table.groupby("vnf", sort=False)["demand"].mean().to_list()
    assert means == sorted(means, reverse=True)


def test_the_same_inputs_give_the_same_bytes(pipeline, tmp_path):
    again = pipeline.run("evaluate", tmp_path / "again")
    for path in sorted((pipeline.root / "evaluate").iterdir()):
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize(
    ("rule", "l0", "share"), [("edge", 0.5, 1.0), ("cloud", 0.2, 0.0), ("random", 0.45, None)]
)
def test_rules_without_a_gate_can_be_deployed(pipeline, tmp_path, rule, l0, share):
    params = pipeline.changed(rule=rule, l0=l0)
    out = pipeline.run("evaluate", tmp_path / "out", params)
    found = json.loads((out / "evaluation.json").read_text())
    assert found["deployed"]["L0"] == l0
    if share is not None:
        assert found["deployed"]["L"] == share
    assert found["deployed"]["equal_share"] is None
