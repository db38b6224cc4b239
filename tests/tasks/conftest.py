"""A tiny pipeline up to ``evaluate``, trained for two epochs, for the tests of what follows."""

import json
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from ddnn.arithmetic import Arithmetic
from ddnn.demand import Demand, write_demand
from ddnn.params import Params, load_params
from tasks.registry import BY_NAME
from tasks.stage import Stage

OVERRIDES = {
    "setting.N": 4,
    "split.test_days": 3,
    "split.validation_days": 4,
    "split.calibration_days": 1,
    "train.max_epochs": 2,
    "label.l0": [0.3, 0.5],
    "offloader.features": ["volume", "local"],
    "offloader.max_epochs": 2,
    "offloader.mc_passes": [2, 10],
    "evaluate.bootstrap.samples": 100,
}


@dataclass(frozen=True)
class Pipeline:
    """Finished stages, one folder each."""

    root: Path
    params: Params

    def run(self, name: str, out: Path | None = None, params: Params | None = None) -> Path:
        """Run a stage on the outputs that are there; ``out`` is a new folder of its own."""
        folder = out or self.root / name
        folder.mkdir(parents=True)
        inputs = {stage: self.root / stage for stage in BY_NAME[name].inputs}
        scratch = self.root / "scratch" / folder.name
        scratch.mkdir(parents=True, exist_ok=True)
        arithmetic = Arithmetic(1, "float32", "contiguous", "any")
        stage = Stage(params or self.params, inputs, folder, scratch, arithmetic)
        import_module(BY_NAME[name].module).run(stage)
        return folder

    def changed(self, **evaluate: object) -> Params:
        """Give the settings with other values in the group evaluate."""
        group = self.params.evaluate.model_copy(update=evaluate)
        return self.params.model_copy(update={"evaluate": group})

    def linked(self, root: Path, *names: str) -> "Pipeline":
        """Give a pipeline elsewhere that stands on the same outputs of the named stages."""
        root.mkdir(parents=True, exist_ok=True)
        for name in names:
            (root / name).symlink_to(self.root / name)
        return replace(self, root=root)


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Give a tiny pipeline whose stages up to ``evaluate`` have run."""
    root = tmp_path_factory.mktemp("pipeline")
    params = load_params(Path(__file__).parents[2] / "params.yaml", OVERRIDES)
    made = Pipeline(root, params)
    (root / "download").mkdir()
    _write_download(root / "download")
    for name in ("grid", "train", "deepcog", "alternatives", "label", "offloader", "evaluate"):
        made.run(name)
    return made


def _write_download(folder: Path) -> None:
    rng = np.random.default_rng(0)
    hours = np.arange(24 * 12)
    level = rng.uniform(5, 50, 5)
    cycle = 1.2 + np.sin(2 * np.pi * hours / 24)[:, None]
    values = level * cycle * rng.uniform(0.8, 1.2, (len(hours), 5))
    names = tuple(f"vnf{index}" for index in range(5))
    write_demand(Demand(values, 1383260400, 3600, names, "activity", "Europe/Rome", "tiny"), folder)
    gaps = {
        "policy": "interpolate",
        "missing_slots": 1,
        "empty_cells": 2,
        "repaired_cells": 7,
        "longest_found": 2,
    }
    quality = {
        "source": "matrix",
        "first_slot": "2013-10-31T23:00:00Z",
        "last_slot": "2013-11-12T22:00:00Z",
        "gaps": gaps,
        "constant_series": [],
        "warnings": ["a <warning> & more"],
    }
    (folder / "quality.json").write_text(json.dumps(quality), encoding="utf-8")
