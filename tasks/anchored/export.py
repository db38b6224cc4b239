"""Stage ``export`` of the preset ``anchored``: all that decides and allocates, with its hashes."""

from ddnn.nets.anchored import load_anchored
from ddnn.runtime.anchored_bundle import write_anchored_bundle
from ddnn.runtime.bundle import BundleFacts
from tasks.anchored.past import contexts
from tasks.prepared import prepare
from tasks.stage import Stage


def run(stage: Stage) -> None:
    """Write the bundle, and hold its ONNX files against the trained network, on validation days."""
    # Not on the test days: what a model is, and its id, must not depend on them.
    prepared = prepare(stage)
    facts = BundleFacts.collect(
        stage.params, prepared.demand, prepared.scaling, prepared.grid, "anchored"
    )
    reaches = load_anchored(stage.inputs["train"]).reaches
    write_anchored_bundle(
        stage.out,
        facts,
        trained=stage.inputs["train"],
        rules=stage.inputs["offloader"],
        calibration=contexts(prepared, prepared.split.calibration, reaches),
    )
