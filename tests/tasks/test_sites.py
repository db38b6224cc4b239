"""The stages ``sites`` and ``squares``: what a city is cut into, and what is served in a site."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ddnn.arithmetic import Arithmetic
from ddnn.demand import load_demand
from ddnn.errors import DemandError, ParamsError
from ddnn.params import Params, change_params, load_params
from tasks import sites
from tasks.city import city_params, site_runs, site_stages
from tasks.registry import BY_NAME
from tasks.run_record import read_json
from tasks.stage import Stage

ROOT = Path(__file__).parents[2]
CITY = {
    "download.city": {"squares": 23, "days": 12, "seed": 1},
    "city.sites": {"size": 6, "by": "place", "seed": 0},
}


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(ROOT / "params.yaml", CITY)


def _cut(params: Params, out: Path) -> Path:
    out.mkdir()
    sites.run(Stage(params, {}, out, out, Arithmetic(1, "float32", "contiguous", "any")))
    return out


@pytest.mark.parametrize("by", ["place", "correlation"])
def test_every_square_is_in_one_site_with_its_own_demand(params, tmp_path, by) -> None:
    params = change_params(params, {"city.sites.by": by}, "test")
    folder = _cut(params, tmp_path / "cut")
    city, _ = load_demand(params.download)
    facts = read_json(folder / "sites.json")
    assert [len(site["series"]) for site in facts["sites"]] == [5, 6, 6, 6]
    found = {}
    for run in site_runs(params, folder):
        demand, _ = load_demand(run.params.download)
        assert demand.series == run.series
        assert demand.name == f"city23-{run.name}"
        assert demand.start == city.start
        found |= dict(zip(demand.series, demand.values.T, strict=True))  # noqa: PD011 - no frame
    assert sorted(found) == sorted(city.series)
    for name, values in zip(city.series, city.values.T, strict=True):  # noqa: PD011 - no frame
        assert np.array_equal(found[name], values)


def test_the_same_city_gives_the_same_bytes(params, tmp_path) -> None:
    one, other = (_cut(params, tmp_path / name) for name in ("one", "other"))
    for path in one.rglob("*.*"):
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes()


def test_the_cut_by_correlation_does_not_see_the_days_it_is_judged_on(tmp_path) -> None:
    rng = np.random.default_rng(0)
    slots, seen = 24 * 14, 24 * (14 - 11)  # 5 test days and 6 of validation
    values = rng.uniform(1, 2, (slots, 12))
    cuts = []
    for name, change in (("one", 1.0), ("other", 40.0)):
        values[seen:, ::2] *= change
        path = tmp_path / f"{name}.csv"
        times = 1383260400 + 3600 * np.arange(slots)
        table = pd.DataFrame(values, columns=[f"cell{i}" for i in range(12)])
        table.insert(0, "time", times)
        table.to_csv(path, index=False)
        own = {"download.source": "matrix", "download.matrix.path": str(path)}
        own |= {"city.sites": {"size": 4, "by": "correlation", "seed": 0}}
        folder = _cut(load_params(ROOT / "params.yaml", own), tmp_path / name)
        facts = read_json(folder / "sites.json")
        assert facts["places"] is None
        cuts.append((facts["sites"], facts["correlation"]))
    assert cuts[0] == cuts[1]


def test_a_gap_beyond_repair_is_its_sites_own(params, tmp_path) -> None:
    city, _ = load_demand(params.download)
    table = pd.DataFrame(city.values, columns=city.series)
    bad = city.series[0]
    table.loc[100:120, bad] = np.nan
    table.insert(0, "time", city.times)
    table.to_parquet(tmp_path / "holes.parquet")
    own = {"download.source": "matrix", "download.matrix.path": str(tmp_path / "holes.parquet")}
    folder = _cut(change_params(params, own, "test"), tmp_path / "cut")
    assert read_json(folder / "sites.json")["places"] == "milano"
    for run in site_runs(params, folder):
        if bad in run.series:
            with pytest.raises(DemandError, match=f"{bad}.*21 slots|21 slots.*{bad}"):
                load_demand(run.params.download)
        else:
            load_demand(run.params.download)


def test_names_without_a_place_are_refused_by_place(params, tmp_path) -> None:
    path = tmp_path / "own.csv"
    lines = [f"{1383260400 + 86400 * day},1,2" for day in range(20)]
    path.write_text("\n".join(["time,north,south", *lines]))
    own = {"download.source": "matrix", "download.matrix.path": str(path)}
    with pytest.raises(DemandError, match="'north'; set it to correlation"):
        _cut(change_params(params, own, "test"), tmp_path / "cut")


def test_demand_that_is_all_unseen_is_refused(params, tmp_path) -> None:
    short = change_params(params, {"download.city.days": 11}, "test")
    with pytest.raises(DemandError, match="11 days of validation and test"):
        _cut(short, tmp_path / "cut")


def test_a_citys_settings_are_those_of_its_demand(params) -> None:
    city = city_params(params, "milano")
    assert (city.download.source, city.train.patience) == ("milano", 8)
    assert city.label.l0 == [0.5]
    own = city_params(params, file=Path("own.csv"))
    assert (own.download.source, own.download.name) == ("matrix", None)
    with pytest.raises(ParamsError, match="demand rome: not one of"):
        city_params(params, "rome")


def test_the_stages_of_a_site_are_in_order() -> None:
    stages = site_stages(["export", "squares"])
    assert set(stages) == {*BY_NAME["export"].inputs, *BY_NAME["squares"].inputs, *stages[-4:]}
    for place, name in enumerate(stages):
        assert set(BY_NAME[name].inputs) <= set(stages[:place])
    assert "deepcog" not in stages
    with pytest.raises(ParamsError, match="sites is not one of"):
        site_stages(["sites"])


def test_squares_add_up_to_what_evaluate_says(pipeline, tmp_path) -> None:
    own = pipeline.linked(
        tmp_path / "own", "download", "grid", "train", "alternatives", "offloader"
    )
    folder = own.run("squares")
    table = pd.read_parquet(folder / "squares.parquet")
    site = json.loads((folder / "site.json").read_text())
    judged = json.loads((pipeline.root / "evaluate" / "evaluation.json").read_text())
    for name, row in site["systems"].items():
        assert row["C"] == pytest.approx(judged["systems"][name]["C"])
        column = "cost" if name == "system" else f"cost_{name}"
        assert table[column].sum() == pytest.approx(row["C"])
    deployed = judged["systems"]["system"]
    assert site["local_share"] == pytest.approx(deployed["L"])
    assert table["violation_rate"].mean() == pytest.approx(deployed["violation_rate"])
    assert table["overprovision"].mean() == pytest.approx(deployed["mean_overprovision"])
    assert table["square"].tolist() == [f"vnf{index}" for index in range(5)]
