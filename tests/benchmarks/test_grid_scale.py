"""The scaling table is added up and judged rightly, and shows what was measured."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import grid_scale as bench
from benchmarks.page import shown


def made_up(vnfs: int, power: float, threads: int = 2, megabytes: float = 100.0) -> dict[str, Any]:
    step = {"seconds": 1e-6 * vnfs**power, "peak_megabytes": megabytes}
    steps = dict.fromkeys(bench.STEPS, step)
    return bench.row("ours", vnfs, threads, {"steps": steps})


def test_the_growth_is_that_of_the_large_sizes_at_so_many_threads() -> None:
    rows = [made_up(vnfs, 2.0) for vnfs in (400, 2500, 10_000)]
    rows += [made_up(49, 5.0), made_up(400, 3.0, threads=1)]
    found = bench.exponents(rows, 2)
    assert set(found) == {*bench.STEPS, "in_sum"}
    assert list(found.values()) == pytest.approx([2.0] * len(found))
    assert set(bench.exponents(rows, 1).values()) == {None}


def test_time_and_memory_are_both_asked_for() -> None:
    assert bench.meets([made_up(10_000, 2.0, megabytes=6400)])
    assert not bench.meets([made_up(10_000, 2.0, megabytes=6500)])
    assert not bench.meets([made_up(10_000, 2.3)])
    assert bench.meets([made_up(10_000, 2.0, threads=1), made_up(2500, 2.0)]) is None


def test_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scale.json"
    sizes = ["--sizes", "9", "16", "--threads", "1", "--days", "3", "--others-up-to", "9"]
    bench.main([*sizes, "--out", str(out)])
    facts = json.loads(out.read_text())
    assert [row["vnfs"] for row in facts["rows"]] == [9, 16]
    assert {row["what"] for row in facts["others"]} == set(bench.MEASURES) - {"ours"}
    for row in facts["rows"]:
        assert set(row["steps"]) == set(bench.STEPS)
        assert row["seconds"] == pytest.approx(sum(s["seconds"] for s in row["steps"].values()))
        assert row["largest_error"] < 5e-6
        assert row["peak_megabytes"] > 50
    assert facts["target"]["met"] is None
    assert bench.table(facts) in capsys.readouterr().out


def test_a_stopped_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def measured(what: str, demand: Path, threads: int) -> dict[str, Any]:
        asked.append((what, np.load(demand).shape[1], threads))
        if len(asked) == 3:
            raise KeyboardInterrupt
        step = {"seconds": 1.0, "peak_megabytes": 100.0}
        more = {"largest_error": 0.0, "normalised_stress": 0.1, "stress": 1.0}
        return {"steps": dict.fromkeys(bench.STEPS, step), **more}

    monkeypatch.setattr(bench, "measure_alone", measured)
    run = ["--sizes", "4", "9", "--days", "1", "--others-up-to", "0", "--out"]
    run.append(str(tmp_path / "scale.json"))
    with pytest.raises(KeyboardInterrupt):
        bench.main(run)
    bench.main(run)
    assert asked == [("ours", 4, 2), ("ours", 4, 1), ("ours", 9, 2), ("ours", 9, 2), ("ours", 9, 1)]
    with pytest.raises(SystemExit, match="other days"):
        bench.main([*run, "--days", "2"])


def test_the_script_for_aeon_runs_without_this_project(tmp_path: Path) -> None:
    # Its module is replaced, to hold what is sent to it and what becomes of its answer.
    module = tmp_path / "aeon"
    module.mkdir()
    (module / "__init__.py").touch()
    (module / "distances.py").write_text(
        "import numpy\ndef sbd_pairwise_distance(series):\n"
        "    assert series.shape[1:] == (1, 30)\n"
        "    return numpy.full((len(series), len(series)), 0.5)\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    demand, values = tmp_path / "demand.npy", np.random.default_rng(0).random((30, 4))
    np.save(demand, values)
    found = bench.measure_aeon(str(python), demand, tmp_path)
    exact = bench.plain.shape_based_distance(values)[np.triu_indices(4, 1)]
    assert found["largest_error"] == pytest.approx(np.abs(0.5 - exact).max())
    assert found["steps"]["distances"]["seconds"] >= 0


def test_the_page_shows_what_was_measured() -> None:
    measured = bench.METRICS.exists()
    expected = bench.table(json.loads(bench.METRICS.read_text())) if measured else ""
    assert shown(bench.PAGE, "scale") == expected
    if measured:
        facts = json.loads(bench.METRICS.read_text())
        assert facts["target"]["met"] == bench.meets(facts["rows"])
