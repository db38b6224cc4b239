"""Which decisions the edge may take alone: rules that score them, thresholds, Algorithm 1.

Re-exported here is what needs numpy only. The rules themselves run networks: all those of a trained
pipeline come from ``ddnn.offload.rules``, the Oracle from ``ddnn.offload.baselines``.
"""

from ddnn.offload.calibration import (
    assured_statistic,
    decide,
    l0_key,
    order_statistic,
    threshold_to_json,
)
from ddnn.offload.labelling import algorithm_1, hard_labels

__all__ = [
    "algorithm_1",
    "assured_statistic",
    "decide",
    "hard_labels",
    "l0_key",
    "order_statistic",
    "threshold_to_json",
]
