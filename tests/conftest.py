"""Fixtures that every room's tests share."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings

from ddnn.demand import Demand
from tasks.home import file_lock

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ddnn.grid import Grid
    from ddnn.params import Overrides
    from tasks.stage import Stage

MakeDemand = Callable[..., Demand]

# The gate tries the same examples each time; `--hypothesis-profile default` looks for new ones.
settings.register_profile("gate", derandomize=True)
settings.load_profile("gate")


# The files that take longest begin first, or one of the gate's workers would end alone with them.
_LONGEST = (
    "functional/test_two_doors.py",
    "functional/test_paper.py",
    "functional/test_kill.py",
    "functional/test_city_dask.py",
    "functional/test_city.py",
    "flows/test_schedule.py",
    "flows/test_servers.py",
    "benchmarks/test_training_speed.py",
    "functional/test_bad_input.py",
    "tasks/test_tracking.py",
    "ddnn/offload/test_optimized.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the order within a file stays."""
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.fixture(scope="session")
def begin_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """Give a function that begins a state folder with empty databases of MLflow and Prefect.

    Their migrations take some ten seconds: all workers of a gate share one pair. What is tested
    with an empty folder (both doors, the tracker, the servers) makes its own.
    """
    made = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        made = made.parent
    made = made / "databases"

    def begin(home: Path) -> None:
        with file_lock(made.with_suffix(".lock")):
            if not made.exists():
                _make_databases(made)
        for name in ("mlflow", "prefect"):
            (home / name).mkdir(parents=True)
            shutil.copy(made / f"{name}.db", home / name)

    return begin


def _make_databases(folder: Path) -> None:
    draft = folder.with_suffix(".draft")
    code = (
        "from flows.servers import prefect_server\n"
        "from tasks.tracking.store import _make_database\n"
        "from tasks.home import ddnn_home\n"
        "_make_database(ddnn_home() / 'mlflow' / 'mlflow.db')\n"
        "with prefect_server(): pass"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_"))}
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = kept | {"DDNN_HOME": str(draft), "PYTHONPATH": path}
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=environment, check=True)
    for name in ("mlflow", "prefect"):
        with closing(sqlite3.connect(draft / name / f"{name}.db")) as database:
            database.execute("vacuum into ?", (str(draft / f"{name}.db"),))  # its log included
    draft.rename(folder)


@pytest.fixture(scope="session")
def milano_dir() -> Path:
    """Give the folder of real demand; the test is skipped where it is not there."""
    beside = Path(__file__).parents[2] / "shared" / "data" / "milano"
    folder = Path(os.environ.get("DDNN_MILANO") or beside)
    if not (folder / "internet-10min-25squares-2013-11.csv").is_file():
        pytest.skip(f"no real demand in {folder}; DDNN_MILANO names another folder")
    return folder


@pytest.fixture
def make_demand() -> MakeDemand:
    """Give a maker of tiny demand: a daily cycle with noise, hourly slots unless told otherwise."""

    def make(
        slots: int = 24 * 14, vnfs: int = 5, slot_seconds: int = 3600, seed: int = 0
    ) -> Demand:
        rng = np.random.default_rng(seed)
        level = rng.uniform(5, 50, vnfs)
        phase = 2 * np.pi * np.arange(slots)[:, None] * slot_seconds / 86400
        cycle = 1.2 + np.sin(phase + rng.uniform(0, 0.5, vnfs))
        values = level * cycle * rng.uniform(0.9, 1.1, (slots, vnfs))
        names = tuple(f"vnf{index}" for index in range(vnfs))
        return Demand(values, 1383260400, slot_seconds, names, "activity", "Europe/Rome", "tiny")

    return make


@pytest.fixture(scope="session")
def tiny_stage(tmp_path_factory: pytest.TempPathFactory) -> "Stage":
    """Give the stage `export` of a tiny untrained system: all that it reads is in its inputs."""
    gates = {"offloader.features": ["volume", "local"], "offloader.mc_passes": [2]}
    stage = _empty_stage(tmp_path_factory.mktemp("tiny"), {**gates, "label.l0": [0.3, 0.5]})
    _write_tiny_system(stage)
    return stage


@pytest.fixture(scope="session")
def tiny_bundle(tiny_stage: "Stage") -> Path:
    """Give the folder of a tiny exported model; copy it before you change a byte."""
    from tasks import export

    export.run(tiny_stage)
    return tiny_stage.out


def _empty_stage(root: Path, overrides: "Overrides") -> "Stage":
    """Give the stage `export` of a tiny setting; the folders of its inputs are empty."""
    from ddnn.arithmetic import Arithmetic
    from ddnn.params import load_params
    from tasks.stage import Stage

    folders = {name: root / name for name in ("download", "grid", "train", "offloader", "export")}
    for folder in folders.values():
        folder.mkdir()
    days = {"split.test_days": 2, "split.validation_days": 2, "split.calibration_days": 1}
    params = load_params(
        Path(__file__).parents[1] / "params.yaml", {"setting.N": 4, **days, **overrides}
    )
    out = folders.pop("export")
    return Stage(params, folders, out, root, Arithmetic(1, "float32", "contiguous", "any"))


