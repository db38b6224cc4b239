"""The paper's experiment through both doors, in pieces, and in MLflow.

The tests of this module tell one story, in their order, in one checkout.
"""

import json

import pytest
from functional_checkout import make_checkout, ran

pytestmark = [pytest.mark.functional, pytest.mark.timeout(600)]

SETTINGS = {
    "fig4b": {"setting.c_u": 1, "setting.N": 4, "setting.w": 0.2},
    "fig4d": {"setting.c_u": 20, "setting.N": 5, "setting.w": 0.7},
}
RUNS = {f"{setting}-{seed}" for setting in SETTINGS for seed in (0, 1, "original")}
TINY_PAPER = {
    "paper.seeds": [0, 1],
    "paper.demand": "city49",
    "paper.demands": {
        "city49": {
            "download.source": "city",
            "download.name": "city49",
            "download.city": {"squares": 4, "days": 10, "seed": 1},
        }
    },
    "paper.common": {
        "label.l0": [0.3, 0.5],
        "offloader.features": ["volume"],
        "evaluate.rule": "optimized_volume",
        "evaluate.l0": 0.5,
    },
    "paper.settings": SETTINGS,
    "paper.gate_snapshots": {"setting": "fig4d", "l0": 0.5, "late_epoch": 3},
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, begin_home):
    made = make_checkout(tmp_path_factory.mktemp("paper"), begin_home)
    made.set(TINY_PAPER)
    return made


def claims(checkout):
    return json.loads((checkout.root / "reports/paper/claims_city49.json").read_text())


def test_a_piece_runs_its_setting_and_judges_what_it_can(checkout):
    said = checkout.run("ddnn", "paper", "--setting", "fig4b")
    assert ran(said).count("train") == 2
    by_id = {claim["id"]: claim for claim in claims(checkout)}
    assert sorted(by_id) == list(range(1, 25))
    assert by_id[1]["verdict"] == "cannot be judged"  # its setting did not run
    assert by_id[20]["verdict"] != "cannot be judged"
    assert {name for name, _, _ in checkout.nested_runs()} == {
        name for name in RUNS if name.startswith("fig4b")
    }


def test_the_rest_runs_what_is_missing_and_joins_the_pieces(checkout):
    said = checkout.run("ddnn", "paper", "--demand", "city")
    assert ran(said).count("train") == 2
    assert ran(said).count("snapshots") == 1
    assert len(claims(checkout)) == 24
    nested = checkout.nested_runs()
    assert {name for name, _, _ in nested} == RUNS
    assert len(nested) == len(RUNS)
    assert {(status, parent) for _, status, parent in nested} == {("FINISHED", "paper city49")}
    reports = checkout.root / "reports" / "paper"
    html = (reports / "report_city49.html").read_text()
    assert "data:image/png;base64," in html
    assert {path.stem for path in (reports / "figures_city49").iterdir()} >= {"fig4b", "fig5ab"}


def test_a_second_run_does_nothing(checkout):
    before = (checkout.root / "reports/paper/claims_city49.json").stat().st_mtime_ns
    said = checkout.run("ddnn", "paper")
    assert ran(said) == []
    assert "(unchanged)" in said
    assert (checkout.root / "reports/paper/claims_city49.json").stat().st_mtime_ns == before
    assert len(checkout.nested_runs()) == len(RUNS)


def test_dvc_finds_what_the_flow_did(checkout):
    checkout.run("ddnn", "dvc-yaml")
    said = checkout.run("dvc", "repro", "experiments/paper/dvc.yaml")
    assert ran(said) == []
    mine = checkout.root / "experiments" / "paper"
    assert {path.name for path in (mine / "runs").iterdir()} == RUNS
    assert json.loads((mine / "results" / "claims_city49.json").read_text()) == claims(checkout)
    assert "up to date" in checkout.run("dvc", "repro", "experiments/paper/dvc.yaml")


def test_an_unknown_name_is_one_line_with_the_known_ones(checkout):
    said = checkout.run("ddnn", "paper", "--setting", "fig9", code=1)
    assert said.strip() == "ddnn: setting fig9: not one of paper.settings (fig4b, fig4d)"
