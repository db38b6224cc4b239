"""Stage ``offloader`` of the preset ``anchored``: the rules that its edge ranks decisions by."""

from ddnn.offload.anchored import save_known_rules
from ddnn.offload.expected_benefit import ExpectedBenefit
from ddnn.offload.expected_cost import ExpectedCost
from ddnn.offload.known_gates import KnownGate
from tasks.anchored.system import AnchoredSystem
from tasks.prepared import prepare
from tasks.stage import Stage


def run(stage: Stage) -> None:
    """Write rules.json: each rule, its scores on the days before the test, and thresholds."""
    prepared = prepare(stage)
    system = AnchoredSystem.load(stage.inputs["train"], prepared)
    local, _ = system.allocator.rules(prepared.cost)
    gates: dict[str, KnownGate] = {}
    for name in dict.fromkeys(stage.params.anchored.rules):
        gates[name] = ExpectedCost(local) if name == ExpectedCost.name else _fit(system)
    before, _ = system.observe(system.before_the_test())
    save_known_rules(stage.out, gates, before, stage.params.label.l0)


def _fit(system: AnchoredSystem) -> ExpectedBenefit:
    split = system.prepared.split
    days = system.days(range(split.train.start, split.validation_fit.stop))
    return system.expected_benefit(days, system.prepared.cost)
