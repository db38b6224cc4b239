"""The ONNX model says in units what torch says."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from ddnn.demand import read_demand, windows
from ddnn.errors import ModelError
from ddnn.runtime.bundle import load_bundle
from ddnn.runtime.onnx_model import UnitExits, check_onnx
from tasks.stage import Stage


def test_any_batch_of_demand_in_units_gives_allocations_in_units(
    tiny_bundle: Path, tiny_stage: Stage
) -> None:
    bundle = load_bundle(tiny_bundle)
    demand = read_demand(tiny_stage.inputs["download"])
    session = onnxruntime.InferenceSession(tiny_bundle / "model.onnx")
    for count in (1, 2, 30):
        targets = range(bundle.facts.N, bundle.facts.N + count)
        in_units, _ = windows(demand.values, targets, bundle.facts.N)
        scaled, _ = windows(bundle.scaling.scale(demand.values), targets, bundle.facts.N)
        with torch.no_grad():
            expected = bundle.exits(torch.from_numpy(scaled))

        found = session.run(["local", "remote"], {"demand": in_units})

        for here, there in zip(found, expected, strict=True):
            np.testing.assert_allclose(
                here, bundle.scaling.unscale(there.numpy()), rtol=1e-4, atol=1e-3
            )


def test_a_file_that_differs_from_torch_is_refused(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    other = UnitExits(bundle.exits, bundle.scaling.minimum, bundle.scaling.span * 1.01)
    demand = np.full((3, bundle.facts.N, 5), 20, dtype=np.float32)

    with pytest.raises(ModelError, match="differs from torch by"):
        check_onnx(tiny_bundle / "model.onnx", other, demand)