def _write_past(stage: "Stage", values: "NDArray[np.float64]", grid: "Grid") -> Demand:
    """Write hourly demand of some VNFs, its scaling and its grid, as the first stages do."""
    from ddnn.demand import Scaling, write_demand

    names = tuple(f"vnf{index}" for index in range(values.shape[1]))
    demand = Demand(values, 1383260400, 3600, names, "activity", "Europe/Rome", "tiny")
    write_demand(demand, stage.inputs["download"])
    for name, part in (("grid", grid), ("scaling", Scaling.fit(values))):
        (stage.inputs["grid"] / f"{name}.json").write_text(json.dumps(part.to_json()))
    return demand


def _write_tiny_system(stage: "Stage") -> None:
    import torch

    from ddnn.grid import Grid
    from ddnn.nets import build_exits, find_preset, save_exits
    from ddnn.offload.optimized import Gate, GatePlan, OptimizedRule
    from ddnn.offload.rules import RuleSet
    from ddnn.offload.samples import observe
    from tasks.prepared import prepare

    N, vnfs, grid = stage.params.setting.N, 5, Grid.in_order(5)
    _write_past(stage, np.random.default_rng(0).uniform(5, 50, (24 * 8, vnfs)), grid)
    exits = build_exits(find_preset("paper"), grid, N, dropout=0.1, seed=0).eval()
    save_exits(exits, stage.inputs["train"])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plans = (
            GatePlan("volume", (N, vnfs), 8, 0.0, grid),
            GatePlan("local", (vnfs,), 8, 0.0),
        )
        gates = {
            f"optimized_{plan.feature}": {l0: OptimizedRule(Gate(plan)) for l0 in (0.3, 0.5)}
            for plan in plans
        }
    prepared = prepare(stage)
    days = prepared.split.calibration
    samples = observe(exits, prepared.windows(days)[0], np.array(days))
    rules = RuleSet.calibrate(exits, gates, samples, 0, stage.params.offloader)
    rules.save(stage.inputs["offloader"], stage.params.label.l0)


@pytest.fixture(scope="session")
def anchored_stage(tmp_path_factory: pytest.TempPathFactory) -> "Stage":
    """Give the stage `export` of a tiny system whose exits predict a distribution, untrained."""
    preset = {"train.preset": "anchored", "evaluate.rule": "expected_cost"}
    stage = _empty_stage(tmp_path_factory.mktemp("anchored"), preset)
    _write_anchored_system(stage)
    return stage


@pytest.fixture(scope="session")
def anchored_bundle(anchored_stage: "Stage") -> Path:
    """Give the folder of a tiny exported model whose exits predict a distribution."""
    from tasks.anchored import export

    export.run(anchored_stage)
    return anchored_stage.out


def _write_anchored_system(stage: "Stage") -> None:
    import torch

    from ddnn.context import Clock
    from ddnn.grid import Grid
    from ddnn.nets.anchored import (
        Allocator,
        HeldOut,
        SeriesStatistics,
        build_anchored,
        find_anchored,
        predict,
        save_allocator,
        save_anchored,
        save_held_out,
    )
    from tasks.anchored import offloader
    from tasks.anchored.days import trained_on
    from tasks.anchored.past import contexts, met
    from tasks.prepared import prepare

    rng, vnfs = np.random.default_rng(0), 5
    grid = Grid(2, 3, np.array([4, 0, 5, 2, 1]))  # cell 3 is empty
    hours = np.arange(24 * 11)[:, None]
    cycle = 1.2 + np.sin(2 * np.pi * hours / 24 + rng.uniform(0, 0.5, vnfs))
    values = rng.uniform(5, 50, vnfs) * cycle * rng.uniform(0.9, 1.1, (len(hours), vnfs))
    demand = _write_past(stage, values, grid)
    prepared = prepare(stage)
    usual = SeriesStatistics.fit(prepared.values_scaled[:150])
    clock = Clock(demand.start, demand.slot_seconds, demand.timezone)
    exits = build_anchored(find_anchored("anchored"), grid, 4, clock, usual, seed=0).eval()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():  # as training would: untrained, both exits say the same
        for head in (exits.F1, exits.F2_head):
            head.last.weight.normal_(0, 0.3, generator=draw)
    save_anchored(exits, stage.inputs["train"])
    days = prepared.split.validation
    allocator = Allocator.fit(exits, contexts(prepared, days, exits.reaches), met(prepared, days))
    save_allocator(allocator, stage.inputs["train"])
    before = trained_on(prepared.split)  # untrained exits know no day by heart
    said = predict(exits, contexts(prepared, before, exits.reaches))
    save_held_out(HeldOut(before.start, *said), stage.inputs["train"])
    offloader.run(replace(stage, out=stage.inputs["offloader"]))
