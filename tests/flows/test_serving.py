"""The checkout's serving commands."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ddnn.demand import read_demand
from ddnn.params import load_params
from ddnn.runtime.model_store import ModelStore
from ddnn.serve_settings import load_settings
from flows.serving import demo, follow_champion, made_demand, publish, replay_file
from tasks.stage import Stage

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT / "params.yaml")


def test_the_demo_runs_and_ends(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo(tiny_bundle, PARAMS, edges=2, slots=6, rtt_ms=1.0, pause=0.0)

    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("cloud: model ")
    assert [line.split()[0] for line in said[1:3]] == ["edge1:", "edge2:"]
    slots = [line for line in said if line.startswith("slot")]
    assert len(slots) == 6
    assert "cold" in slots[0] and "cold" not in slots[5]
    assert said[-1].endswith("all processes end now")


def test_a_published_model_is_current(tiny_bundle: Path, tmp_path: Path) -> None:
    said = publish(tiny_bundle, tmp_path / "models")
    assert ModelStore(tmp_path / "models").current() in said


def test_another_champion_is_published(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    champions = iter(["one", "one", "two", "two"])
    monkeypatch.setattr("flows.serving.champion_of", lambda params: next(champions))
    monkeypatch.setattr("flows.serving.served_folder", lambda *_: nullcontext(tiny_bundle))
    published: list[Path] = []
    monkeypatch.setattr("flows.serving.publish", lambda folder, models: published.append(folder))

    follow_champion(tmp_path, PARAMS, seconds=0, looks=3)

    assert published == [tiny_bundle]


def test_a_file_is_replayed(
    tiny_bundle: Path, tiny_stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demand = read_demand(tiny_stage.inputs["download"])
    frame = pd.DataFrame(demand.values, columns=list(demand.series))
    frame.insert(0, "time", pd.to_datetime(demand.times, unit="s", utc=True))
    frame.to_csv(tmp_path / "d.csv", index=False)
    out = tmp_path / "r.json"

    replay_file(tiny_bundle, tmp_path / "d.csv", PARAMS, 10, [0.5], [0.0], out)

    rows = json.loads(out.read_text())
    assert [(row["rule"], row["l0"]) for row in rows] == [
        ("cloud", 0.0),
        ("optimized_volume", 0.5),
        ("edge", 1.0),
    ]
    assert all(row["equal_exits"] == 1 and row["slots"] == 10 for row in rows)
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_made_demand_stays_in_the_models_range() -> None:
    demand = made_demand(("a", "b"), np.array([1.0, 2.0]), np.array([10.0, 20.0]), 500)
    scaled = (demand - [1.0, 2.0]) / [10.0, 20.0]
    assert demand.shape == (500, 2)
    assert -0.1 < scaled.min() < scaled.max() < 1


def test_the_settings_are_written_for_the_processes(tmp_path: Path) -> None:
    out = tmp_path / "serve.json"
    command = [sys.executable, "-m", "flows", "serve-settings", f"--out={out}"]
    subprocess.run([*command, "--set", "serve.edge.deadline_ms=7"], cwd=ROOT, check=True)
    assert load_settings(out).edge.deadline_ms == 7
