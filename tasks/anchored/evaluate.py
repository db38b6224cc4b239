"""Stage ``evaluate`` of the preset ``anchored``: the same numbers, of its own exits and rules."""

import torch

from ddnn.context import Reach
from ddnn.evaluation.latency import Payload, RuleWork
from ddnn.evaluation.size import count_macs, count_parameters
from ddnn.nets.anchored import AnchoredExits
from ddnn.nets.anchored.features import Seen
from ddnn.offload.anchored import JudgedSamples, load_known_rules
from ddnn.offload.rules import RuleSet
from tasks.anchored.system import AnchoredSystem
from tasks.evaluate import judge
from tasks.stage import Stage
from tasks.systems import Price, Systems


def run(stage: Stage) -> None:
    """Judge all on the test days; see tasks/evaluate.py for what is written."""
    judge(stage, AnchoredSystems)


class AnchoredSystems(Systems):
    """The same systems, with exits that predict a distribution."""

    def gather(self, targets: range, price: Price) -> JudgedSamples:
        """Run both exits on the targets, decide, and price what they allocate."""
        return self.anchored.judge(targets, price)

    def block_sizes(self) -> dict[str, dict[str, int]]:
        """Parameters and MACs of F0, F1, and F2 with its memory, which runs at the edge."""
        return anchored_sizes(self.anchored.exits)

    def payload(self) -> Payload:
        """Bytes that travel: z and the memory; the answer is a location and a spread."""
        exits = self.anchored.exits
        channels = exits.preset.latent[-1] + exits.preset.memory
        sent = Payload.of(channels * exits.grid.rows * exits.grid.columns, exits.N, exits.vnfs)
        return Payload(sent.latent, sent.window, sent.newest, 2 * sent.answer)

    def rule_work(self) -> dict[str, RuleWork]:
        """Give what each rule adds: F1, where it reads what the edge predicts."""
        added = {name: RuleWork() for name in ("cloud", "edge", "random")}
        return added | {name: RuleWork(reads_local=True) for name in self.rules.uncertainty}

    def _load(self, stage: Stage) -> RuleSet:
        self.anchored = AnchoredSystem.load(stage.inputs["train"], self.prepared)
        return load_known_rules(
            stage.inputs["offloader"],
            self.anchored.allocator,
            self.prepared.cost,
            stage.params.setting.seed,
        )


def anchored_sizes(exits: AnchoredExits) -> dict[str, dict[str, int]]:
    """Parameters and MACs of one decision in F0, F1 and F2."""
    near, far = (_nothing(exits, reach) for reach in (exits.reaches.edge, exits.reaches.cloud))
    with torch.no_grad():
        z = exits.latent(near)
    parts = {
        "F0": ((exits.F0,), lambda: exits.latent(near)),
        "F1": ((exits.F1,), lambda: exits.local(z, near.last)),
        "F2": ((exits.memory, exits.F2, exits.F2_head), lambda: exits.remote(z, far)),
    }
    return {
        name: {"parameters": count_parameters(*modules), "macs": count_macs(exits, run_part)}
        for name, (modules, run_part) in parts.items()
    }


def _nothing(exits: AnchoredExits, reach: Reach) -> Seen:
    lags, M = len(reach.lags), exits.vnfs
    shapes = ((reach.recent, M), (reach.recent,), (lags, reach.width, M), (lags, reach.width), (4,))
    return Seen(*(torch.zeros(1, *shape) for shape in shapes))
