"""A city of sites on this machine's threads: side by side, with a bad site, and a second time.

The tests of this module tell one story, in their order, in one checkout.
"""

import re
import sqlite3

import numpy as np
import pandas as pd
import pytest
from functional_checkout import make_checkout, ran

from ddnn.demand.city import make_city

pytestmark = [pytest.mark.functional, pytest.mark.timeout(900)]

SITES = {"city.sites": {"size": 4, "by": "place", "seed": 0}, "offloader.max_epochs": 1}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, begin_home):
    """Give a checkout with a city of 3 sites, of which the first has a gap beyond repair."""
    made = make_checkout(tmp_path_factory.mktemp("city"), begin_home)
    write_demand(made, hole=True)
    made.set(SITES)
    return made


def write_demand(checkout, hole):
    city = make_city(11, 10, 1)
    table = pd.DataFrame(city.values, columns=city.series)
    if hole:
        table.loc[100:120, city.series[0]] = np.nan
    table[city.series[-1]] = 0.0  # nothing to learn, but no fault
    table.insert(0, "time", city.times)
    table.to_parquet(checkout.root / "holes.parquet")


def last_state(checkout):
    with sqlite3.connect(checkout.root / ".ddnn" / "prefect" / "prefect.db") as database:
        return database.execute(
            "select s.type, s.name from flow_run f join flow_run_state s on s.id = f.state_id"
            " order by f.created desc limit 1"
        ).fetchone()


def test_a_bad_site_is_named_and_stops_no_other(checkout):
    said = checkout.run("ddnn", "city", "--file", "holes.parquet", code=1)
    assert ran(said).count("train") == 2
    assert "2 of 3 sites, 8 of 11 squares" in said
    failed = re.findall(r"^(site\d) failed: (.+)$", said, re.MULTILINE)
    assert {name for name, _ in failed} == {"site0"}
    assert "21 slots" in failed[0][1]
    assert last_state(checkout) == ("FAILED", "SitesFailed")
    html = (checkout.root / "reports/city/holes/report.html").read_text()
    assert "1 of 3 sites failed" in html
    assert html.count("data:image/png;base64,") == 3
    assert sorted(checkout.nested_runs()) == [
        ("site1", "FINISHED", "city holes"),
        ("site2", "FINISHED", "city holes"),
    ]


def test_when_it_is_mended_only_that_site_runs(checkout):
    write_demand(checkout, hole=False)
    said = checkout.run("ddnn", "city", "--file", "holes.parquet")
    assert ran(said).count("train") == 1
    assert "3 of 3 sites, 11 of 11 squares" in said
    assert last_state(checkout) == ("COMPLETED", "Completed")
    squares = pd.read_csv(checkout.root / "reports/city/holes/squares.csv")
    assert len(squares) == 11
    assert squares.notna().all(axis=None)


def test_a_second_run_does_nothing(checkout):
    report = checkout.root / "reports/city/holes/report.html"
    before = report.stat().st_mtime_ns
    said = checkout.run("ddnn", "city", "--file", "holes.parquet")
    assert ran(said) == []
    assert "report.html (unchanged)" in said
    assert report.stat().st_mtime_ns == before
    assert len(checkout.nested_runs()) == 3


def test_mistakes_are_one_line(checkout):
    said = checkout.run("ddnn", "city", "--demand", "rome", code=1)
    assert said.strip() == "ddnn: demand rome: not one of city.demands (city980, milano)"
    far = "city.scheduler=tcp://192.0.2.1:8786"
    said = checkout.run("ddnn", "city", "--file", "holes.parquet", "--set", far, code=1)
    assert "out of reach for the workers of tcp://192.0.2.1:8786" in said
