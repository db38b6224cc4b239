"""What a pipeline leaves in MLflow: its numbers, files and model, and who is champion."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.models import Model
from mlflow.tracking import MlflowClient

from ddnn.errors import ArtefactError, ModelError
from ddnn.params import Params, load_params
from ddnn.runtime.manifest import read_origin, verify
from tasks import champion as rules
from tasks import tracking
from tasks.processes import ProcessMark
from tasks.run_record import demand_sha256

ROOT = Path(__file__).parents[2]
KEYS = {"train": "a" * 64, "report": "b" * 64}
HITS = {"train": True, "report": False}

pytestmark = [
    pytest.mark.xdist_group("mlflow"),
    # mlflow warns of its own type hints as it is imported.
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Give a state folder whose MLflow two processes started at once."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DDNN_HOME", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("PYTHONPATH", str(ROOT))
        command = [sys.executable, "-c", "from tasks import tracking; tracking.prepare()"]
        starters = [subprocess.Popen(command, env=os.environ) for _ in range(2)]
        assert [starter.wait(120) for starter in starters] == [0, 0]
        yield folder


@pytest.fixture
def client(home):
    return MlflowClient(tracking.tracking_uri())


@pytest.fixture
def artefacts(tmp_path, tiny_stage, tiny_bundle):
    folders = {
        name: tmp_path / name for name in ("train", "deepcog", "evaluate", "report", "export")
    }
    shutil.copytree(tiny_bundle, folders["export"])
    for name in ("train", "deepcog", "evaluate"):
        folders[name].mkdir()
    (folders["report"] / "figures").mkdir(parents=True)
    (folders["report"] / "figures" / "curve.png").write_bytes(b"\x89PNG")
    (folders["report"] / "report.html").write_text("<html></html>")
    head = "epoch,surrogate,local_cost,remote_cost,joint_cost,best\n"
    (folders["train"] / "history.csv").write_text(
        head + "1,1.0,4.0,3.5,3.6,True\n2,0.9,3.75,3.25,3.3,True\n"
    )
    (folders["deepcog"] / "history.csv").write_text(head + "1,1.0,,3.0,3.0,True\n")
    point = {"C": 3.0, "L": 0.52, "capture": None, "u": 0.1}
    evaluation = {
        "cost": {"cloud": 3.0, "edge": 4.0},
        "demand": {"sha256": "0" * 64},
        "systems": {
            "system": {
                "C": 2.5,
                "ratio_to": {"last_value_headroom": {"value": 0.9}},
                "violation_rate": 0.1,
                "mean_overprovision": 0.2,
            }
        },
        "deployed": {**point, "L0": 0.5, "latency_with_rule_ms": 20.0},
        "validation": {"system": {"C": 2.4}},
        "cheapest": {"system": "system", "significant": True},
        "rules": {"optimized": [{**point, "L0": 0.5}, {**point, "L0": 0.05, "L": 0.06}]},
    }
    (folders["evaluate"] / "evaluation.json").write_text(json.dumps(evaluation))
    return {"download": tiny_stage.inputs["download"], **folders}


@pytest.fixture
def params(tiny_stage, request):
    """Give settings whose models no other test has."""
    values = tiny_stage.params.model_dump()
    values["download"]["name"] = request.node.name.replace("[", "-").replace("]", "")
    return Params.model_validate(values)


@pytest.fixture
def judge(monkeypatch):
    """Let the tests say what the models cost, one after the other."""
    costs: list[float | Exception] = []

    def next_cost(bundle, demand, params):
        cost = costs.pop(0)
        if isinstance(cost, Exception):
            raise cost
        return cost

    monkeypatch.setattr(rules, "validation_cost", next_cost)
    return costs


@pytest.fixture
def log(artefacts, params, judge):
    def log_with(*costs, **changed):
        judge[:] = costs
        order = {"artefacts": artefacts, "params": params} | changed
        return tracking.log_pipeline(
            keys=KEYS, hits=HITS, door="prefect", flow_run="flow-1", **order
        )

    return log_with


def history(client, run_id, metric):
    return [(point.step, point.value) for point in client.get_metric_history(run_id, metric)]


def test_a_run_holds_settings_costs_stages_and_where_it_came_from(log, client, artefacts, tmp_path):
    tracked = log(2.0)
    run = client.get_run(tracked.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["setting.N"] == "4"
    bundle = Path(client.download_artifacts(tracked.run_id, "bundle", str(tmp_path)))
    assert read_origin(bundle) == {
        "run": tracked.run_id,
        "model": tracked.model,
        "version": tracked.version,
    }
    assert verify(bundle) == verify(artefacts["export"])  # the id does not hang on the run
    assert run.data.params["label.l0"] == "[0.3, 0.5]"
    assert history(client, tracked.run_id, "local_cost") == [(1, 4.0), (2, 3.75)]
    assert history(client, tracked.run_id, "remote_cost") == [(1, 3.5), (2, 3.25)]
    assert history(client, tracked.run_id, "deepcog_cost") == [(1, 3.0)]
    assert run.data.metrics["cost.system"] == 2.5
    assert run.data.metrics["cost.edge"] == 4.0
    assert run.data.metrics["rules.optimized.l0_0.50.C"] == 3.0
    assert "rules.optimized.l0_0.05.C" not in run.data.metrics
    assert history(client, tracked.run_id, "curve.optimized") == [(6, 3.0), (52, 3.0)]
    assert "cheapest_is_significant" not in run.data.metrics
    tags = run.data.tags
    assert (tags["stage.train"], tags["stage.report"]) == ("hit", "ran")
    assert tags["stage.train.key"] == KEYS["train"]
    assert (tags["door"], tags["prefect.flow_run"]) == ("prefect", "flow-1")
    assert "git.revision" in tags
    assert tags["demand.sha256"] == demand_sha256(artefacts["download"])
    assert tracked.url.endswith(f"/runs/{tracked.run_id}")


def test_the_data_set_bears_its_name_and_hash(log, client, artefacts):
    run = client.get_run(log(2.0).run_id)
    (used,) = run.inputs.dataset_inputs
    sha256 = demand_sha256(artefacts["download"])
    assert used.dataset.name == "tiny"
    assert used.dataset.digest == sha256[:36]
    assert {tag.key: tag.value for tag in used.tags}["sha256"] == sha256
    assert json.loads(used.dataset.profile)["num_rows"] == 24 * 8


def test_the_model_is_onnx_with_a_signature_and_nothing_is_pickled(log, client, home):
    tracked = log(2.0)
    (output,) = client.get_run(tracked.run_id).outputs.model_outputs
    place = Path(client.get_logged_model(output.model_id).artifact_location.removeprefix("file://"))
    signature = Model.load(str(place)).signature
    (demand,) = signature.inputs.inputs
    assert (demand.name, demand.shape, demand.type.name) == ("demand", (-1, 4, 5), "float32")
    assert [(y.name, y.shape) for y in signature.outputs.inputs] == [
        ("local", (-1, 5)),
        ("remote", (-1, 5)),
    ]
    names = [path.name for path in (home / "mlflow").rglob("*") if path.is_file()]
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pt", ".pth"))]


def test_files_of_a_run(log, client):
    run_id = log(2.0).run_id
    assert {file.path for file in client.list_artifacts(run_id)} >= {
        "bundle",
        "evaluation",
        "figures",
        "report.html",
    }
    assert [file.path for file in client.list_artifacts(run_id, "figures")] == ["figures/curve.png"]


def test_the_bundle_comes_back_byte_for_byte(log, artefacts, tmp_path):
    log(2.0)
    reference = tracking.model_of_run(log(1.0).run_id)
    fetched = tracking.fetch_bundle(reference, tmp_path / "fetched")
    for path in artefacts["export"].rglob("*"):
        if path.is_file():
            assert (fetched / path.relative_to(artefacts["export"])).read_bytes() == (
                path.read_bytes()
            )


def test_the_first_model_is_champion_then_only_a_better_one(log, params):
    assert tracking.champion(params) is None
    first = log(2.0)
    assert first.verdict.promoted
    worse = log(2.5)
    assert not worse.verdict.promoted
    assert not log(2.0).verdict.promoted, "a tie keeps the champion"
    assert tracking.champion(params).version == first.version
    better = log(1.5)
    assert better.verdict.promoted
    assert better.verdict.champion_cost == 2.0
    assert tracking.champion(params).run_id == better.run_id


def test_rollback_brings_the_previous_champion_back(log, params):
    first, second = log(2.0), log(1.0)
    assert tracking.rollback(first.model).version == first.version
    assert tracking.champion(params).run_id == first.run_id
    assert tracking.rollback(first.model).version == second.version


def test_rollback_without_a_previous_champion_is_refused(log):
    tracked = log(2.0)
    with pytest.raises(ModelError, match="no previous champion"):
        tracking.rollback(tracked.model)


def test_on_other_days_the_champion_is_measured_anew(log, params):
    log(2.0)
    values = params.model_dump()
    values["split"]["test_days"] = 1
    other = Params.model_validate(values)
    # Challenger 3.0, then the champion's bundle on the same, harder days.
    verdict = log(3.0, 3.5, params=other).verdict
    assert verdict.promoted
    assert verdict.champion_cost == 3.5


def test_a_champion_that_cannot_serve_the_demand_is_replaced(log, params):
    first = log(2.0)
    values = params.model_dump()
    values["split"]["test_days"] = 1
    verdict = log(9.0, ModelError("other series"), params=Params.model_validate(values)).verdict
    assert verdict.promoted
    assert "other series" in verdict.reason
    assert verdict.champion.version == first.version


def test_an_error_while_logging_leaves_a_failed_run_and_the_champion(log, client, params):
    first = log(2.0)
    with pytest.raises(ArtefactError, match="damaged"):
        log(ArtefactError("damaged"))
    newest = client.search_runs([client.get_experiment_by_name("ddnn").experiment_id])[0]
    assert newest.info.status == "FAILED"
    assert newest.data.tags["error"] == "ArtefactError: damaged"
    assert tracking.champion(params).version == first.version


def test_a_failed_pipeline_is_a_failed_run_with_its_error(home, client, params):
    run = client.get_run(tracking.log_failure(params, "dvc", None, ArtefactError("no disk")))
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "ArtefactError: no disk"
    assert run.data.params["setting.N"] == "4"


def test_runs_of_dead_processes_are_swept_and_of_living_ones_are_not(home, client):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = ProcessMark.of(child.pid)
    experiment = client.get_experiment_by_name("ddnn").experiment_id
    stale = client.create_run(experiment, tags=mark.tags()).info.run_id
    ours = client.create_run(experiment, tags=ProcessMark.current().tags()).info.run_id
    foreign = client.create_run(experiment, tags=mark.tags() | {"ddnn.host": "elsewhere"})
    assert tracking.sweep_stale_runs() == []
    child.kill()
    child.communicate()
    assert tracking.sweep_stale_runs() == [stale]
    assert client.get_run(stale).info.status == "KILLED"
    assert client.get_run(ours).info.status == "RUNNING"
    for run_id in (ours, foreign.info.run_id):
        client.set_terminated(run_id)


def test_a_grown_city_is_remembered(log, params):
    values = params.model_dump()
    values["download"] |= {"source": "city"}
    values["download"]["city"]["days"] = 31
    city = Params.model_validate(values)
    name = rules.model_name(city)
    assert tracking.newest_city_days(name) is None
    log(2.0, params=city)
    assert tracking.newest_city_days(name) == 31


def test_an_unreachable_tracker_is_one_line(home, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/servers/none/x.db")
    (home / "servers").mkdir(exist_ok=True)
    (home / "servers" / "none").write_text("a file in the way")
    with pytest.raises((tracking.TrackingError, OSError)):
        tracking.prepare()


def test_a_damaged_database_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("DDNN_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(tracking.TrackingError, match=r"mlflow\.db: the database is damaged"):
        tracking.prepare()


def test_load_params_agrees_with_the_names():
    params = load_params(ROOT / "params.yaml")
    assert rules.model_name(params) == "ddnn.city49.eq3.cu1.co1.N6"
