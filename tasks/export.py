"""Stage `export`: everything that decides and allocates, in one folder with its hashes."""

import numpy as np

from ddnn.demand import windows
from ddnn.runtime.bundle import BundleFacts, write_bundle
from ddnn.runtime.export_parts import Calibration
from tasks.prepared import prepare
from tasks.stage import Stage


def run(stage: Stage) -> None:
    """Write the bundle, and hold its ONNX files against the trained network, on validation days."""
    # Not on the test days: what a model is, and its id, must not depend on them.
    prepared = prepare(stage)
    demand, split = prepared.demand, prepared.split
    facts = BundleFacts.collect(stage.params, demand, prepared.scaling, prepared.grid)
    in_units, _ = windows(demand.values, split.validation, facts.N)
    write_bundle(
        stage.out,
        facts,
        exits=stage.inputs["train"],
        rules=stage.inputs["offloader"],
        demand=in_units,
        calibration=Calibration(
            prepared.windows(split.calibration)[0], np.asarray(split.calibration, dtype=np.int64)
        ),
    )
