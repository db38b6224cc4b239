"""The trained systems, ready to allocate on any days: what ``evaluate`` judges."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ddnn.alternatives import LastValueHeadroom
from ddnn.evaluation.latency import Payload, RuleWork
from ddnn.evaluation.outcome import Outcome
from ddnn.evaluation.size import block_sizes, gate_size, latent_values
from ddnn.nets import Exits, load_exits
from ddnn.offload import decide
from ddnn.offload.rules import RuleSet, gate_file, load_rules
from ddnn.offload.samples import Samples, gather
from tasks.prepared import Prepared
from tasks.stage import Stage

Array = NDArray[np.float64]
Price = Callable[[Array, Array], Array]
"""Hard cost of (y, d), both (K, M), to (K,)."""


class Days:
    """Some days with all that was served on them; allocations (K, M) are scaled."""

    def __init__(
        self,
        samples: Samples,
        allocations: Mapping[str, Array],
        local: NDArray[np.bool_],
        prepared: Prepared,
    ) -> None:
        self.samples = samples
        self.allocations = allocations
        self.local = local
        self.outcomes = {
            name: Outcome.of(
                prepared.cost, y, samples.target.astype(np.float64), prepared.scaling.span
            )
            for name, y in allocations.items()
        }


class Systems:
    """The trained networks and rules, ready to allocate on any days."""

    def __init__(self, stage: Stage, prepared: Prepared) -> None:
        self.prepared = prepared
        params = stage.params
        self.rule, self.l0 = params.evaluate.rule, params.evaluate.l0
        self.deepcog = load_exits(stage.inputs["deepcog"])
        self.rules = self._load(stage)
        file = stage.inputs["alternatives"] / "last_value_headroom.json"
        self.headroom = LastValueHeadroom.from_json(json.loads(file.read_text(encoding="utf-8")))

    def on(self, targets: range) -> Days:
        """Allocate on the target slots with every system."""
        D, _ = self.prepared.windows(targets)
        cost = self.prepared.cost

        def cost_of_served(y: Array, d: Array) -> Array:
            return cost(self._served(y), d)

        # y_L in the samples stays as it is: rules read it before anything is served.
        samples = self.gather(targets, cost_of_served)
        threshold = self.rules.threshold(self.rule, self.l0)
        local = decide(self.rules.rule(self.rule, self.l0).score(samples), threshold)
        at_edge, in_cloud = samples.local.astype(np.float64), samples.remote.astype(np.float64)
        allocations = {
            "local": at_edge,
            "remote": in_cloud,
            "deepcog": _remote_only(self.deepcog, D),
            "last_value_headroom": self.headroom.allocate(D),
            "system": np.where(local[:, None], at_edge, in_cloud),
        }
        served = {name: self._served(y) for name, y in allocations.items()}
        return Days(samples, served, local, self.prepared)

    def gather(self, targets: range, price: Price) -> Samples:
        """Run both exits on the targets, and price what they allocate."""
        D, d = self.prepared.windows(targets)
        return gather(self.exits, D, d, np.asarray(targets), price, self.needs_latent)

    def block_sizes(self) -> dict[str, dict[str, int]]:
        """Parameters and MACs of F0, F1, F2."""
        return block_sizes(self.exits)

    def payload(self) -> Payload:
        """Bytes that travel."""
        return Payload.of(latent_values(self.exits), self.exits.N, self.exits.vnfs)

    def rule_work(self) -> dict[str, RuleWork]:
        """Give what each rule adds to a decision."""
        added = {name: RuleWork() for name in ("cloud", "edge", "random")}
        for name in self.rules.uncertainty:
            added[name] = RuleWork(passes=int(name.removeprefix("uncertainty_b")))
        for name, gates in self.rules.gates.items():
            gate = next(iter(gates.values())).gate
            reads_local = gate.plan.feature == "local"
            added[name] = RuleWork(gate_macs=gate_size(gate)["macs"], reads_local=reads_local)
        return added

    def _load(self, stage: Stage) -> RuleSet:
        self.exits = load_exits(stage.inputs["train"])
        params = stage.params
        return load_rules(
            stage.inputs["offloader"], self.exits, params.setting.seed, params.offloader
        )

    def _served(self, y: Array) -> Array:
        """Give what ``ddnn allocate`` writes for scaled y (K, M): never less than 0 in units."""
        zero = self.prepared.scaling.scale(np.zeros(y.shape[-1]))
        # Rounded as the demand is, lest a demand of 0 lie a hair above an allocation of 0.
        return np.maximum(y, zero.astype(np.float32))

    def label_days(self, stage: Stage) -> pd.DataFrame:
        """Give the labelled slots with their costs, and what the deployed gate says of them."""
        labels = pd.read_parquet(stage.inputs["label"] / "labels.parquet")
        table = labels[["slot", "local_cost", "remote_cost", "benefit"]].copy()
        if self.rule in self.rules.gates:
            slots = range(int(table["slot"].iloc[0]), int(table["slot"].iloc[-1]) + 1)
            samples = self.gather(slots, self.prepared.cost)
            table["probability"] = self.rules.rule(self.rule, self.l0).score(samples)
        return table

    @property
    def needs_latent(self) -> bool:
        """Whether a gate reads z, so that it has to be kept."""
        return "optimized_latent" in self.rules.gates


def score_all(rules: RuleSet, samples: Samples) -> dict[str, Array]:
    """Score the samples with every rule that has scores; a gate is named with its L0."""
    scores = {name: rule.score(samples) for name, rule in rules.uncertainty.items()}
    for name, gates in rules.gates.items():
        scores |= {curve_name(name, l0): rule.score(samples) for l0, rule in gates.items()}
    return scores


def curve_name(name: str, l0: float) -> str:
    """Name the ranking of a gate, with its L0: ``optimized_volume_l50``."""
    return f"optimized_{gate_file(name, l0)}"


def _remote_only(exits: Exits, D: Any) -> Array:
    """Allocate with the remote exit alone: some presets have no other."""
    with torch.no_grad():
        parts = [
            exits.remote(exits.latent(torch.from_numpy(np.array(D[start : start + 256]))))
            for start in range(0, len(D), 256)
        ]
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float64)
