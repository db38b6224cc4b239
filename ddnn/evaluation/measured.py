"""What the paper's experiment measured: the runs of each setting, seed by seed, and their sizes.

One value carries it to the claims, the figures and the report. Paths and trackers stay outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.evaluation.latency import Times

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SeedRun:
    """One pipeline run of a setting."""

    seed: int
    evaluation: Mapping[str, Any]
    """evaluation.json; its layout stands in tasks/evaluate.py."""
    slots: Mapping[str, Array]
    """Columns of slots.parquet, each (K,): ``cost_NAME`` of every system, ``benefit``,
    ``score_NAME`` of every ranking (a gate's bears its L0: ``score_optimized_volume_l50``),
    ``total_demand``, ``total_local``, ``total_remote`` in the user's units; ``time`` in seconds
    UTC; ``local``, the deployed decision, as 0 and 1."""


@dataclass(frozen=True)
class Snapshots:
    """A gate that learned the training samples, looked at after its first epoch and late."""

    seed: int
    late_epoch: int
    l0: float
    critical: float
    """b* of the training samples at this L0, as printed in the paper (literal)."""
    benefit: Array
    """(K,) on the training samples."""
    first: Array
    """(K,) probability of `hard` after epoch 1."""
    late: Array
    """(K,) after ``late_epoch``."""


@dataclass(frozen=True)
class MeasuredTimes:
    """This machine's times of one decision, medians in ms, one thread."""

    layers: Times
    """F0, F1, F2 measured; the round trip stays the paper's."""
    rules: Mapping[str, float]
    """Time that a rule adds to each decision: its gate, or its B passes through F0 and F1."""
    machine: str


@dataclass(frozen=True)
class Measured:
    """All of it, for one demand."""

    demand: str
    """``milano25`` or ``city49``, or the name of the user's own."""
    runs: Mapping[str, tuple[SeedRun, ...]]
    """By setting (``fig4b``), the seeds in order; every run judges the same test slots."""
    original: Mapping[str, Array]
    """By setting: (K,) cost of `deepcog_original`, seed 0."""
    snapshots: tuple[Snapshots, ...]
    """In the setting of Fig. 4d, seed by seed."""
    table3: Mapping[str, Mapping[str, int]]
    """``parameters`` and ``macs`` of F0, F1, F2: preset `table3`, a volume of 8 x 8 x 24."""
    times: MeasuredTimes | None
    """None where they were not measured."""

    def costs(self, setting: str, system: str) -> Array:
        """(seeds, K) cost of a system in every slot: local, remote, deepcog, system, ..."""
        return np.stack([run.slots[f"cost_{system}"] for run in self.runs[setting]])

    def scores(self, setting: str, ranking: str) -> Array:
        """(seeds, K) scores of a ranking."""
        return np.stack([run.slots[f"score_{ranking}"] for run in self.runs[setting]])
