"""Algorithm 1: the critical benefit, and the labels that come from it (numpy only)."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddnn.offload.calibration import order_statistic

Critical = Literal["corrected", "literal"]


def algorithm_1(
    local_cost: ArrayLike, remote_cost: ArrayLike, l0: float, critical: Critical
) -> float:
    """Compute the critical benefit b* (Algorithm 1).

    A decision whose benefit ``local_cost - remote_cost`` is at most b* is easy, the others are
    hard. The paper's b* (``literal``) is the order statistic of the benefits at ``l0``. Where it
    is negative it does not solve problem (11): whatever the edge does better belongs to the edge,
    however small ``l0`` is. The optimum is ``max(b*, 0)`` (``corrected``).

    Args:
        local_cost: ``(K,)`` hard cost of the local exit.
        remote_cost: ``(K,)`` hard cost of the remote exit.
        l0: Least share of local decisions, in [0, 1].
        critical: Which of the two.

    Returns:
        b*, in units of cost; ``-inf`` for the literal one at ``l0 = 0``: none is easy.
        Of several samples that tie at a positive b*, all are easy, so that the label depends on the
        benefit alone; (11) would take only as many of them as ``l0`` needs.

    Raises:
        ParamsError: ``l0`` is outside [0, 1].
        ModelError: There are no costs, or one is not a number.
    """
    benefit = np.asarray(local_cost, dtype=np.float64) - np.asarray(remote_cost, dtype=np.float64)
    literal = order_statistic(benefit, l0)
    return literal if critical == "literal" else max(literal, 0.0)


def hard_labels(benefit: ArrayLike, critical_benefit: float) -> NDArray[np.bool_]:
    """Label samples as hard (true: the cloud's benefit is worth the way) or easy.

    Args:
        benefit: ``(K,)`` cost of the local exit minus cost of the remote exit.
        critical_benefit: b* of :func:`algorithm_1`.

    Returns:
        ``(K,)``; a benefit equal to b* is easy, as for the Oracle of Table II.
    """
    return np.asarray(np.asarray(benefit, dtype=np.float64) > critical_benefit)
