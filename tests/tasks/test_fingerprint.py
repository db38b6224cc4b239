"""Which edits make which stages run again."""

import shutil
from pathlib import Path

import pytest

from ddnn.params import load_params
from tasks import fingerprint
from tasks.dvcfile import files
from tasks.registry import STAGES, stage_params

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path):
    for room in ("ddnn", "tasks"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def reruns(root, path):
    """Names of the stages whose digest changes when a comment is added to a file."""
    before = {spec.name: fingerprint.code_digest(spec.module, root) for spec in STAGES}
    with (root / path).open("a") as handle:
        handle.write("\n# a changed line\n")
    fingerprint._imports.cache_clear()
    after = {spec.name: fingerprint.code_digest(spec.module, root) for spec in STAGES}
    return {name for name in before if before[name] != after[name]}


def test_an_edit_of_the_training_trains_again(copy):
    assert reruns(copy, "ddnn/training/joint_exit.py") == {"train", "deepcog"}


def test_an_edit_of_the_figures_trains_nothing(copy):
    assert reruns(copy, "ddnn/figures/tradeoff.py") == {"report"}


def test_an_edit_of_the_cost_reaches_all_that_learn(copy):
    changed = reruns(copy, "ddnn/cost/hard.py")
    assert {"train", "deepcog", "alternatives", "label", "offloader", "evaluate"} <= changed
    assert "download" not in changed


def test_an_edit_of_the_city_makes_only_demand_again(copy):
    assert reruns(copy, "ddnn/demand/city/model.py") == {"download"}


def test_an_edit_of_the_gates_trains_no_exits(copy):
    changed = reruns(copy, "ddnn/offload/optimized.py")
    assert "offloader" in changed
    assert not {"train", "deepcog", "grid", "alternatives"} & changed


def test_dvc_yaml_is_what_the_registry_and_the_imports_say():
    for path, text in files(ROOT, load_params(ROOT / "params.yaml")).items():
        assert (ROOT / path).read_text() == text, "run `make dvc.yaml`"


def test_no_import_escapes_the_reading_of_import_statements():
    # What is imported by name at run time would leave a stale result behind an edit.
    listed = {path for spec in STAGES for path in fingerprint.code_files(spec.module, ROOT)}
    assert len(listed) > 30
    for path in listed:
        if path.suffix == ".py":
            code = (ROOT / path).read_text()
            for escape in ("importlib.import_module", "__import__(", "import *"):
                assert escape not in code, f"{path} uses {escape}"


def test_a_name_is_followed_through_a_package_to_its_module():
    files = fingerprint.code_files("tasks.download", ROOT)
    assert Path("ddnn/demand/sources.py") in files  # from ddnn.demand import load_demand
    assert Path("tasks/download.py") in files
    assert not any(path.is_relative_to("ddnn/params") for path in files)  # the key has the values


def test_a_template_belongs_to_its_stage():
    listed = fingerprint.code_files("tasks.report", ROOT)
    assert Path("tasks/report.html.j2") in listed
    assert Path("tasks/report.css.j2") in listed  # which that one includes
    assert Path("tasks/paper_report.html.j2") not in listed


def test_stage_settings_are_those_named():
    tiny_params = load_params(ROOT / "params.yaml")
    for spec in STAGES:
        assert set(stage_params(spec, tiny_params)) == set(spec.params)
