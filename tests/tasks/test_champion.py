"""Which models compete, and what a model costs on the newest validation days."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ddnn.cost import from_params
from ddnn.demand import Scaling, read_demand, write_demand
from ddnn.errors import ModelError
from ddnn.params import Params, load_params
from ddnn.runtime.allocate import allocate
from ddnn.runtime.bundle import load_bundle
from tasks.champion import ChampionRef, decide, judged_on, model_name, validation_cost
from tasks.prepared import read_and_split

PARAMS = Path(__file__).parents[2] / "params.yaml"
CHAMPION = ChampionRef("ddnn.x", 3, "run", 2.0, "days")


def changed(params, **settings):
    values = params.model_dump()
    for dotted, value in settings.items():
        group, _, key = dotted.partition("__")
        values[group][key] = value
    return Params.model_validate(values)


def test_models_of_one_demand_and_setting_share_a_name_whatever_the_training():
    params = load_params(PARAMS)
    assert model_name(params) == "ddnn.city49.eq3.cu1.co1.N6"
    assert model_name(changed(params, setting__w=0.9, train__preset="table3")) == model_name(params)
    for other in (
        {"setting__c_u": 2.0},
        {"setting__c_o": [1.0, 2.0]},
        {"setting__N": 7},
        {"setting__cost": "eq1"},
        {"setting__cost": "eq2"},
        {"download__name": "mine"},
    ):
        assert model_name(changed(params, **other)) != model_name(params)


@pytest.mark.parametrize("path", ["my demand.csv", "my:demand/2013 (a).csv", "ä.csv"])
def test_a_files_name_gives_a_name_that_a_registry_takes(path):
    params = load_params(PARAMS, {"download.source": "matrix", "download.matrix.path": path})
    assert not set(model_name(params)) & set("/: ()ä")


def test_another_selection_is_another_demand():
    def named(select):
        given = {"download.source": "milano", "download.select": select}
        return model_name(load_params(PARAMS, given))

    assert named(None) == "ddnn.milano.eq3.cu1.co1.N6"
    assert named({"random": 49, "seed": 2}) == "ddnn.milano-random49s2.eq3.cu1.co1.N6"
    assert named({"squares": [1, 2]}) != named({"squares": [1, 3]})


def test_days_differ_by_demand_and_split(tiny_stage, tmp_path):
    folder, params = tiny_stage.inputs["download"], tiny_stage.params
    days = judged_on(folder, params)
    assert judged_on(folder, changed(params, setting__w=0.9)) == days
    assert judged_on(folder, changed(params, split__test_days=1)) != days
    assert judged_on(folder, changed(params, evaluate__l0=0.3)) == days  # each has its own
    demand = read_demand(folder)
    write_demand(replace(demand, values=demand.values + 1), tmp_path)
    assert judged_on(tmp_path, params) != days


def test_the_cost_is_that_of_the_deployed_decisions_on_the_calibration_days(
    tiny_stage, tiny_bundle
):
    folder, params = tiny_stage.inputs["download"], tiny_stage.params
    demand, split = read_and_split(folder, params)
    bundle = load_bundle(tiny_bundle)
    whole = allocate(bundle, demand, bundle.decider(params.evaluate.rule, params.evaluate.l0))
    days = np.array(split.calibration)
    scaling = Scaling.fit(demand.values[: split.train.stop])
    expected = from_params(params.setting, demand.vnfs)(
        scaling.scale(whole.amounts[days - params.setting.N]), scaling.scale(demand.values[days])
    )
    assert validation_cost(tiny_bundle, folder, params) == pytest.approx(expected.mean())


def test_the_cost_does_not_hang_on_later_days_or_on_the_order_of_series(
    tiny_stage, tiny_bundle, tmp_path
):
    folder, params = tiny_stage.inputs["download"], tiny_stage.params
    demand, split = read_and_split(folder, params)
    values = demand.values.copy()
    values[split.test.start :] *= 3
    order = [3, 1, 4, 0, 2]
    series = tuple(demand.series[index] for index in order)
    write_demand(replace(demand, values=values[:, order], series=series), tmp_path)
    cost = validation_cost(tiny_bundle, folder, params)
    assert validation_cost(tiny_bundle, tmp_path, params) == pytest.approx(cost)


def test_a_model_for_other_series_is_refused(tiny_stage, tiny_bundle, tmp_path):
    demand = read_demand(tiny_stage.inputs["download"])
    write_demand(replace(demand, series=("a", "b", "c", "d", "e")), tmp_path)
    with pytest.raises(ModelError):
        validation_cost(tiny_bundle, tmp_path, tiny_stage.params)


def test_a_store_copy_of_the_bundle_is_judged_alike(tiny_stage, tiny_bundle, tmp_path):
    copy = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, copy)
    (copy / "manifest.json").write_text("{}")  # the store's own
    folder, params = tiny_stage.inputs["download"], tiny_stage.params
    assert validation_cost(copy, folder, params) == validation_cost(tiny_bundle, folder, params)


@pytest.mark.parametrize(
    ("champion", "champion_cost", "challenger", "promoted"),
    [
        (None, None, 9.0, True),
        (CHAMPION, 2.0, 1.9, True),
        (CHAMPION, 2.0, 2.0, False),
        (CHAMPION, 2.0, 2.1, False),
        (CHAMPION, None, 9.0, True),
        (CHAMPION, 2.0, float("nan"), False),
    ],
)
def test_only_a_winner_is_promoted(champion, champion_cost, challenger, promoted):
    verdict = decide(champion, champion_cost, challenger)
    assert verdict.promoted is promoted
    assert verdict.champion == champion
