"""Everything that learns, learns before the test days: changing them changes none of its bytes."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ddnn.arithmetic import Arithmetic
from ddnn.demand import read_demand
from ddnn.params import load_params
from tasks.artefact import file_sha256
from tasks.registry import spec_of
from tasks.stage import Stage

LEARNING = ("grid", "train", "deepcog", "alternatives", "label", "offloader", "export")
SETTINGS = {
    "download.source": "matrix",
    "split.test_days": 2,
    "split.validation_days": 3,
    "split.calibration_days": 1,
    "train.max_epochs": 2,
    "offloader.max_epochs": 2,
    "offloader.mc_passes": [2],
}
FAMILIES = {
    "paper": {},
    "anchored": {
        "train.preset": "anchored",
        "evaluate.rule": "expected_benefit",
        "anchored.cross_fitting": {
            "folds": 2,
            "fold_epochs": 1,
            "epochs": 1,
            "teaching": 1.0,
            "advice": 0.5,
        },
    },
}


def learn(demand: Path, root: Path, family: str) -> dict[str, str]:
    """Run the stages that learn, and give the hash of each file they write."""
    place = {"download.matrix.path": str(demand), "download.name": "leak"}
    overrides = {**SETTINGS, **FAMILIES[family], **place}
    params = load_params(Path(__file__).parents[2] / "params.yaml", overrides)
    hashes = {}
    for name in ("download", *LEARNING):
        spec = spec_of(name, params)
        inputs = {before: root / before for before in spec.inputs}
        out, scratch = root / name, root / f"{name}-scratch"
        out.mkdir(parents=True)
        scratch.mkdir()
        how = Arithmetic(1, "float32", "contiguous", "any")
        importlib.import_module(spec.module).run(Stage(params, inputs, out, scratch, how))
        if name in LEARNING:
            files = (path for path in sorted(out.rglob("*")) if path.is_file())
            hashes |= {str(path.relative_to(root)): file_sha256(path) for path in files}
    return hashes


@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("paper", "other values"),
        ("paper", "a gap at the border"),
        ("anchored", "a gap at the border"),
    ],
)
def test_test_days_change_no_byte_of_what_is_learned(tmp_path, make_demand, family, change):
    demand = make_demand(slots=24 * 12)
    table = pd.DataFrame(demand.values, columns=list(demand.series))
    table.insert(0, "time", pd.to_datetime(demand.times, unit="s", utc=True))
    border = len(table) - 2 * 24
    if change == "a gap at the border":
        # The repair of the last training-side slot may not look at the first test slot.
        table.iloc[border - 1, 1:] = np.nan
    table.to_csv(tmp_path / "one.csv", index=False)
    rng = np.random.default_rng(1)
    table.iloc[border:, 1:] = rng.uniform(0, 500, (2 * 24, len(demand.series)))
    table.to_csv(tmp_path / "two.csv", index=False)

    one, two = (learn(tmp_path / f"{name}.csv", tmp_path / name, family) for name in ("one", "two"))
    assert one == two
    assert ("train/held_out.npz" in one) == (family == "anchored")
    assert len(one) > 15
    first, second = (read_demand(tmp_path / name / "download") for name in ("one", "two"))
    assert not np.array_equal(first.values, second.values)
