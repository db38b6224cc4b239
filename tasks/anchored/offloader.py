"""Stage ``offloader`` of the preset ``anchored``: the rules that its edge ranks decisions by."""

from ddnn.decision import Predicted
from ddnn.nets.anchored import predict
from ddnn.offload.anchored import observe, save_known_rules
from ddnn.offload.expected_benefit import ExpectedBenefit
from ddnn.offload.expected_cost import ExpectedCost
from ddnn.offload.known_gates import KnownGate
from tasks.anchored.past import contexts
from tasks.anchored.system import AnchoredSystem
from tasks.prepared import prepare
from tasks.stage import Stage


def run(stage: Stage) -> None:
    """Write rules.json: each rule, its scores on the calibration days, and thresholds."""
    prepared = prepare(stage)
    system = AnchoredSystem.load(stage.inputs["train"], prepared)
    local, _ = system.allocator.rules(prepared.cost)
    gates: dict[str, KnownGate] = {}
    for name in dict.fromkeys(stage.params.anchored.rules):
        gates[name] = ExpectedCost(local) if name == ExpectedCost.name else _fit(system)
    calibration, _ = system.observe(prepared.split.calibration)
    save_known_rules(stage.out, gates, calibration, stage.params.label.l0)


def _fit(system: AnchoredSystem) -> ExpectedBenefit:
    """Fit the student of the remote exit: no demand to come is looked at, so training days do."""
    prepared = system.prepared
    days = range(prepared.split.train.start, prepared.split.validation_fit.stop)
    context = contexts(prepared, days, system.exits.reaches)
    seen, _ = observe(system.exits, system.allocator, prepared.cost, context, days)
    remote: Predicted = predict(system.exits, context)[1]
    return ExpectedBenefit.fit(seen.known, remote, system.allocator.remote, prepared.cost)
