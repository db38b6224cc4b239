"""The paper's experiment: its runs, and what is read of their outputs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ddnn.errors import ArtefactError, ParamsError
from ddnn.params import change_params, load_params
from tasks.paper import demand_name, paper_runs
from tasks.paper_measured import measure, table3_sizes

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")


def test_the_settings_are_the_papers():
    runs = paper_runs(PARAMS, "city49")
    asked = {
        run.setting: (run.params.setting.c_u, run.params.setting.N, run.params.setting.w)
        for run in runs
    }
    assert asked == {
        "fig3a_4a": (0.5, 6, 0.2),
        "fig3a_w4": (0.5, 6, 0.4),  # not the paper's: does w matter?
        "fig3b": (10, 6, 0.4),
        "fig4b": (1, 6, 0.2),
        "fig4c": (10, 25, 0.4),
        "fig4d": (20, 25, 0.7),
    }


def test_each_setting_runs_over_its_seeds_and_once_with_the_published_network():
    runs = paper_runs(PARAMS, "city49")
    assert len(PARAMS.paper.seeds) >= 5
    assert len({run.name for run in runs}) == len(runs) == 6 * (len(PARAMS.paper.seeds) + 1)
    for run in runs:
        assert run.params.deepcog.preset == ("deepcog_original" if run.original else None)
        assert run.params.download.city.squares == 49
        assert run.params.download.city.days == 62
    looked_at = [run for run in runs if "snapshots" in run.stages]
    assert [run.name for run in looked_at] == ["fig4d-0"]


def test_a_piece_has_its_settings_alone():
    assert {run.setting for run in paper_runs(PARAMS, "city49", only=["fig4b"])} == {"fig4b"}
    with pytest.raises(ParamsError, match=r"fig9: not one of paper\.settings"):
        paper_runs(PARAMS, "city49", only=["fig9"])


def test_a_demand_may_be_shortened():
    assert demand_name(PARAMS, "city") == "city49"
    assert demand_name(PARAMS, None) == PARAMS.paper.demand
    with pytest.raises(ParamsError, match=r"rome: not one of paper\.demands"):
        demand_name(PARAMS, "rome")


def test_a_missing_file_is_named_with_the_ways_out(tmp_path):
    with pytest.raises(ParamsError, match=r"not there.*DEMAND=city"):
        paper_runs(PARAMS, "milano25", tmp_path / "none.csv")


def test_an_unknown_key_of_a_setting_names_its_place():
    changed = change_params(
        PARAMS, {"paper.settings": {"odd": {"setting.M": 4}} | dict(PARAMS.paper.settings)}, "test"
    )
    with pytest.raises(ParamsError, match=r"paper\.settings\.odd: setting\.M: unknown setting"):
        paper_runs(changed, "city49")


def test_table_3_is_counted():
    sizes = table3_sizes()
    edge = sizes["F0"]["macs"] + sizes["F1"]["macs"]
    assert (edge, sizes["F2"]["macs"]) == (7_629_888, 110_963_776)


@pytest.fixture(scope="module")
def measured_of(pipeline):
    """Give what a run of that setting, seed and kind measured, from the tiny pipeline."""
    run = next(run for run in paper_runs(PARAMS, "city49") if run.name == "fig4d-0")
    folder = pipeline.root / "snapshots"
    if not folder.exists():
        look = PARAMS.paper.gate_snapshots.model_copy(update={"late_epoch": 3})
        paper = PARAMS.paper.model_copy(update={"gate_snapshots": look})
        pipeline.run("snapshots", params=pipeline.params.model_copy(update={"paper": paper}))
    outputs = {name: pipeline.root / name for name in ("evaluate", "snapshots")}
    original = replace(run, original=True)
    folders = {run.name: outputs, original.name: {"evaluate": outputs["evaluate"]}}
    return measure([run, original], folders, "city49", None)


def test_outputs_are_read_slot_by_slot(measured_of):
    (run,) = measured_of.runs["fig4d"]
    costs = measured_of.costs("fig4d", "local")
    assert costs.shape == (1, len(run.slots["benefit"]))
    assert costs.mean() == pytest.approx(run.evaluation["systems"]["local"]["C"])
    assert np.array_equal(run.slots["benefit"], (costs - measured_of.costs("fig4d", "remote"))[0])
    assert np.array_equal(measured_of.original["fig4d"], run.slots["cost_deepcog"])
    assert np.all(np.diff(run.slots["time"]) == run.evaluation["demand"]["slot_seconds"])
    assert set(np.unique(run.slots["local"])) <= {0.0, 1.0}
    assert measured_of.scores("fig4d", "uncertainty_b10").shape == costs.shape


def test_snapshots_are_probabilities_that_learning_moved(measured_of):
    (seen,) = measured_of.snapshots
    assert seen.late_epoch == 3
    assert len(seen.benefit) == len(seen.first) == len(seen.late) > 0
    for probability in (seen.first, seen.late):
        assert np.all((probability >= 0) & (probability <= 1))
    assert not np.allclose(seen.first, seen.late)
    hard = seen.benefit > seen.critical
    # The literal b* of Algorithm 1 leaves half of the samples easy, but for ties.
    assert hard.mean() <= 1 - seen.l0


def test_a_missing_output_is_named(tmp_path):
    run = paper_runs(PARAMS, "city49")[0]
    with pytest.raises(ArtefactError, match=r"slots\.parquet: cannot be read"):
        measure([run], {run.name: {"evaluate": tmp_path}}, "city49", None)
