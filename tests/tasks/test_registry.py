"""A preset chooses its family of stages, and a key holds what that family reads and runs."""

from pathlib import Path

import pytest

from ddnn.errors import ParamsError
from ddnn.params import change_params, load_params
from tasks import fingerprint
from tasks.registry import BY_NAME, FAMILIES, spec_of, stage_params, variants

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT / "params.yaml")
ANCHORED = {"train.preset": "anchored", "evaluate.rule": "expected_benefit"}


def test_every_stage_of_a_family_is_a_module_with_settings_that_exist() -> None:
    params = change_params(PARAMS, ANCHORED, "test")
    for stages in FAMILIES.values():
        for name, spec in stages.items():
            assert spec.name == name
            assert set(spec.inputs) <= set(BY_NAME[name].inputs)  # what orchestrators bring
            assert fingerprint.code_files(spec.module, ROOT)
            assert set(stage_params(spec, params)) == set(spec.params)


def test_the_paper_presets_know_nothing_of_another_family() -> None:
    for name in ("train", "deepcog", "label", "offloader", "evaluate"):
        assert spec_of(name, PARAMS) is BY_NAME[name]
        code = {path.as_posix() for path in fingerprint.code_files(BY_NAME[name].module, ROOT)}
        assert not [path for path in code if "anchored" in path]


def test_dvc_sees_every_family() -> None:
    assert [spec.module for spec in variants("train")] == ["tasks.train", "tasks.anchored.train"]
    assert [spec.module for spec in variants("grid")] == ["tasks.grid"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"train.preset": "anchored"}, "must be one of cloud, edge, random, expected_benefit"),
        ({"evaluate.rule": "expected_cost"}, "must be one of cloud, edge, random, uncertainty_b2"),
    ],
)
def test_a_rule_of_another_family_is_refused(changed: dict[str, object], said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        change_params(PARAMS, changed, "test")
