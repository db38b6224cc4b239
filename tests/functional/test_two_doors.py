"""Prefect's door and DVC's: whichever ran first, the other finds the work done, byte for byte.

The tests of this module tell one story, in their order, in one checkout.
"""

import json
import re
import shutil

import pytest

from tasks.registry import STAGES

pytestmark = [
    pytest.mark.functional,
    pytest.mark.timeout(600),
]

ALL = [spec.name for spec in STAGES]
LEARNING = {"train", "deepcog", "alternatives", "label", "offloader"}


def worked(said):
    """Names of the stages that really ran."""
    return {name for name in ALL if re.search(rf"^{name}: done in", said, re.MULTILINE)}


def found(said):
    return {name for name in ALL if re.search(rf"^{name}: found finished", said, re.MULTILINE)}


def test_the_flow_runs_everything_and_says_where_to_look(checkout):
    said = checkout.run("ddnn", "run")
    assert worked(said) == set(ALL)
    assert "last_value_headroom" in said
    assert "cheapest" in said.lower()
    report = re.search(r"^Report +(\S+)$", said, re.MULTILINE).group(1)
    assert (checkout.root / report).read_text().lstrip().lower().startswith("<!doctype html")


def test_a_second_flow_runs_nothing(checkout):
    said = checkout.run("ddnn", "run")
    assert found(said) == set(ALL)
    plan = checkout.run("ddnn", "run", "--dry-run")
    assert "Nothing to run" in plan


def test_dvc_finds_what_the_flow_did_with_the_same_bytes(checkout):
    said = checkout.run("dvc", "repro")
    assert found(said) == set(ALL)
    for manifest in (checkout.root / ".ddnn" / "store").glob("??/*/manifest.json"):
        content = json.loads(manifest.read_text())
        assert checkout.hashes(content["stage"]) == content["files"]


def test_dvc_again_runs_nothing(checkout):
    said = checkout.run("dvc", "repro")
    assert "Running stage" not in said
    assert "up to date" in said
    checkout.run("git", "add", "-A")
    checkout.run("git", "commit", "-q", "-m", "first results")


def test_another_cost_trains_again_and_the_old_one_does_not(checkout):
    weights = checkout.hashes("train")
    checkout.set({"setting.c_u": 10.0})
    plan = checkout.run("ddnn", "run", "--dry-run")
    assert re.search(r"train +would run \(about \d+ s", plan)
    assert re.search(r"grid +finished", plan)
    said = checkout.run("dvc", "repro")
    assert worked(said) >= LEARNING | {"evaluate", "report"}
    assert not {"download", "grid"} & worked(said)
    assert checkout.hashes("train") != weights

    difference = checkout.run("dvc", "metrics", "diff")
    assert "cost.local" in difference
    assert re.search(r"setting\.c_u +1\.0 +10\.0", checkout.run("dvc", "params", "diff"))

    checkout.set({"setting.c_u": 1.0})
    said = checkout.run("dvc", "repro")
    assert worked(said) == set()
    assert checkout.hashes("train") == weights


def test_the_flow_finds_what_dvc_did(checkout):
    said = checkout.run("ddnn", "run", "--set", "setting.c_u=10.0")
    assert found(said) == set(ALL)


def test_a_setting_of_the_gate_reaches_only_the_gate(checkout):
    checkout.set({"offloader.hidden": 8})
    said = checkout.run("dvc", "repro")
    assert worked(said) == {"offloader", "evaluate", "export", "report"}
    checkout.set({"offloader.hidden": 64})
    assert worked(checkout.run("dvc", "repro")) == set()


def test_plots_and_experiments_work(checkout):
    checkout.run("dvc", "plots", "show", "--out", "plots_page")
    assert (checkout.root / "plots_page" / "index.html").exists()
    shutil.rmtree(checkout.root / "plots_page")
    said = checkout.run("dvc", "exp", "run", "-S", "setting.w=0.5")
    assert "train" in worked(said)
    assert "deepcog" not in worked(said)  # it does not read w
    checkout.run("git", "checkout", "-q", "--", ".")
    assert worked(checkout.run("dvc", "repro")) == set()


def test_an_edit_of_the_training_reaches_both_doors_and_one_of_the_figures_does_not(checkout):
    with (checkout.root / "ddnn" / "figures" / "tradeoff.py").open("a") as code:
        code.write("\n# an edit\n")
    said = checkout.run("dvc", "repro")
    assert worked(said) == {"report"}
    with (checkout.root / "ddnn" / "training" / "joint_exit.py").open("a") as code:
        code.write("\n# an edit\n")
    plan = checkout.run("ddnn", "run", "--dry-run")
    assert re.search(r"train +would run", plan)
    assert re.search(r"deepcog +would run", plan)
    assert re.search(r"grid +finished", plan)
    said = checkout.run("dvc", "repro")
    assert {"train", "deepcog"} <= worked(said)
    # The same weights came out, so nothing after them had to run.
    assert not {"label", "offloader", "evaluate"} & worked(said)
    checkout.run("git", "checkout", "-q", "--", ".")


def test_push_empty_pull_and_an_older_demand(checkout):
    checkout.run("dvc", "repro")
    checkout.run("git", "add", "-A")
    checkout.run("git", "commit", "-q", "--allow-empty", "-m", "ten days")
    older = checkout.hashes("download")
    checkout.run("dvc", "push", "-q")
    checkout.set({"download.city.days": 11})
    checkout.run("dvc", "repro", "download")
    assert checkout.hashes("download") != older
    checkout.run("git", "checkout", "-q", "--", ".")
    for place in (".dvc/cache", "artefacts", ".ddnn/store"):
        shutil.rmtree(checkout.root / place)
    checkout.run("dvc", "pull", "-q")
    assert checkout.hashes("download") == older
    said = checkout.run("dvc", "repro")
    assert "Running stage" not in said


@pytest.mark.parametrize("stage", ["download", "train"])
def test_a_flipped_byte_is_found_before_it_is_used(checkout, stage):
    folder = checkout.root / "artefacts" / stage
    path = max(folder.iterdir(), key=lambda file: file.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    said = checkout.run("ddnn", "stage", "label", code=1)
    assert path.name in said
    assert "altered" in said
    assert "Traceback" not in said
    checkout.run("dvc", "repro")  # puts it right
    checkout.run("ddnn", "stage", "label")
