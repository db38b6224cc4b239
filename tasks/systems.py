"""The trained systems, ready to allocate on any days: what ``evaluate`` judges."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ddnn.alternatives import LastValueHeadroom
from ddnn.evaluation.outcome import Outcome
from ddnn.nets import Exits, load_exits
from ddnn.offload import decide
from ddnn.offload.rules import RuleSet, gate_file, load_rules
from ddnn.offload.samples import Samples, gather
from tasks.prepared import Prepared
from tasks.stage import Stage

Array = NDArray[np.float64]


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
        self.exits = load_exits(stage.inputs["train"])
        self.deepcog = load_exits(stage.inputs["deepcog"])
        self.rules = load_rules(
            stage.inputs["offloader"], self.exits, params.setting.seed, params.offloader
        )
        file = stage.inputs["alternatives"] / "last_value_headroom.json"
        self.headroom = LastValueHeadroom.from_json(json.loads(file.read_text(encoding="utf-8")))

    def on(self, targets: range) -> Days:
        """Allocate on the target slots with every system."""
        D, d = self.prepared.windows(targets)
        cost = self.prepared.cost

        def cost_of_served(y: Array, d: Array) -> Array:
            return cost(self._served(y), d)

        # y_L in the samples stays as it is: rules read it before anything is served.
        samples = gather(self.exits, D, d, np.asarray(targets), cost_of_served, self.needs_latent)
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
            D, d = self.prepared.windows(slots)
            samples = gather(
                self.exits, D, d, np.asarray(slots), self.prepared.cost, self.needs_latent
            )
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
