import csv
import json
import re

import pytest

from tasks.report import _deepcog, _rule_macs


@pytest.fixture(scope="session")
def report(pipeline):
    return pipeline.run("report", pipeline.root / "report")


@pytest.fixture(scope="session")
def html(report):
    return (report / "report.html").read_text(encoding="utf-8")


def test_the_report_is_one_file_that_needs_no_network(html):
    assert not re.findall(r"(?:src|href)=\"(?!data:)", html)
    assert "http" not in html
    assert "<script" not in html
    assert html.count("data:image/png;base64,") == 9


def test_the_report_says_what_the_numbers_say(pipeline, html):
    evaluation = json.loads((pipeline.root / "evaluate" / "evaluation.json").read_text())
    for row in evaluation["systems"].values():
        assert f"{row['C']:.3f}" in html
    assert evaluation["demand"]["sha256"] in html
    lost = "loses" in evaluation["against_last_value"].values()
    assert ('class="verdict lost"' in html) == lost


@pytest.mark.parametrize(
    ("preset", "said"),
    [
        (None, "the DDNN's own layers trained"),
        ("paper", "the DDNN's own layers trained"),
        ("table3", "the layers of the preset table3, not the DDNN's own"),
        ("deepcog_original", "the public DeepCog network"),
    ],
)
def test_deepcog_is_called_by_its_preset(pipeline, preset, said):
    assert pipeline.params.train.preset == "paper"
    group = pipeline.params.deepcog.model_copy(update={"preset": preset})
    assert _deepcog(pipeline.params.model_copy(update={"deepcog": group})).startswith(said)


def test_an_f1_read_for_nothing_counts_as_the_rules_work(pipeline):
    evaluation = json.loads((pipeline.root / "evaluate" / "evaluation.json").read_text())
    works, f1 = evaluation["latency"]["rules"], evaluation["size"]["F1"]["macs"]
    assert {name for name in works if works[name]["reads_local"]} == {"optimized_local"}
    own = {name: work["macs"] for name, work in works.items()}
    assert _rule_macs(evaluation, "optimized_local", 0.5) == round(own["optimized_local"] + f1 / 2)
    assert _rule_macs(evaluation, "uncertainty_b2", 0.5) == own["uncertainty_b2"]


def test_the_demand_and_its_repairs_are_told(html):
    assert "7 cells by interpolate (1 missing slots, 2 empty cells, longest gap 2)" in html
    assert "a &lt;warning&gt; &amp; more" in html


def test_the_report_names_no_place_of_this_machine(pipeline, report, html):
    assert str(pipeline.root) not in html
    summary = (report / "summary.json").read_text()
    assert str(pipeline.root) not in summary


def test_every_figure_is_also_a_file(report):
    names = {path.stem for path in (report / "figures").iterdir()}
    assert names == {
        "allocation",
        "benefit",
        "captures",
        "cost_bars",
        "grid",
        "performance_curves",
        "probability",
        "reached_share",
        "training",
    }


def test_plots_are_tables_for_dvc(report):
    columns = {}
    for path in (report / "plots").iterdir():
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        columns[path.name] = set(rows[0])
        assert rows
    assert {"rule", "local_share", "cost"} <= columns["curves.csv"]
    assert {"epoch", "local_cost", "remote_cost", "deepcog_cost"} <= columns["history.csv"]
    assert {"time", "vnf", "demand", "local", "remote"} <= columns["allocation.csv"]


def test_the_summary_is_flat(report):
    summary = json.loads((report / "summary.json").read_text())
    costs = {"local", "remote", "deepcog", "last_value_headroom", "system"}
    assert summary["cost"].keys() == costs
    assert not any(
        isinstance(value, dict)
        for group in summary.values()
        if isinstance(group, dict)
        for value in group.values()
    )


def test_the_same_inputs_give_the_same_bytes(pipeline, report, tmp_path):
    again = pipeline.run("report", tmp_path / "again")
    files = sorted(path for path in report.rglob("*") if path.is_file())
    assert len(files) == 14
    for path in files:
        other = again / path.relative_to(report)
        assert other.read_bytes() == path.read_bytes(), path.name


def test_a_deployed_edge_is_reported_without_a_gate(pipeline, tmp_path):
    params = pipeline.changed(rule="edge")
    stages = ("download", "grid", "train", "deepcog", "alternatives", "label", "offloader")
    other = pipeline.linked(tmp_path / "edge", *stages)
    other.run("evaluate", params=params)
    html = (other.run("report", params=params) / "report.html").read_text(encoding="utf-8")
    assert "the same decisions as the" in html or "deployed system (Edge)" in html
    assert html.count("data:image/png;base64,") == 8
