"""Which decisions the edge may take alone: rules that score them, thresholds, Algorithm 1.

Re-exported here is what needs numpy only. The rules themselves run networks: import them from
``ddnn.offload.rules`` (all of a trained pipeline), ``.uncertainty``, ``.optimized``, ``.baselines``.
"""

from ddnn.offload.calibration import decide, l0_key, order_statistic
from ddnn.offload.labelling import algorithm_1, hard_labels

__all__ = ["algorithm_1", "decide", "hard_labels", "l0_key", "order_statistic"]
