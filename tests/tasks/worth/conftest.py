"""A tiny demand of 26 days, two windows of which are split as the real ones are."""

from pathlib import Path

import pytest

from ddnn.demand import write_demand
from ddnn.params import Params, load_params

ROOT = Path(__file__).parents[3]
TINY = {
    "setting.N": 4,
    "split.test_days": 2,
    "split.validation_days": 4,
    "split.calibration_days": 2,
    "train.max_epochs": 1,
    "offloader.max_epochs": 1,
    "offloader.mc_passes": [2],
    "evaluate.bootstrap.samples": 100,
    "worth.seeds": [0],
    "worth.boosting_seeds": [0, 1],
    "worth.windows": [0, 2, 4],
    "anchored.cross_fitting": {"folds": 2, "fold_epochs": 2, "epochs": 2, "teaching": 1.0},
    "worth.separate.likelihood.max_epochs": 2,
    "worth.separate.max_epochs": 1,
}


@pytest.fixture(scope="session")
def tiny_params() -> Params:
    """Give settings of a tiny evaluation."""
    return load_params(ROOT / "params.yaml", TINY)


@pytest.fixture
def demand_folder(tmp_path, make_demand) -> Path:
    """Give a stored demand of 26 days of five VNFs, as the stage ``download`` leaves it."""
    folder = tmp_path / "whole"
    folder.mkdir()
    write_demand(make_demand(slots=24 * 26), folder)
    return folder
