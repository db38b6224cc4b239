"""Fixtures of the evaluation's and the figures' tests."""

from collections.abc import Callable
from typing import Any

import pytest


def _point(asked: float, reached: float, **more: Any) -> dict[str, Any]:
    cost = 2.0 + reached
    return {
        "L0": asked,
        "u": 0.4,
        "L": reached,
        "C": cost,
        "C_low": cost - 0.1,
        "C_high": cost + 0.1,
        "capture": 0.3,
        "violation_rate": 0.04,
        "mean_overprovision": 0.1,
        "gate_L0": asked,
        "latency_ms": 20.0,
        "latency_with_rule_ms": 20.4,
    } | more


def _ratio(value: float, reach: float = 0.05) -> dict[str, float]:
    return {"value": value, "low": value - reach, "high": value + reach}


def _system(cost: float, last_value: float, deepcog: float) -> dict[str, Any]:
    return {
        "C": cost,
        "C_low": 0.95 * cost,
        "C_high": 1.05 * cost,
        "cost_in_units": 100 * cost,
        "violation_rate": 0.04,
        "mean_overprovision": 0.1,
        "L": None,
        "latency_ms": None,
        "ratio_to": {
            "last_value_headroom": _ratio(cost / last_value),
            "deepcog": _ratio(cost / deepcog),
            "cheapest": _ratio(1.0),
        },
    }


def _verdict(ratio: dict[str, float]) -> str:
    return "loses" if ratio["low"] > 1 else "wins" if ratio["high"] < 1 else "even"


@pytest.fixture
def make_evaluation() -> Callable[..., dict[str, Any]]:
    """Give a maker of small evaluations: like evaluation.json, by the costs of the systems."""

    def make(
        local: float = 3.0,
        remote: float = 2.0,
        deepcog: float = 2.2,
        last_value: float = 1.5,
        system: float = 2.5,
        reached: float = 0.52,
    ) -> dict[str, Any]:
        costs = {"local": local, "remote": remote, "deepcog": deepcog}
        costs |= {"last_value_headroom": last_value, "system": system}
        systems = {name: _system(cost, last_value, deepcog) for name, cost in costs.items()}
        first, second = sorted(costs, key=lambda name: costs[name])[:2]
        lead = _ratio(costs[second] / costs[first])
        equal = {
            "L": 0.5,
            "cost": _ratio(2.4),
            "to_random": _ratio(0.9),
            "to_reference": _ratio(1.0),
            "capture": _ratio(0.3, 0.2),
        }
        others = {
            "optimized_volume": equal,
            "uncertainty_b10": equal | {"to_reference": _ratio(1.2)},
            "uncertainty_b2": equal | {"to_reference": _ratio(0.8), "capture": None},
        }
        points = [_point(asked, asked + 0.02) for asked in (0.3, 0.5, 0.7)]
        return {
            "demand": {"name": "tiny", "vnfs": 5, "timezone": "Europe/Rome", "unit": "activity"},
            "setting": {"cost": "eq3", "c_u": 1.0, "c_o": 1.0, "N": 6, "w": 0.2, "seed": 0},
            "test": {"slots": 720, "days": 5.0, "blocks": 5},
            "systems": systems,
            "cheapest": {
                "system": first,
                "C": costs[first],
                "same_as": [],
                "runner_up": second,
                "ratio": lead,
                "significant": lead["low"] > 1,
            },
            "against_last_value": {
                name: _verdict(row["ratio_to"]["last_value_headroom"])
                for name, row in systems.items()
                if name != "last_value_headroom"
            },
            "deployed": _point(0.5, reached)
            | {
                "rule": "optimized_volume",
                "curve": "optimized_volume_l50",
                "ratio_to_remote": _ratio(system / remote),
                "equal_share": equal,
                "others_at_equal_share": others,
            },
            "rules": {"optimized_volume": points, "uncertainty_b10": points, "random": points},
            "paper_thresholds": {"optimized_volume": [_point(0.3, 0.1), _point(0.7, 0.9)]},
            "benefit": {"local_to_remote": _ratio(local / remote), "local_not_worse": 0.2},
            "latency": {"remote_ms": 42.79},
            "validation": {name: {"C": cost} for name, cost in costs.items()},
        }

    return make
