"""The benchmark of a city: a batch is its sites, started exits fit, rows are kept and told."""

import json

import numpy as np
import pytest
import torch

from benchmarks import city_sites
from benchmarks.batched_sites import BatchedExits
from benchmarks.city_sites import ROOT, Plan, batched_step, measure, table
from benchmarks.page import shown
from ddnn.cost import sla_cost
from ddnn.grid import Grid
from ddnn.nets import build_exits, find_preset
from ddnn.params import load_params

TINY = (
    "split.test_days=2",
    "split.validation_days=3",
    "split.calibration_days=1",
    "train.max_epochs=2",
)


@pytest.fixture
def members():
    cells = (np.array([2, 0, 3, 1]), np.arange(4), np.array([3, 2, 1, 0]))
    return [
        build_exits(find_preset("paper"), Grid(2, 2, own), 3, 0.1, seed)
        for seed, own in enumerate(cells)
    ]


def test_a_batch_gives_what_its_sites_give(members):
    D = torch.rand(3, 5, 3, 4)
    network = BatchedExits(members).eval()
    with torch.inference_mode():
        y_L, y_R = network(D)
        for site, exits in enumerate(members):
            own_L, own_R = exits.eval()(D[site])
            torch.testing.assert_close(y_L[site], own_L)
            torch.testing.assert_close(y_R[site], own_R)


def test_a_site_of_a_batch_learns_nothing_from_the_others(members, monkeypatch):
    monkeypatch.setattr(city_sites.Arithmetic, "detect", lambda: PLAIN)
    params = load_params(ROOT / "params.yaml", {"train.dropout": 0, "offloader.mc_passes": []})
    prepared = type("Prepared", (), {"cost": sla_cost(1.0)})
    D, d = torch.rand(3, 8, 3, 4), torch.rand(3, 8, 4)
    y = []
    for own in (members, [members[0], members[0], members[0]]):
        for exits in own:
            exits.dropout = 0.0
        network = BatchedExits(own)
        step = batched_step(network, params, prepared)
        for _ in range(3):
            step(D, d)
        y.append(network.eval()(D)[1][0])
    torch.testing.assert_close(*y)


PLAIN = city_sites.Arithmetic(1, "float32", "contiguous", "any")


def test_a_stopped_measurement_goes_on_and_another_plan_is_refused(tmp_path, monkeypatch):
    plan = Plan(8, 4, 10, 1, 2, (2,), TINY, tmp_path / "scratch")
    asked = []

    def throughput(plan, row):
        asked.append(row.name)
        if row.name == "two" and asked.count("two") == 1:
            raise KeyboardInterrupt
        seconds = {"single": 400.0, "threads": 300.0, "two": 200.0, "killed": 250.0}[row.name]
        return {
            "workers": row.workers,
            "threads": row.threads,
            "sites": 2,
            "finished": 2,
            "seconds": seconds,
            "sites_an_hour": 7200 / seconds,
            "killed_after_sites": 1 if row.kill else None,
            "squares_sha256": "a",
        }

    monkeypatch.setattr(city_sites, "throughput", throughput)
    out = tmp_path / "facts.json"
    with pytest.raises(KeyboardInterrupt):
        measure(plan, ["throughput"], out, again=False)
    facts = measure(plan, ["throughput"], out, again=False)
    assert asked == ["single", "threads", "two", "two", "killed"]
    told = table(facts)
    assert "| at its best thread count | 1.50 | 1.2 | yes |" in told
    assert "| at one thread | 2.00 | 1.7 | yes |" in told
    assert "byte for byte" in told
    assert "one killed after 1 sites" in told
    other = Plan(8, 4, 10, 2, 2, (2,), TINY, tmp_path / "scratch")
    with pytest.raises(SystemExit, match="another plan"):
        measure(other, ["throughput"], out, again=False)


def test_the_page_shows_what_was_measured():
    facts = ROOT / "metrics" / "city_sites.json"
    expected = table(json.loads(facts.read_text())) if facts.exists() else ""
    assert shown(city_sites.PAGE, "city_sites") == expected
