"""Models change under load: no request fails, each answer names its version."""

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddnn.arithmetic import Arithmetic
from ddnn.demand import Demand
from ddnn.errors import ArtefactError
from ddnn.nets import load_exits, save_exits
from ddnn.runtime.ddnn_pb2 import Exit
from ddnn.runtime.model_store import ModelStore
from tasks import export
from tasks.stage import Stage


@pytest.fixture(scope="session")
def other_bundle(
    tiny_stage: Stage, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Give a model of the same series whose allocations are a tenth of a full scale higher."""
    root = tmp_path_factory.mktemp("other")
    train, out = root / "train", root / "export"
    shutil.copytree(tiny_stage.inputs["train"], train)
    out.mkdir()
    exits = load_exits(train)
    for layers in (exits.F1, exits.F2):
        layers[-1].bias.data += 0.1  # type: ignore[operator,union-attr]
    save_exits(exits, train)
    how = Arithmetic(1, "float32", "contiguous", "any")
    export.run(Stage(tiny_stage.params, {**tiny_stage.inputs, "train": train}, out, root, how))
    return out


def test_no_request_fails_while_models_change(
    field_: Any, tiny_bundle: Path, other_bundle: Path, tiny_demand: Demand
) -> None:
    field_.store.publish(tiny_bundle)
    cloud = field_.start("cloud", "cloud")
    sets = (f"edge.cloud=127.0.0.1:{cloud.port}", "edge.rule=cloud")
    edges = [field_.start("edge", name, *sets) for name in "ab"]
    stop = threading.Event()

    def drive(edge: Any) -> list[Any]:
        answers = []
        for i in range(10_000):
            start = int(tiny_demand.start + i * tiny_demand.slot_seconds)
            answers.append(edge.decide(start, tiny_demand.values[i % tiny_demand.slots]))
            if stop.is_set():
                return answers
        raise AssertionError("never stopped")

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(drive, edge) for edge in edges]
        versions = [field_.store.current()]
        for bundle in (other_bundle, tiny_bundle, other_bundle):
            versions.append(field_.store.publish(bundle))
            for edge in edges:
                edge.wait_for("model", len(versions))
        stop.set()
        histories = [future.result() for future in running]

    assert versions[0] == versions[2] != versions[1] == versions[3]
    for answers in histories:
        assert len(answers) > 20
        assert {answer.exit for answer in answers[3:]} == {Exit.EXIT_REMOTE}
        models = [answer.model for answer in answers]
        order = [m for i, m in enumerate(models) if i == 0 or m != models[i - 1]]
        assert order == versions
    for edge in edges:
        told = edge.metrics()
        assert not [name for name in told if name.startswith("ddnn_edge_fallbacks_total{")]
    assert cloud.metrics()['ddnn_cloud_swaps_total{result="done"}'] == 4


def test_an_edge_pulls_its_first_model_and_no_more_than_its_half(
    field_: Any, tiny_bundle: Path
) -> None:
    _, edge = field_.pair(tiny_bundle)

    assert edge.status().model == field_.store.current()
    folder = field_.root / "a-models" / edge.status().model
    assert {path.name for path in folder.iterdir()} == {"bundle.json", "edge"}


def test_a_damaged_model_changes_nothing(
    field_: Any, tiny_bundle: Path, other_bundle: Path, tiny_demand: Demand
) -> None:
    cloud, edge = field_.pair(tiny_bundle, "edge.rule=cloud")
    own = edge.status().model
    folder = field_.store.folder(field_.store.publish(other_bundle))
    (folder / "cloud" / "remote.onnx").write_bytes(b"nothing")

    told = cloud.wait_for("model refused")

    assert "altered since the export" in told["reason"]
    for i in range(5):
        answer = edge.decide(int(tiny_demand.times[i]), tiny_demand.values[i])
    assert (answer.exit, answer.model) == (Exit.EXIT_REMOTE, own)
    assert len(cloud.lines("model refused")) == 1
    assert cloud.metrics()['ddnn_cloud_swaps_total{result="failed"}'] == 1


def test_a_stopping_cloud_finishes_what_it_has_begun(
    field_: Any, tiny_bundle: Path, tiny_demand: Demand
) -> None:
    cloud, edge = field_.pair(tiny_bundle, "edge.rule=cloud")
    answers: list[Any] = []
    done = threading.Event()

    def drive() -> None:
        for i in range(150):
            answers.append(edge.decide(int(tiny_demand.times[i]), tiny_demand.values[i]))
        done.set()

    thread = threading.Thread(target=drive)
    thread.start()
    while len(answers) < 20:
        time.sleep(0.01)
    assert cloud.stop() == 0
    thread.join(30)

    assert done.is_set()
    reasons = {answer.reason for answer in answers[3:] if answer.exit == Exit.EXIT_FALLBACK}
    assert reasons <= {"away"}  # refused at the door: none was cut off or late
    answered = sum(answer.exit == Exit.EXIT_REMOTE for answer in answers)
    assert answered >= 17


def test_a_store_shows_whole_models_only(tmp_path: Path, tiny_bundle: Path) -> None:
    store = ModelStore(tmp_path / "models")
    assert store.current() is None
    with pytest.raises(ArtefactError, match="there is no model 0123456789ab"):
        store.choose("0123456789ab")
    with pytest.raises(ArtefactError, match="is no id of a model"):
        store.folder("../etc")
    with pytest.raises(RuntimeError), store.adding("0123456789ab") as draft:
        (draft / "bundle.json").write_text("{}")
        raise RuntimeError("killed")
    with pytest.raises(ArtefactError, match="is not model"), store.adding("0123456789ab") as draft:
        (draft / "bundle.json").write_text("{}")
    assert [path.name for path in store.root.iterdir()] == []
    model = store.publish(tiny_bundle)
    assert store.publish(tiny_bundle) == model == store.current()
    (store.root / "current").write_text("0123456789ab\n")
    with pytest.raises(ArtefactError, match="names 0123456789ab, which is not there"):
        store.current()


def test_requests_of_many_edges_run_together(field_: Any, tiny_bundle: Path) -> None:
    import grpc

    from ddnn.runtime.ddnn_pb2 import Offload
    from ddnn.runtime.ddnn_pb2_grpc import CloudStub

    field_.store.publish(tiny_bundle)
    cloud = field_.start("cloud", "cloud")
    model = field_.store.current()
    D = np.random.default_rng(0).random((60, 4, 5)).astype("<f4")
    with grpc.insecure_channel(f"127.0.0.1:{cloud.port}") as line:
        ask = CloudStub(line).Allocate

        def one(i: int) -> Any:
            return ask.future(Offload(edge=f"e{i}", model=model, demand=D[i].tobytes()), timeout=9)

        alone = [one(i).result().allocation for i in range(60)]
        together = [future.result().allocation for future in [one(i) for i in range(60)]]
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_allclose(np.frombuffer(a, "<f4"), np.frombuffer(b, "<f4"), atol=1e-5)
    told = cloud.metrics()
    assert told["ddnn_cloud_batch_sum"] == 120
    assert told["ddnn_cloud_batch_count"] < 120
