"""The two trainings that are compared are of one network, and the comparison is run and counted."""

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import training_speed as bench
from benchmarks.page import shown
from ddnn.grid import Grid
from ddnn.nets import build_exits, find_preset

ROWS, COLUMNS = 7, 7


def check(plain: nn.Module, N: int, preset: str = "paper") -> None:
    grid = Grid.in_order(ROWS * COLUMNS)
    exits = build_exits(find_preset(preset), grid, N, dropout=0.1, seed=0)
    bench.check_same(plain, exits, torch.rand(3, N, grid.vnfs))


@pytest.mark.parametrize("N", [6, 25])
def test_the_plain_network_is_ours(N: int) -> None:
    check(bench.PlainExits(N, ROWS, COLUMNS, 0.1), N)


def test_another_network_is_not_taken_for_ours() -> None:
    plain = bench.PlainExits(6, ROWS, COLUMNS, 0.1)
    with pytest.raises(ValueError, match="other parameters"):
        check(plain, 6, preset="table3")
    with pytest.raises(ValueError, match="other dropout"):
        check(bench.PlainExits(6, ROWS, COLUMNS, 0.2), 6)
    plain.f2[1] = nn.Tanh()
    with pytest.raises(ValueError, match="other allocations"):
        check(plain, 6)


def test_an_epoch_over_the_edge_counts_by_its_share() -> None:
    watch = bench.Watch(windows=100)
    watch.stamps = [0.0, 1.0, 2.0, 4.0]
    watch.begin, watch.end = 0.5, 3.0
    assert watch.rate() == pytest.approx((50 + 100 + 50) / 2.5)


@pytest.mark.parametrize("late", [False, True])
def test_every_process_counts_a_whole_interval(
    late: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = time.perf_counter() + (-1.0 if late else 0.1)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"[{asked}, 0.05]\n"))
    watch = bench.Watch(windows=100)
    watch()
    assert json.loads(capsys.readouterr().out) == "warm"
    with pytest.raises(bench._OverError):
        while True:
            time.sleep(0.01)
            watch()
    assert watch.end - watch.begin == pytest.approx(0.05)
    assert (watch.begin == asked) != late
    assert watch.stamps[0] <= watch.begin and watch.end <= watch.stamps[-1]
    assert 0 < watch.rate() <= 100 / 0.01


def test_the_ratio_is_that_of_rounds_and_meets_its_target_or_not() -> None:
    speeds = {"plain": [100.0, 200.0, 100.0], "ours": [290.0, 640.0, 310.0]}
    found: dict[str, list[dict[str, Any]]] = {
        name: [{"rate": rate} for rate in rates] for name, rates in speeds.items()
    }
    row = bench.compare(6, found, amx=True)
    assert (row["ratio"], row["low"], row["high"]) == pytest.approx((3.1, 2.9, 3.2))
    assert row["met"]
    found["ours"][2]["rate"] = 295.0
    assert not bench.compare(6, found, amx=True)["met"]
    assert bench.compare(6, found, amx=False)["target"] == 1.0


def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Threads that wait leave their core to the other tests.
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    out = tmp_path / "speed.json"
    bench.main(["--seconds", "0.1", "--rounds", "1", "--vnfs", "4", "--out", str(out)])
    facts = json.loads(out.read_text())
    assert {(row["N"], row["variant"]) for row in facts["rows"]} == {
        (N, name) for N in (6, 25) for name in bench.measured()
    }
    assert all(row["windows_per_second"] > 0 for row in facts["rows"])
    assert all(row["threads"] == 1 for row in facts["rows"] if row["processes"] > 1)
    for ratio in facts["ratios"]:
        speeds = {
            r["variant"]: r["windows_per_second"] for r in facts["rows"] if r["N"] == ratio["N"]
        }
        assert ratio["ratio"] == pytest.approx(speeds["ours"] / speeds["plain"], rel=1e-2)

    page = tmp_path / "page.md"
    page.write_text("before\n<!-- speed: begin -->\nold\n<!-- speed: end -->\nafter\n")
    metrics = tmp_path / "machines.json"
    metrics.write_text(json.dumps({"another": facts, facts["cpu"]: {}}))
    bench.write(facts, metrics, page)
    assert json.loads(metrics.read_text()) == {"another": facts, facts["cpu"]: facts}
    lines = page.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert "old" not in lines
    assert sum(line.count("| yes |") + line.count("| **no** |") for line in lines) == 4


def test_the_page_shows_what_was_measured() -> None:
    machines = json.loads(bench.METRICS.read_text())
    assert shown(bench.PAGE, "speed") == bench.tables(machines)
    for cpu, facts in machines.items():
        assert facts["cpu"] == cpu
        for row in facts["ratios"]:
            assert row["met"] == bool(np.greater_equal(row["ratio"], row["target"]))
