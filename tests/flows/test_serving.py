"""The checkout's serving commands."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ddnn.demand import read_demand
from ddnn.params import load_params
from ddnn.runtime.manifest import read_origin, verify, write_manifest
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


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")
def test_the_cloud_serves_what_the_alias_names(
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from tasks import tracking

    monkeypatch.setenv("DDNN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = ModelStore(tmp_path / "models")
    name = tracking.model_name(PARAMS)

    def follow() -> str | None:
        follow_champion(store.root, PARAMS, seconds=0, looks=2)
        return store.current()

    assert follow() is None
    assert [record.message for record in caplog.records] == [
        f"there is no champion of {name} yet: train one with `ddnn run`; "
        "the cloud keeps the model that it has"
    ]
    other = shutil.copytree(tiny_bundle, tmp_path / "other")
    facts, _ = verify(other)
    (other / "bundle.json").unlink()
    write_manifest(other, {**facts, "seed": 1})
    runs = [registered(name, bundle) for bundle in (tiny_bundle, other)]
    models = [verify(bundle)[1] for bundle in (tiny_bundle, other)]

    tracking.promote(name, 1)
    assert follow() == models[0]
    assert read_origin(store.folder(models[0]))["run"] == runs[0]
    tracking.promote(name, 2)
    assert follow() == models[1] != models[0]
    tracking.rollback(name)
    assert follow() == models[0]

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'none' / 'x.db'}")
    assert follow() == models[0]
    assert caplog.records[-1].message.endswith("the cloud keeps the model that it has")


def registered(name: str, bundle: Path) -> str:
    """Register a bundle in MLflow as a pipeline does, without the training."""
    from mlflow.tracking import MlflowClient

    from tasks.tracking import tracking_uri
    from tasks.tracking.store import open_tracker

    _, experiment = open_tracker()
    client = MlflowClient(tracking_uri())
    run_id: str = client.create_run(experiment).info.run_id
    client.log_artifacts(run_id, str(bundle), "bundle")
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    version = client.create_model_version(name, f"runs:/{run_id}/bundle", run_id).version
    client.log_dict(run_id, {"run": run_id, "version": int(version)}, "bundle/origin.json")
    client.set_terminated(run_id)
    return run_id


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
