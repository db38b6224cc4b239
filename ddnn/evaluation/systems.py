"""The systems side by side: what each costs, with paired intervals, and which is the cheapest."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ddnn.evaluation.bootstrap import Interval, Resampler
from ddnn.evaluation.outcome import Outcome

SYSTEMS = ("local", "remote", "deepcog", "last_value_headroom", "system")
"""Local exit, remote exit, centralised baseline, last value + constant, the deployed DDNN."""
LAYERS = ("local", "remote", "deepcog", "system")
"""Those that run the paper's layers."""
REFERENCES = ("last_value_headroom", "deepcog")


def judge_systems(outcomes: Mapping[str, Outcome], resampler: Resampler) -> dict[str, Any]:
    """Give each system's means, intervals and ratios to the references and to the cheapest.

    Args:
        outcomes: By the names of SYSTEMS, over the same slots.
        resampler: Draws of days, the same for all.
    """
    first, _ = _two_cheapest(outcomes)
    judged: dict[str, Any] = {}
    for name, outcome in outcomes.items():
        cost = resampler.mean(outcome.cost)
        judged[name] = outcome.means() | {"C_low": cost.low, "C_high": cost.high}
        judged[name]["ratio_to"] = {
            reference: _plain(resampler.ratio(outcome.cost, outcomes[target].cost))
            for reference, target in (
                *zip(REFERENCES, REFERENCES, strict=True),
                ("cheapest", first),
            )
            if target in outcomes
        }
    return judged


def cheapest(outcomes: Mapping[str, Outcome], resampler: Resampler) -> dict[str, Any]:
    """Name the cheapest system, and tell whether another sample of days might name another.

    Returns:
        ``system``, ``C``, ``runner_up``, ``ratio`` (runner-up to cheapest: value, low, high) and
        ``significant``: the whole interval of the ratio lies above 1. A system that decides as the
        cheapest in every slot is no runner-up, but named in ``same_as``.
    """
    first, second = _two_cheapest(outcomes)
    same = [
        name
        for name in outcomes
        if name != first and np.array_equal(outcomes[name].cost, outcomes[first].cost)
    ]
    found: dict[str, Any] = {
        "system": first,
        "C": float(outcomes[first].cost.mean()),
        "same_as": same,
        "runner_up": second,
        "ratio": None,
        "significant": False,
    }
    if second is not None:
        ratio = resampler.ratio(outcomes[second].cost, outcomes[first].cost)
        found |= {"ratio": _plain(ratio), "significant": ratio.above_one}
    return found


def against(
    outcomes: Mapping[str, Outcome], reference: str, resampler: Resampler
) -> dict[str, str]:
    """Say of each system of the paper's layers whether it wins, loses or is even.

    ``even`` means that the interval of the ratio holds 1; ``open`` that there is no interval.
    """
    verdicts = {}
    for name in LAYERS:
        if name not in outcomes or name == reference:
            continue
        ratio = resampler.ratio(outcomes[name].cost, outcomes[reference].cost)
        verdicts[name] = _verdict(ratio)
    return verdicts


def _verdict(ratio: Interval) -> str:
    if ratio.low is None:
        return "open"
    return "loses" if ratio.above_one else "wins" if ratio.below_one else "even"


def _two_cheapest(outcomes: Mapping[str, Outcome]) -> tuple[str, str | None]:
    ranked = sorted(outcomes, key=lambda name: float(outcomes[name].cost.mean()))
    first = ranked[0]
    others = (
        name for name in ranked[1:] if not np.array_equal(outcomes[name].cost, outcomes[first].cost)
    )
    return first, next(others, None)


def _plain(ratio: Interval) -> dict[str, float | None]:
    return {key: _finite(value) for key, value in ratio.to_json().items()}


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
