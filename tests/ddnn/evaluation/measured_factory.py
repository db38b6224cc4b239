"""A small synthetic `Measured`, for the tests of what reads one: claims, figures, report.

Costs are drawn so that the knobs hit what they name; all of evaluation.json then follows from the
drawn slots by the library's own functions, as a real evaluation does.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from ddnn.evaluation import (
    PAPER_TIMES,
    Judge,
    Outcome,
    Resampler,
    Times,
    against,
    at_equal_share,
    cheapest,
    expected_latency_ms,
    judge_systems,
)
from ddnn.evaluation.latency import Payload, RuleWork, Work, cloud_macs
from ddnn.evaluation.measured import Measured, MeasuredTimes, SeedRun, Snapshots
from ddnn.evaluation.points import SHARES, nearest, rank_correlation
from ddnn.offload import order_statistic
from ddnn.params import BootstrapParams

SETTINGS = {
    "fig3a_4a": {"c_u": 0.5, "N": 6, "w": 0.2},
    "fig3b": {"c_u": 10.0, "N": 6, "w": 0.4},
    "fig4b": {"c_u": 1.0, "N": 6, "w": 0.2},
    "fig4c": {"c_u": 10.0, "N": 25, "w": 0.4},
    "fig4d": {"c_u": 20.0, "N": 25, "w": 0.7},
}
L0 = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
BOOTSTRAP = BootstrapParams(samples=200, block_days=1, level=0.95)
DEPLOYED = 0.5
FEATURES = ("volume", "demand", "latent", "local")
START = 1385510400
"""Midnight UTC of 27 November 2013."""

_SYSTEMS = ("local", "remote", "deepcog", "last_value_headroom", "system")

Array = np.ndarray
Knob = Any
"""A value for all settings, or a mapping by setting; settings left out take the default."""


def make_measured(
    *,
    demand: str = "milano25",
    vnfs: int = 25,
    settings: Mapping[str, Mapping[str, float]] = SETTINGS,
    seeds: int = 2,
    days: int = 5,
    slots_per_day: int = 24,
    gap: Knob = 0.14,
    spread: Knob = 0.17,
    joint: Knob = -0.03,
    last_value: Knob = 0.98,
    gate_skill: Knob = 0.8,
    feature_skill: Mapping[str, float] | None = None,
    uncertainty_skill: Mapping[int, Knob] | None = None,
    uncertainty_scale: Knob = 0.01,
    seed_noise: float = 0.01,
    excess: Knob = None,
    tracking_noise: float = 0.03,
    snapshot_skill: tuple[float, float] = (0.0, 8.0),
    snapshots: int = 1,
    critical: float = 100.0,
    times: bool = True,
    extra_features: bool = True,
) -> Measured:
    """Make one; every knob has an effect that its name says.

    Args:
        demand: Name of the demand.
        vnfs: Number of VNFs.
        settings: ``c_u``, ``N``, ``w`` by name.
        seeds: Runs of each setting.
        days: Test days.
        slots_per_day: Slots of each.
        gap: C_edge / C_cloud - 1, on average over the seeds.
        spread: Standard deviation of the benefit, as a share of C_cloud.
        joint: C_cloud / C_DeepCog - 1.
        last_value: Cost of last_value_headroom, as a share of C_cloud.
        gate_skill: Correlation of the gates' scores with the benefit, in [-1, 1].
        feature_skill: The same, of the gates on other features than the volume (fig4d).
        uncertainty_skill: The same, of the Uncertainty Rules, by B.
        uncertainty_scale: Median of the uncertainty.
        seed_noise: How far the seeds' costs lie apart.
        excess: (local, remote): totals allocated above the demand, as a share of it.
        tracking_noise: Noise of the totals, as a share of the demand.
        snapshot_skill: Steepness of the gate's probabilities after epoch 1 and late.
        snapshots: Seeds whose gate was looked at; 0 for none.
        critical: b* of the snapshots.
        times: Whether this machine's times were measured.
        extra_features: Whether fig4d has the gates on D, z and y_L.
    """
    runs = {}
    # A setting's draws do not depend on which others there are.
    known = {name: place for place, name in enumerate([*SETTINGS, *settings])}
    known |= {name: place for place, name in enumerate(SETTINGS)}
    for name, setting in settings.items():
        knobs = {
            "gap": _of(gap, name, 0.14),
            "spread": _of(spread, name, 0.17),
            "joint": _of(joint, name, -0.03),
            "last_value": _of(last_value, name, 0.98),
            "skills": {"volume": _of(gate_skill, name, 0.8)},
            "uncertainty": {
                passes: _of((uncertainty_skill or {}).get(passes, default), name, default)
                for passes, default in ((2, 0.2), (10, 0.5))
            },
            "scale": _of(uncertainty_scale, name, 0.01),
            "noise": seed_noise,
            "excess": _of(excess, name, (0.05, 0.05) if setting["c_u"] <= 1 else (0.9, 0.6)),
            "tracking": tracking_noise,
        }
        if name == "fig4d" and extra_features:
            skills = dict.fromkeys(FEATURES[1:], knobs["skills"]["volume"])
            knobs["skills"] |= skills | dict(feature_skill or {})
        runs[name] = tuple(
            _run(demand, vnfs, setting, seed, (days, slots_per_day), knobs, 100 * known[name])
            for seed in range(seeds)
        )
    return Measured(
        demand=demand,
        runs=runs,
        original={name: 1.05 * of[0].slots["cost_deepcog"] for name, of in runs.items()},
        snapshots=tuple(_snapshots(seed, snapshot_skill, critical) for seed in range(snapshots)),
        table3=table3(),
        times=_times() if times else None,
    )


def table3() -> dict[str, dict[str, int]]:
    """Give the sizes of the preset ``table3`` on 8 x 8 x 24, by hand."""
    voxels, vnfs = 8 * 8 * 24, 49
    first, second = (32 * voxels, 128, 64, vnfs), (16 * voxels, 512, 128, 64, vnfs)
    return {
        "F0": {"parameters": 27 * 32 + 32, "macs": 27 * 32 * voxels},
        "F1": {"parameters": _dense(first) + sum(first[1:]), "macs": _dense(first)},
        "F2": {
            "parameters": 125 * 32 * 16 + 16 + _dense(second) + sum(second[1:]),
            "macs": 125 * 32 * 16 * voxels + _dense(second),
        },
    }


def _of(knob: Knob, setting: str, default: Any) -> Any:
    if isinstance(knob, Mapping):
        return knob.get(setting, default)
    return default if knob is None else knob


def _run(
    demand: str,
    vnfs: int,
    setting: Mapping[str, float],
    seed: int,
    size: tuple[int, int],
    knobs: dict[str, Any],
    stream: int,
) -> SeedRun:
    days, per_day = size
    rng = np.random.default_rng([stream, seed])
    slots = _draw(days * per_day, per_day, vnfs, setting["c_u"], knobs, rng, stream)
    known = _draw(2 * per_day, per_day, vnfs, setting["c_u"], knobs, rng, stream)
    evaluation, local = _evaluation(demand, vnfs, setting, seed, per_day, knobs, slots, known)
    slots["local"] = local.astype(np.float64)
    slots["cost_system"] = np.where(local, slots["cost_local"], slots["cost_remote"])
    slots["total_system"] = np.where(local, slots["total_local"], slots["total_remote"])
    return SeedRun(seed, evaluation, slots)


def _draw(
    count: int,
    per_day: int,
    vnfs: int,
    c_u: float,
    knobs: dict[str, Any],
    rng: np.random.Generator,
    stream: int,
) -> dict[str, Array]:
    shared = np.random.default_rng([stream, count])  # the days are the same for every seed
    slots = np.arange(count)
    cycle = 1 + 0.3 * np.sin(2 * np.pi * slots / per_day)
    level = 0.12 * vnfs * (1 + c_u / 5) * (1 + knobs["noise"] * rng.standard_normal())
    remote = level * cycle * (0.9 + 0.2 * shared.random(count))
    shape = np.clip(0.8 * shared.standard_normal(count) + 0.6 * rng.standard_normal(count), -2.5, 4)
    shape = (shape - shape.mean()) / shape.std()
    mean = remote.mean()
    wobble = knobs["noise"] * rng.standard_normal()
    benefit = mean * (knobs["gap"] + wobble + knobs["spread"] * shape)
    columns = {
        "slot": slots + 3600.0,
        "time": START + slots * 86400.0 / per_day,
        "cost_local": remote + benefit,
        "cost_remote": remote,
        "cost_deepcog": remote
        * (1 + 0.02 * rng.standard_normal(count))
        / (1 + knobs["joint"] + knobs["noise"] * rng.standard_normal() / 4),
        "cost_last_value_headroom": knobs["last_value"]
        * remote
        * (1 + 0.05 * shared.standard_normal(count)),
        "benefit": benefit,
    }
    scores = _scores(shape, knobs, rng)
    columns |= {f"score_{name}": score for name, score in scores.items()}
    total = 200.0 * vnfs * cycle
    columns["total_demand"] = total
    local_excess, remote_excess = knobs["excess"]
    for name, over in (("local", local_excess), ("remote", remote_excess)):
        noise = knobs["tracking"] * rng.standard_normal(count)
        columns[f"total_{name}"] = total * (1 + over + noise)
    columns["total_deepcog"] = 1.01 * columns["total_remote"]
    columns["total_last_value_headroom"] = 0.97 * columns["total_remote"]
    return columns


def _scores(shape: Array, knobs: dict[str, Any], rng: np.random.Generator) -> dict[str, Array]:
    def like(skill: float) -> Array:
        return skill * shape + np.sqrt(1 - skill**2) * rng.standard_normal(len(shape))

    scores = {
        f"uncertainty_b{passes}": knobs["scale"] * np.exp(like(skill))
        for passes, skill in knobs["uncertainty"].items()
    }
    for feature, skill in knobs["skills"].items():
        ranking = like(skill)
        for l0 in L0:
            own = ranking + 0.1 * rng.standard_normal(len(shape))
            odds = 2 * (own - np.log(l0 / (1 - l0)) / 1.6)
            scores[f"optimized_{feature}_l{100 * l0:.0f}"] = 1 / (1 + np.exp(-odds))
    return scores


def _evaluation(
    demand: str,
    vnfs: int,
    setting: Mapping[str, float],
    seed: int,
    per_day: int,
    knobs: dict[str, Any],
    slots: dict[str, Array],
    known: dict[str, Array],
) -> tuple[dict[str, Any], Array]:
    count = len(slots["slot"])
    resampler = Resampler.over_days(count, per_day, BOOTSTRAP, seed)
    over = dict(zip(("local", "remote"), knobs["excess"], strict=True))
    outcomes = {
        name: _outcome(slots[f"cost_{name}"], 0.1 * max(over.get(name, over["remote"]), 0.0))
        for name in _SYSTEMS
        if name != "system"
    }
    judge = Judge(outcomes["local"], outcomes["remote"], resampler)
    sizes, works, payload = _sizes(vnfs, int(setting["N"]), list(knobs["skills"]))
    work = Work(**{block.lower(): sizes[block]["macs"] for block in ("F0", "F1", "F2")})

    def timed(rule: str, point: dict[str, Any], gate: float | None = None) -> dict[str, Any]:
        return point | {
            "gate_L0": gate,
            "latency_ms": expected_latency_ms(point["L"]),
            "latency_with_rule_ms": works[rule].latency_ms(work, point["L"]),
        }

    def frozen(rule: str, share: float) -> dict[str, Any]:
        gate = nearest(L0, share) if rule.startswith("optimized") else None
        column = f"score_{rule}" + (f"_l{100 * gate:.0f}" if gate else "")
        threshold = order_statistic(known[column], share)
        return timed(rule, judge.at_threshold(slots[column], threshold, share, "frozen"), gate)

    gates = [f"optimized_{feature}" for feature in knobs["skills"]]
    uncertain = [f"uncertainty_b{passes}" for passes in knobs["uncertainty"]]
    rules = {name: [frozen(name, share) for share in SHARES.tolist()] for name in gates + uncertain}
    rules["random"] = [timed("random", point) for point in judge.by_coin(SHARES)]
    benefit = judge.benefit
    for name, floor in (("oracle", -np.inf), ("oracle_corrected", 0.0)):
        rules[name] = [
            timed(
                "random",
                judge.at_threshold(benefit, max(order_statistic(benefit, s), floor), s, "test"),
            )
            for s in SHARES.tolist()
        ]
    rules["optimized"] = rules["optimized_volume"]
    point = next(p for p in rules["optimized_volume"] if p["L0"] == DEPLOYED)
    curve = f"optimized_volume_l{100 * DEPLOYED:.0f}"
    local = slots[f"score_{curve}"] <= point["u"]
    outcomes["system"] = Outcome.mixed(local, outcomes["local"], outcomes["remote"])
    scores = {name[6:]: column for name, column in slots.items() if name.startswith("score_")}
    costs = (slots["cost_local"], slots["cost_remote"])
    shares = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    chosen = {name: score for name, score in scores.items() if "_l" not in name or "_l50" in name}
    equal = {
        name: [_equal(row) for row in rows]
        for name, rows in at_equal_share(chosen, *costs, shares, resampler, curve).items()
    }
    others = {name.removesuffix("_l50"): rows[2] for name, rows in equal.items()}
    systems = judge_systems(outcomes, resampler)
    for name, share in {"local": 1.0, "remote": 0.0, "deepcog": 0.0, "system": point["L"]}.items():
        systems[name] |= {"L": share, "latency_ms": expected_latency_ms(share)}
    systems["last_value_headroom"] |= {"L": None, "latency_ms": None}
    means = {name: float(outcome.cost.mean()) for name, outcome in outcomes.items()}
    value = {
        "demand": {
            "name": demand,
            "sha256": "0" * 64,
            "vnfs": vnfs,
            "slots": 30 * per_day,
            "slot_seconds": 86400 // per_day,
            "unit": "activity",
            "timezone": "Europe/Rome",
        },
        "setting": _setting(setting, seed),
        "bootstrap": BOOTSTRAP.model_dump(mode="json"),
        "days": {
            name: {"slots": of * per_day, "days": float(of)}
            for name, of in (("train", 19), ("validation_fit", 4), ("calibration", 2))
        }
        | {"test": {"slots": count, "days": count / per_day}},
        "test": {"slots": count, "days": count / per_day, "blocks": resampler.blocks},
        "cost": {
            "cloud": means["remote"],
            "edge": means["local"],
            **{name: means[name] for name in ("deepcog", "last_value_headroom", "system")},
        },
        "systems": systems,
        "cheapest": cheapest(outcomes, resampler),
        "against_last_value": against(outcomes, "last_value_headroom", resampler),
        "deployed": point
        | {
            "rule": "optimized_volume",
            "curve": curve,
            "ratio_to_remote": resampler.ratio(outcomes["system"].cost, costs[1]).to_json(),
            "edge_macs": works["optimized_volume"].edge_macs(work, point["L"]),
            "cloud_macs": cloud_macs(work, point["L"]),
            "sent_bytes": payload.latent * (1 - point["L"]),
            "equal_share": others["optimized_volume"],
            "others_at_equal_share": others,
        },
        "rules": rules,
        "paper_thresholds": _paper_thresholds(judge, slots, timed, gates, uncertain),
        "equal_share": equal,
        "benefit": {
            "mean": float(benefit.mean()),
            "quantiles": {
                f"{q:g}": float(np.quantile(benefit, q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95)
            },
            "local_better": float((benefit < 0).mean()),
            "local_not_worse": float((benefit <= 0).mean()),
            "local_to_remote": resampler.ratio(*costs).to_json(),
            "critical": max(order_statistic(known["benefit"], DEPLOYED), 0.0),
            "rank_correlation": {
                name: rank_correlation(score, benefit) for name, score in scores.items()
            },
        },
        "latency": {
            **{f"{part}_ms": getattr(PAPER_TIMES, f"{part}_ms") for part in _TIMED},
            "rules": {
                name: {
                    "rule_ms": rule.time_ms(work),
                    "macs": rule.macs(work),
                    "reads_local": rule.reads_local,
                }
                for name, rule in works.items()
            },
        },
        "size": sizes
        | {
            "bytes": {
                part: getattr(payload, part) for part in ("latent", "window", "newest", "answer")
            }
        },
        "validation": {name: outcome.means() for name, outcome in outcomes.items()},
    }
    return value, local


_TIMED = ("f0", "f1", "f2", "rtt", "local", "remote")


def _setting(setting: Mapping[str, float], seed: int) -> dict[str, Any]:
    penalty = {"form": "linear", "weight": 1.0, "exponent": None}
    return {
        "cost": "eq3",
        "c_u": setting["c_u"],
        "c_o": 1.0,
        "g_u": penalty,
        "g_o": penalty,
        "N": int(setting["N"]),
        "w": setting["w"],
        "seed": seed,
    }


def _paper_thresholds(
    judge: Judge, slots: dict[str, Array], timed: Any, gates: list[str], uncertain: list[str]
) -> dict[str, Any]:
    points: dict[str, Any] = {
        name: [
            timed(
                name,
                judge.at_threshold(slots[f"score_{name}_l{100 * l0:.0f}"], 0.5, l0, "paper"),
                l0,
            )
            for l0 in L0
        ]
        for name in gates
    }
    for name in uncertain:
        points[name] = [
            timed(name, judge.at_threshold(slots[f"score_{name}"], u, None, "paper"))
            for u in (0.0, 0.5)
        ]
    return points


def _outcome(cost: Array, over: float) -> Outcome:
    return Outcome(cost, 600.0 * cost, np.full_like(cost, 0.04), np.full_like(cost, over))


def _sizes(
    vnfs: int, past: int, features: list[str]
) -> tuple[dict[str, Any], dict[str, RuleWork], Payload]:
    voxels = vnfs * past
    first, second = (32 * voxels, 64, vnfs), (16 * voxels, 128, 64, vnfs)
    sizes: dict[str, Any] = {
        "F0": {"parameters": 896, "macs": 27 * 32 * voxels},
        "F1": {"parameters": _dense(first) + sum(first[1:]), "macs": _dense(first)},
        "F2": {
            "parameters": 64016 + _dense(second) + sum(second[1:]),
            "macs": 64000 * voxels + _dense(second),
        },
    }
    sizes["deepcog"] = dict(sizes)
    inputs = {"volume": 32 * voxels, "demand": voxels, "latent": 32 * voxels, "local": vnfs}
    macs = {name: _dense((inputs[name], 64, 1)) for name in features}
    macs["volume"] += sizes["F0"]["macs"]
    sizes["gates"] = {
        f"optimized_{name}": {"parameters": of + 65, "macs": of} for name, of in macs.items()
    }
    works = {name: RuleWork() for name in ("cloud", "edge", "random")}
    works |= {f"uncertainty_b{passes}": RuleWork(passes=passes) for passes in (2, 10)}
    works |= {
        f"optimized_{name}": RuleWork(gate_macs=of, reads_local=name == "local")
        for name, of in macs.items()
    }
    return sizes, works, Payload.of(32 * voxels, past, vnfs)


def _dense(sizes: tuple[int, ...]) -> int:
    return sum(a * b for a, b in pairwise(sizes))


def _equal(row: Any) -> dict[str, Any]:
    return {"L": row.local_share} | {
        name: getattr(row, name) and getattr(row, name).to_json()
        for name in ("cost", "to_random", "to_reference", "capture")
    }


def _snapshots(seed: int, skill: tuple[float, float], critical: float) -> Snapshots:
    rng = np.random.default_rng([7, seed])
    benefit = critical * (1 + 0.5 * rng.standard_normal(200))
    shape = (benefit - critical) / max(abs(0.5 * critical), 1e-9)
    first, late = (
        1 / (1 + np.exp(-(steep * shape + 0.3 * rng.standard_normal(200) * (steep < 1))))
        for steep in skill
    )
    return Snapshots(
        seed=seed,
        late_epoch=180,
        l0=DEPLOYED,
        critical=critical,
        benefit=benefit,
        first=first,
        late=late,
    )


def _times() -> MeasuredTimes:
    return MeasuredTimes(
        layers=Times(f0_ms=0.11, f1_ms=0.1, f2_ms=0.3),
        rules={
            "optimized_volume": 0.2,
            "optimized_demand": 0.05,
            "optimized_latent": 0.08,
            "optimized_local": 0.04,
            "uncertainty_b2": 0.42,
            "uncertainty_b10": 2.1,
        },
        machine="a test",
    )
