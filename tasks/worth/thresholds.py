"""From a rule's scores to decisions on the test days: ways to set a threshold for an L0.

``frozen`` on days before the test, ``margin`` on them with a margin, ``tracked``. None of them sees
an outcome of the test days.
"""

import numpy as np
from numpy.typing import NDArray

from ddnn.evaluation.worth.result import decision_name
from ddnn.offload.calibration import assured_statistic, decide, order_statistic
from ddnn.offload.tracker import track
from ddnn.params import WorthParams

Floats = NDArray[np.float64]


def ways(
    rule: str, price: str, scores: tuple[Floats, Floats], worth: WorthParams, per_day: float
) -> dict[str, NDArray[np.bool_]]:
    """Decide on the test days in each way to set the threshold, for each L0.

    Args:
        rule: Name of the rule.
        price: What follows it in the arrays' names.
        scores: Of the days that the threshold is set on, and of the test days.
        worth: L0s, margin, tracker.
        per_day: Slots of a day.
    """
    before, test = scores
    found = {}
    for l0 in worth.l0:
        each = {
            "frozen": frozen(before, test, l0),
            "margin": with_margin(before, test, l0, worth, per_day),
            "tracked": tracked(before, test, l0, worth, per_day),
        }
        found |= {decision_name(f"{rule}_{way}_{price}", l0): local for way, local in each.items()}
    return found


def frozen(before: Floats, test: Floats, l0: float) -> NDArray[np.bool_]:
    """Decide (K,) by the threshold that left l0 of the decisions before the test local."""
    return decide(test, order_statistic(before, l0))


def with_margin(
    before: Floats, test: Floats, l0: float, worth: WorthParams, slots_per_day: float
) -> NDArray[np.bool_]:
    """Decide (K,) by a frozen threshold whose margin makes L >= l0 with a stated probability."""
    days = np.floor(np.arange(len(before)) / slots_per_day)
    ahead = max(1, round(len(test) / slots_per_day))
    return decide(test, assured_statistic(before, l0, days, ahead, worth.whole.confidence))


def tracked(
    before: Floats, test: Floats, l0: float, worth: WorthParams, slots_per_day: float
) -> NDArray[np.bool_]:
    """Decide (K,) one after the other by a threshold that follows the scores."""
    memory, horizon = (
        max(1, round(days * slots_per_day))
        for days in (worth.tracker.memory_days, worth.tracker.horizon_days)
    )
    return track(test, before, l0, memory=memory, horizon=horizon).local
