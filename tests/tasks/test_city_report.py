"""A city's report: sums over sites, maps where there are places, failed sites named and hatched."""

import json

import pandas as pd
import pytest

from ddnn.arithmetic import Arithmetic
from ddnn.params import load_params
from tasks.artefact import Reference, Store
from tasks.city import city_params
from tasks.city_report import city_report, markdown, terminal_table
from tasks.home import PROJECT_ROOT
from tasks.runner import Workshop

SITES = {"site0": ["4142", "4143", "4242"], "site1": ["4243", "4244"], "site2": ["4343", "4344"]}
SYSTEMS = ("system", "local", "remote", "last_value_headroom")


@pytest.fixture
def workshop(tmp_path):
    how = Arithmetic(1, "float32", "contiguous", "any")
    return Workshop(Store(tmp_path / "store"), tmp_path / "scratch", how)


def reference(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    return Reference("any", name, name, folder, hit=True)


def cut(tmp_path, places="milano"):
    made = reference(tmp_path, "cut")
    facts = {
        "name": "town",
        "unit": "activity",
        "places": places,
        "sites": [{"name": name, "series": series} for name, series in SITES.items()],
        "correlation": {"within_sites": 0.5, "of_the_city": 0.4},
        "warnings": ["a <warning>"],
    }
    (made.folder / "sites.json").write_text(json.dumps(facts))
    return made


def served(tmp_path, name, cost, local_share):
    made, squares = reference(tmp_path, name), SITES[name]
    columns = dict.fromkeys(("cost", *(f"cost_{system}" for system in SYSTEMS[1:])), cost)
    table = {"square": squares, "demand": 7.0, "violation_rate": 0.1, "overprovision": 0.2}
    pd.DataFrame(table | columns).to_parquet(made.folder / "squares.parquet")
    means = {
        "C": cost * len(squares),
        "cost_in_units": 10.0,
        "violation_rate": 0.1,
        "mean_overprovision": 0.2,
    }
    systems = {system: means | {"C": means["C"] + 0.1 * i} for i, system in enumerate(SYSTEMS)}
    site = {"squares": len(squares), "slots": 9, "L0": 0.5, "local_share": local_share}
    (made.folder / "site.json").write_text(json.dumps(site | {"systems": systems}))
    return made


@pytest.fixture
def params():
    return city_params(load_params(PROJECT_ROOT / "params.yaml"))


def test_sites_are_added_up_and_failed_ones_left_out(tmp_path, params, workshop):
    squares = {
        "site0": served(tmp_path, "site0", 0.1, 0.3),
        "site2": served(tmp_path, "site2", 0.2, 0.8),
    }
    failed = {"site1": "a gap of <21> slots"}
    made = city_report(params, cut(tmp_path), squares, failed, workshop)
    facts = made.facts
    assert (facts["squares"], facts["served_squares"], facts["sites"]) == (7, 5, 3)
    assert facts["failed"] == failed
    assert facts["systems"]["system"]["C"] == pytest.approx(3 * 0.1 + 2 * 0.2)
    assert facts["systems"]["system"]["violation_rate"] == pytest.approx(0.1)
    assert facts["local_share"] == pytest.approx((3 * 0.3 + 2 * 0.8) / 5)
    assert facts["cheaper_than_last_value"] == 2
    html = (made.reference.folder / "report.html").read_text()
    assert "1 of 3 sites failed" in html
    assert "a gap of &lt;21&gt; slots" in html
    assert "a &lt;warning&gt;" in html
    assert html.count("data:image/png;base64,") == 3
    table = pd.read_csv(made.reference.folder / "squares.csv")
    assert table["square"].astype(str).tolist() == [
        square for squares in SITES.values() for square in squares
    ]
    assert table["cost"].isna().tolist() == [False] * 3 + [True] * 2 + [False] * 2
    assert "2 of 3 sites, 5 of 7 squares" in terminal_table(facts)
    assert "| deployed system | 0.700 | 10.0 % | 0.2000 |" in markdown(facts)
    again = city_report(params, reference_of(tmp_path), squares, failed, workshop)
    assert again.reference.hit
    assert again.facts == facts


def reference_of(tmp_path):
    return Reference("any", "cut", "cut", tmp_path / "cut", hit=True)


def test_without_places_there_is_no_map(tmp_path, params, workshop):
    squares = {name: served(tmp_path, name, 0.1, 0.5) for name in SITES}
    made = city_report(params, cut(tmp_path, places=None), squares, {}, workshop)
    html = (made.reference.folder / "report.html").read_text()
    assert "No map" in html
    assert "sites failed" not in html
    assert not list((made.reference.folder / "figures").iterdir())


def test_a_city_without_a_site_has_a_report_too(tmp_path, params, workshop):
    failed = dict.fromkeys(SITES, "no disk")
    made = city_report(params, cut(tmp_path), {}, failed, workshop)
    assert made.facts["served_squares"] == 0
    assert "3 of 3 sites failed" in (made.reference.folder / "report.html").read_text()
    assert "0 of 3 sites" in terminal_table(made.facts)
