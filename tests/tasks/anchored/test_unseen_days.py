"""What is learned from outcomes before the test asks days left out; scores are the exits' own."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ddnn.cost import sla_cost
from ddnn.errors import ArtefactError, ModelError
from ddnn.nets.anchored import (
    HeldOut,
    load_anchored,
    load_held_out,
    predict,
    save_anchored,
    save_held_out,
)
from ddnn.offload.anchored import read_known_rules
from ddnn.offload.calibration import order_statistic
from ddnn.offload.known_gates import gate_to_json
from tasks.anchored import label, offloader
from tasks.anchored.past import contexts
from tasks.anchored.system import AnchoredSystem
from tasks.champion import validation_cost
from tasks.prepared import prepare
from tasks.stage import Stage
from tasks.worth import decisions


def with_other_exits(stage: Stage, root: Path) -> Stage:
    """Give the stage with exits that say something else, as if they knew all days by heart."""
    train = shutil.copytree(stage.inputs["train"], root / "train")
    exits = load_anchored(train)
    with torch.no_grad():
        for weight in exits.parameters():
            weight.mul_(1.5)
    save_anchored(exits, train)
    return replace(stage, inputs={**stage.inputs, "train": train})


def with_other_held_out(stage: Stage, root: Path) -> Stage:
    """Give the stage with other predictions for days left out; the exits stay as they are."""
    train = shutil.copytree(stage.inputs["train"], root / "train")
    found, rng = load_held_out(train), np.random.default_rng(0)
    local = replace(found.local, spread=found.local.spread * rng.uniform(1, 3, (1, 5)))
    save_held_out(HeldOut(found.first, local, found.remote), train)
    return replace(stage, inputs={**stage.inputs, "train": train})


def out(stage: Stage, folder: Path) -> Stage:
    folder.mkdir(parents=True)
    return replace(stage, out=folder)


def test_students_and_labels_ask_the_days_left_out(anchored_stage: Stage, tmp_path: Path) -> None:
    stages = {
        "as it is": anchored_stage,
        "other exits": with_other_exits(anchored_stage, tmp_path / "exits"),
        "other held out": with_other_held_out(anchored_stage, tmp_path / "held_out"),
    }
    labels, gates = {}, {}
    for name, stage in stages.items():
        label.run(out(stage, tmp_path / name / "label"))
        labels[name] = (tmp_path / name / "label" / "labels.parquet").read_bytes()
        offloader.run(out(stage, tmp_path / name / "rules"))
        rules = read_known_rules(tmp_path / name / "rules")
        gates[name] = json.dumps({rule: kept.gate for rule, kept in rules.items()})
    for made in (labels, gates):
        assert made["other exits"] == made["as it is"]
        assert made["other held out"] != made["as it is"]


def test_scores_and_thresholds_are_those_of_the_exits_that_serve_on_all_days_before_the_test(
    anchored_stage: Stage, tmp_path: Path
) -> None:
    offloader.run(out(anchored_stage, tmp_path / "rules"))
    prepared = prepare(anchored_stage)
    system = AnchoredSystem.load(anchored_stage.inputs["train"], prepared)
    local, _ = system.allocator.rules(prepared.cost)
    days = range(prepared.split.train.start, prepared.split.test.start)
    said, _ = predict(system.exits, contexts(prepared, days, system.exits.reaches))
    expected = local.expected_cost(local.allocate(said), said).sum(axis=-1)
    kept = read_known_rules(tmp_path / "rules")["expected_cost"]
    np.testing.assert_allclose(kept.scores, expected)
    table = json.loads((tmp_path / "rules" / "rules.json").read_text())["expected_cost"]
    for l0, threshold in table["thresholds"].items():
        assert float(threshold) == order_statistic(kept.scores, float(l0))


def test_on_test_days_the_exits_themselves_speak(anchored_stage: Stage, tmp_path: Path) -> None:
    prepared = prepare(anchored_stage)
    system, other = (
        AnchoredSystem.load(stage.inputs["train"], prepared)
        for stage in (anchored_stage, with_other_held_out(anchored_stage, tmp_path))
    )
    split = prepared.split
    one, two = (each.days(split.test) for each in (system, other))
    assert np.array_equal(one.local.spread, two.local.spread)
    one, two = (each.days(split.calibration) for each in (system, other))
    assert not np.array_equal(one.local.spread, two.local.spread)
    seen = contexts(prepared, split.test, system.exits.reaches)
    days = system.days(split.test)
    np.testing.assert_array_equal(days.recent, seen.edge.recent)
    np.testing.assert_array_equal(days.recent, prepared.windows(split.test)[0])
    with pytest.raises(ModelError, match="part them"):
        system.days(range(split.test.start - 1, split.test.start + 1))


def test_the_worth_of_gates_learns_on_days_left_out_and_ranks_as_it_serves(
    anchored_stage: Stage, tmp_path: Path
) -> None:
    prepared, cost = prepare(anchored_stage), sla_cost(1.0)
    split, scores, learned = prepared.split, [], []
    for stage in (anchored_stage, with_other_exits(anchored_stage, tmp_path)):
        system = AnchoredSystem.load(stage.inputs["train"], prepared)
        days = {name: system.days(getattr(split, name)) for name in ("train", "validation", "test")}
        days["before"] = system.before_the_test()
        gates = decisions._Gates(system, days, len(split.validation_fit))
        scores.append(gates.scores(cost))
        assert gates.expected is not None
        learned.append(gate_to_json(gates.expected))
    assert learned[0] == learned[1]
    before, test = ([each["regressed_benefit"][place] for each in scores] for place in (0, 1))
    assert np.array_equal(*before)
    assert not np.array_equal(*test)
    served, newest = scores[0]["expected_benefit"]
    assert (len(served), len(newest)) == (split.test.start - split.train.start, len(split.test))
    assert not np.array_equal(served, scores[1]["expected_benefit"][0])


def test_a_champion_is_judged_as_on_days_that_it_has_not_seen(
    anchored_stage: Stage, anchored_bundle: Path, tmp_path: Path
) -> None:
    stage = with_other_held_out(anchored_stage, tmp_path)
    other = shutil.copytree(anchored_bundle, tmp_path / "other")
    shutil.copyfile(stage.inputs["train"] / "held_out.npz", other / "held_out.npz")
    demand, params = anchored_stage.inputs["download"], anchored_stage.params
    with pytest.raises(ArtefactError, match="altered"):
        validation_cost(other, demand, params)
    from ddnn.runtime.manifest import read_facts, write_manifest

    facts = read_facts(other)
    (other / "bundle.json").unlink()
    write_manifest(other, facts)
    costs = [validation_cost(bundle, demand, params) for bundle in (anchored_bundle, other)]
    assert costs[0] != costs[1]


def test_predictions_of_other_days_are_refused(anchored_stage: Stage, tmp_path: Path) -> None:
    train = shutil.copytree(anchored_stage.inputs["train"], tmp_path / "train")
    found = load_held_out(train)
    save_held_out(HeldOut(found.first + 1, found.local, found.remote), train)
    with pytest.raises(ArtefactError, match="lie before the test; train again"):
        AnchoredSystem.load(train, prepare(anchored_stage))
