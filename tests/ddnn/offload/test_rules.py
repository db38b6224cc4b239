from math import inf

import numpy as np
import pytest
import torch

from ddnn.errors import ArtefactError, ModelError
from ddnn.offload import decide
from ddnn.offload.optimized import Gate, GatePlan, OptimizedRule
from ddnn.offload.rules import RuleSet, gate_file, load_rules
from ddnn.params import OffloaderParams

PARAMS = OffloaderParams(
    features=["local", "volume"],
    hidden=4,
    dropout=0.0,
    learning_rate=0.01,
    batch=32,
    max_epochs=1,
    patience=1,
    mc_passes=[2, 10],
    variance_ddof=1,
)
L0S = (0.0, 0.3, 0.5)


@pytest.fixture(scope="module")
def rules(exits, samples):
    torch.manual_seed(0)  # else a gate may begin with all its units dead, and its scores tie
    shapes = {"local": (exits.vnfs,), "volume": (exits.N, exits.vnfs)}
    gates = {
        f"optimized_{feature}": {
            l0: OptimizedRule(
                Gate(GatePlan(feature, shape, 4, 0.0, exits.grid if feature == "volume" else None))
            )
            for l0 in L0S
        }
        for feature, shape in shapes.items()
    }
    return RuleSet.calibrate(exits, gates, samples, seed=0, params=PARAMS)


@pytest.fixture(scope="module")
def folder(rules, tmp_path_factory):
    place = tmp_path_factory.mktemp("offloader")
    rules.save(place, L0S)
    return place


NAMES = (
    "cloud",
    "edge",
    "random",
    "uncertainty_b2",
    "uncertainty_b10",
    "optimized_local",
    "optimized_volume",
)


def test_all_rules_are_offered_under_their_names(rules):
    assert rules.names == NAMES
    for name in NAMES:
        assert rules.rule(name, 0.5).name == name


@pytest.mark.parametrize("name", NAMES[3:])
@pytest.mark.parametrize("l0", L0S)
def test_a_threshold_leaves_its_share_local_on_the_calibration_days(rules, samples, name, l0):
    threshold = rules.threshold(name, l0)
    local = decide(rules.rule(name, l0).score(samples), threshold)
    assert local.mean() >= l0
    assert local.sum() <= l0 * len(samples) + 1  # no ties here


def test_cloud_and_edge_stay_what_they_are(rules):
    assert rules.threshold("cloud", 0.9) == -inf
    assert rules.threshold("edge", 0.1) == inf


@pytest.mark.parametrize("name", NAMES[:5])
def test_rules_without_gates_serve_any_share(rules, name):
    assert rules.trained_l0(name) is None
    assert rules.threshold(name, 0.4) <= rules.threshold(name, 0.41)
    assert rules.paper_threshold(name) is None


def test_a_gate_serves_only_its_own_share(rules):
    assert rules.trained_l0("optimized_local") == L0S
    assert rules.paper_threshold("optimized_local") == 0.5
    for ask in (rules.rule, rules.threshold):
        with pytest.raises(ModelError, match=r"L0 = 0\.4; trained are 0\.0, 0\.3, 0\.5"):
            ask("optimized_local", 0.4)


def test_a_rule_that_is_not_there_is_refused(rules):
    with pytest.raises(ModelError, match=r"no rule optimized_demand; this model has cloud, edge"):
        rules.rule("optimized_demand", 0.5)


def test_rules_come_back_from_the_disk(rules, folder, exits, samples):
    read = load_rules(folder, exits, seed=0, params=PARAMS)
    assert set(read.names) == set(NAMES)
    for name in NAMES:
        for l0 in (0.0, 0.3, 0.5):
            assert read.threshold(name, l0) == rules.threshold(name, l0)
            scores = read.rule(name, l0).score(samples)
            np.testing.assert_array_equal(scores, rules.rule(name, l0).score(samples))
    assert read.threshold("uncertainty_b2", 0.41) == rules.threshold("uncertainty_b2", 0.41)


def test_thresholds_are_written_for_people_too(folder):
    text = (folder / "thresholds.json").read_text()
    assert '"optimized_local"' in text
    assert '"paper": 0.5' in text
    assert '"0.0": "-inf"' in text


def test_gates_bear_their_share_in_percent():
    assert gate_file("optimized_volume", 0.3) == "volume_l30"
    assert gate_file("optimized_volume", 0.55) == "volume_l55"
    assert gate_file("optimized_local", 0.333) == "local_l33.3"
    assert gate_file("optimized_local", 1.0) == "local_l100"
    assert gate_file("optimized_local", 0.0) == "local_l0"


def test_other_settings_than_those_of_calibration_are_refused(folder, exits):
    for change in ({"variance_ddof": 0}, {"mc_passes": [2, 5]}):
        with pytest.raises(ArtefactError, match="run offloader again"):
            load_rules(folder, exits, seed=0, params=PARAMS.model_copy(update=change))


@pytest.mark.parametrize("file", ["thresholds.json", "calibration_scores.safetensors"])
def test_damaged_files_are_refused(rules, exits, tmp_path, file):
    rules.save(tmp_path, L0S)
    (tmp_path / file).write_bytes(b"{")
    with pytest.raises(ArtefactError, match=file):
        load_rules(tmp_path, exits, seed=0, params=PARAMS)


def test_a_network_without_dropout_goes_without_the_uncertainty_rule(
    exits_with, samples_of, tmp_path
):
    exits = exits_with(dropout=0.0)
    with pytest.raises(ModelError, match="dropout"):
        RuleSet.calibrate(exits, {}, samples_of(exits), seed=0, params=PARAMS)
    params = PARAMS.model_copy(update={"mc_passes": []})
    RuleSet.calibrate(exits, {}, samples_of(exits), seed=0, params=params).save(tmp_path, L0S)
    assert load_rules(tmp_path, exits, 0, params).names == ("cloud", "edge", "random")
