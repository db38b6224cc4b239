import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from ddnn.arithmetic import Arithmetic
from ddnn.demand import Demand, Scaling, write_demand
from ddnn.grid import Grid, blocked, grid_shape
from ddnn.params import load_params
from tasks import alternatives, grid
from tasks.stage import Stage

PARAMS = Path(__file__).parents[2] / "params.yaml"
DAYS = 14  # 5 of test, 6 of validation: 3 to learn on
HOURS = 24 * DAYS


def demand_of(vnfs, constant=False):
    rng = np.random.default_rng(vnfs)
    hours = np.arange(HOURS)[:, None]
    values = 50 + 30 * np.sin(hours / 24 * 2 * np.pi + rng.uniform(0, 3, vnfs))
    values = values * rng.uniform(0.9, 1.1, values.shape)
    if constant:
        values[:, 0] = 7.0
    names = tuple(f"square{m}" for m in range(vnfs))
    return Demand(values, 1_383_260_400, 3600, names, "calls", "Europe/Rome", "dummy")


def run(task, folder, demand, inputs=None, **overrides):
    """Run a stage's function on demand, as the orchestrators would, in folders of its own."""
    source, out, scratch = (folder / name for name in ("download", task.__name__, "scratch"))
    for each in (source, out, scratch):
        each.mkdir(parents=True, exist_ok=True)
    write_demand(demand, source)
    params = load_params(
        PARAMS, {key.replace("__", "."): value for key, value in overrides.items()}
    )
    arithmetic = Arithmetic(1, "float32", "contiguous", "any")
    task.run(Stage(params, {"download": source} | (inputs or {}), out, scratch, arithmetic))
    return out


def read(path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("vnfs", [1, 2, 3, 5, 25])
def test_writes_all_that_the_stages_after_it_need(tmp_path, vnfs):
    demand = demand_of(vnfs)
    out = run(grid, tmp_path, demand)
    found = Grid.from_json(read(out / "grid.json"))
    assert (found.rows, found.columns) == grid_shape(vnfs)
    assert found.vnfs == vnfs
    scaled = Scaling.from_json(read(out / "scaling.json")).scale(demand.values[: 24 * 3])
    np.testing.assert_allclose([scaled.min(axis=0), scaled.max(axis=0)], [[0] * vnfs, [1] * vnfs])
    assert load_file(out / "distances.safetensors")["distances"].shape == (vnfs, vnfs)


def test_the_placement_holds_what_a_picture_needs(tmp_path):
    out = run(grid, tmp_path, demand_of(11))
    facts, found = read(out / "placement.json"), Grid.from_json(read(out / "grid.json"))
    assert facts["series"] == [f"square{m}" for m in range(11)]
    for name in ("positions", "positions_on_grid", "cells"):
        assert np.shape(facts[name]) == (11, 2)
    rows, columns = np.transpose(facts["cells"])
    np.testing.assert_array_equal(rows * facts["columns"] + columns, found.cells)
    assert facts["on_grid"]["stress"] < facts["random"]["stress"]
    better = facts["on_grid"]["neighbour_correlation"]
    assert better > facts["random"]["neighbour_correlation"]


def test_the_same_demand_gives_the_same_bytes(tmp_path):
    first, second = (run(grid, tmp_path / name, demand_of(9)) for name in "ab")
    names = sorted(path.name for path in first.iterdir())
    assert names == ["distances.safetensors", "grid.json", "placement.json", "scaling.json"]
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_later_days_change_no_byte(tmp_path):
    demand = demand_of(6)
    later = demand.values.copy()
    later[24 * 3 :] *= 3
    changed = Demand(later, 1_383_260_400, 3600, demand.series, "calls", "Europe/Rome", "dummy")
    first, second = run(grid, tmp_path / "a", demand), run(grid, tmp_path / "b", changed)
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


def test_a_random_placement_follows_its_seed_and_ignores_the_demand(tmp_path):
    def cells(name, seed, demand):
        settings = {"grid__placement": "random", "grid__seed": seed}
        return read(run(grid, tmp_path / name, demand, **settings) / "grid.json")["cells"]

    noise = demand_of(9).values + np.random.default_rng(0).uniform(0, 90, (HOURS, 9))
    other = Demand(noise, 0, 3600, demand_of(9).series, "calls", "UTC", "other")
    assert cells("a", 1, demand_of(9)) == cells("b", 1, other)
    assert cells("a", 1, demand_of(9)) != cells("c", 2, demand_of(9))


def test_a_constant_series_is_placed_as_well(tmp_path):
    out = run(grid, tmp_path, demand_of(5, constant=True))
    distances = load_file(out / "distances.safetensors")["distances"]
    np.testing.assert_array_equal(distances[0], [0, 1, 1, 1, 1])
    assert read(out / "scaling.json")["constant"] == [0]


def test_above_a_number_of_vnfs_the_stage_works_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(blocked, "MANY", 8)
    outs = {vnfs: run(grid, tmp_path / str(vnfs), demand_of(vnfs)) for vnfs in (8, 9)}
    kinds = {n: load_file(out / "distances.safetensors")["distances"] for n, out in outs.items()}
    assert (kinds[8].dtype, kinds[9].dtype) == (np.float64, np.float32)
    facts = read(outs[9] / "placement.json")
    monkeypatch.setattr(blocked, "MANY", 9)
    other = run(grid, tmp_path / "original", demand_of(9))
    expected = load_file(other / "distances.safetensors")["distances"]
    np.testing.assert_allclose(kinds[9], expected, atol=5e-6)
    originals = read(other / "placement.json")
    assert facts["eq12"]["stress"] <= 1.01 * originals["eq12"]["stress"]
    chance, its = facts["random"], originals["random"]
    assert chance["stress"] == pytest.approx(its["stress"], abs=1e-5)


def test_alternatives_learn_on_the_training_days(tmp_path):
    demand = demand_of(5)
    placed = run(grid, tmp_path / "a", demand)
    last = HOURS - 24 * (5 + 6)

    def headroom(name, slot):
        values = demand.values.copy()
        values[slot:] *= 3
        changed = Demand(values, 0, 3600, demand.series, "calls", "UTC", "dummy")
        out = run(alternatives, tmp_path / name, changed, {"grid": placed}, setting__cost="eq1")
        return (out / "last_value_headroom.json").read_bytes()

    untouched = headroom("b", HOURS)
    assert json.loads(untouched)["fitted_on"] == {"first_slot": 6, "last_slot": last - 1}
    assert len(json.loads(untouched)["headroom"]) == 5
    assert headroom("c", last) == untouched
    assert headroom("d", last - 1) != untouched
