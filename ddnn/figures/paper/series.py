"""The numbers that the paper's figures draw, seed by seed and over the seeds (numpy only)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ddnn.evaluation.curves import oracle, random_cost
from ddnn.evaluation.measured import Measured, SeedRun
from ddnn.offload.labelling import hard_labels

Array = NDArray[np.float64]
Reached = tuple[Array, Array]
"""L (P,), growing, in [0, 1], and C (P,) of one seed."""

DENSE = np.linspace(0.0, 1.0, 101)
"""The L at which seeds are averaged."""


@dataclass(frozen=True)
class Level:
    """A number over the seeds: its mean, and the seeds' range."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float] | Array) -> "Level":
        """Take the mean and the range of one value a seed."""
        return cls(float(np.mean(values)), float(np.min(values)), float(np.max(values)))


@dataclass(frozen=True)
class Band:
    """Cost against L over the seeds, at equal L, each (P,).

    The range is that of C, or ``apart``: that of the distance to Random in the same seed, put
    around the mean of C. This one tells rules apart, where the seeds' own levels of cost hide it.
    """

    share: Array
    mean: Array
    low: Array
    high: Array

    def mean_at(self, share: float) -> float:
        """Mean C at an L, linear between two points."""
        return float(np.interp(share, self.share, self.mean))


@dataclass(frozen=True)
class Dot:
    """What the gates of one L0 reached: L over the seeds, and C at the mean of these L.

    The range of C is that of the distance to Random, as of a band ``apart``.
    """

    l0: float
    share: Level
    cost: Level


def system_level(runs: Sequence[SeedRun], system: str) -> Level:
    """Give C of a system: local, remote, deepcog."""
    return Level.of([float(np.mean(run.slots[f"cost_{system}"])) for run in runs])


def oracle_band(runs: Sequence[SeedRun], apart: bool) -> Band:
    """Give the literal Oracle's C at every L."""
    costs = [oracle(*_exits(run)).cost_at(DENSE) for run in runs]
    return _band(costs, DENSE, _by_coin(runs, DENSE) if apart else None)


def random_band(runs: Sequence[SeedRun]) -> Band:
    """Give the coin's expected C at every L."""
    return _band(_by_coin(runs, DENSE), DENSE)


def local_better(runs: Sequence[SeedRun]) -> Level:
    """Give the share of slots with a benefit below 0: L of the literal Oracle at b* = 0."""
    return Level.of([float(np.mean(run.slots["benefit"] < 0)) for run in runs])


def rule_band(runs: Sequence[SeedRun], rule: str) -> Band | None:
    """Give C of a rule with thresholds frozen on the calibration days, over the L it reached.

    Its range is one ``apart``. Points are joined seed by seed: between two of them a coin decides.
    A gate is joined to Cloud and Edge, which need none. It spans the L that all seeds reached.

    Returns:
        None where a seed lacks the rule.
    """
    points = _frozen(runs, rule)
    if points is None:
        return None
    paths = [_path(run, rule, of) for run, of in zip(runs, points, strict=True)]
    first = max(float(share[0]) for share, _ in paths)
    last = max(first, min(float(share[-1]) for share, _ in paths))
    shares = np.unique([first, *(share for share in DENSE if first < share < last), last])
    costs = [np.interp(shares, *path) for path in paths]
    return _band(costs, shares, _by_coin(runs, shares))


def gate_dots(runs: Sequence[SeedRun], rule: str, paper: bool = False) -> list[Dot]:
    """Give a gate's points, one for each L0, in order.

    Args:
        runs: The seeds.
        rule: ``optimized_volume`` and the like.
        paper: The points at the paper's threshold of 1/2, instead of the frozen ones.

    Returns:
        Empty where a seed lacks the gate.
    """
    points = _listed(runs, rule, "paper_thresholds") if paper else _frozen(runs, rule)
    if points is None:
        return []
    paths = [_path(run, rule, of) for run, of in zip(runs, points, strict=True)]
    asked = [{float(point["L0"]): float(point["L"]) for point in of} for of in points]
    dots = []
    for l0 in sorted(set.intersection(*(set(of) for of in asked))):
        share = Level.of([of[l0] for of in asked])
        at = np.array([share.mean])
        band = _band([np.interp(at, *path) for path in paths], at, _by_coin(runs, at))
        dots.append(Dot(l0, share, Level(*(float(c[0]) for c in (band.mean, band.low, band.high)))))
    return dots


@dataclass(frozen=True)
class Agreement:
    """How decisions agree with the labels: hard, if the benefit lies above b*."""

    hard: int
    hard_sent: float
    """Share of the hard that were sent to the cloud."""
    easy: int
    easy_sent: float
    right: float
    """Share of all: hard and sent, or easy and kept."""


def agreement(benefit: Array, critical: float, sent: NDArray[np.bool_]) -> Agreement:
    """Hold decisions (K,) against the labels; a share of nothing is 0."""
    hard = hard_labels(benefit, critical)
    return Agreement(
        hard=int(hard.sum()),
        hard_sent=float(sent[hard].mean()) if hard.any() else 0.0,
        easy=int((~hard).sum()),
        easy_sent=float(sent[~hard].mean()) if not hard.all() else 0.0,
        right=float((sent == hard).mean()),
    )


@dataclass(frozen=True)
class Totals:
    """Demand and both exits' allocations, summed over the VNFs, in the user's units."""

    times: NDArray[np.int64]
    """(P,) epoch seconds of the days that are shown."""
    demand: Array
    local: Array
    remote: Array
    local_above: float
    """Allocation over demand, less 1, of the local exit: over all test slots."""
    remote_above: float


def totals(run: SeedRun, days: int) -> Totals:
    """Cut the first whole days out of the test slots, from midnight in the demand's time zone."""
    slots = run.slots
    times = slots["time"].astype(np.int64)
    shown = _first_days(times, str(run.evaluation["demand"]["timezone"]), days)
    demand, local, remote = (slots[f"total_{name}"] for name in ("demand", "local", "remote"))
    asked = float(demand.sum())
    return Totals(
        times=times[shown],
        demand=demand[shown],
        local=local[shown],
        remote=remote[shown],
        local_above=float(local.sum()) / asked - 1.0 if asked > 0 else 0.0,
        remote_above=float(remote.sum()) / asked - 1.0 if asked > 0 else 0.0,
    )


def seeds_of(measured: Measured, setting: str) -> tuple[SeedRun, ...]:
    """Give a setting's runs; empty where it has none."""
    return tuple(measured.runs.get(setting, ()))


def _first_days(times: NDArray[np.int64], zone: str, days: int) -> NDArray[np.bool_]:
    """Mark the first so many local days that are there from their start, or else all slots."""
    place = ZoneInfo(zone)
    dates = np.array([datetime.fromtimestamp(int(t), place).date().toordinal() for t in times])
    starts = datetime.fromtimestamp(int(times[0]), place)
    whole = dates[0] if (starts.hour, starts.minute) == (0, 0) else dates[0] + 1
    shown: NDArray[np.bool_] = (dates >= whole) & (dates < whole + days)
    return shown if shown.any() else np.ones(len(times), dtype=np.bool_)


def _exits(run: SeedRun) -> tuple[Array, Array]:
    return run.slots["cost_local"], run.slots["cost_remote"]


def _by_coin(runs: Sequence[SeedRun], shares: Array) -> list[Array]:
    return [random_cost(shares, *_exits(run)) for run in runs]


def _band(costs: Sequence[Array], shares: Array, beside: Sequence[Array] | None = None) -> Band:
    """Average C over the seeds; the range is that of C, or of the distance to ``beside``."""
    stacked = np.stack(costs)
    mean = stacked.mean(axis=0)
    away = stacked - (0.0 if beside is None else np.stack(beside))
    away = away - away.mean(axis=0)
    return Band(shares, mean, mean + away.min(axis=0), mean + away.max(axis=0))


def _listed(runs: Sequence[SeedRun], rule: str, where: str) -> list[list[Mapping[str, Any]]] | None:
    found = [list(run.evaluation[where].get(rule, [])) for run in runs]
    return found if found and all(found) else None


def _frozen(runs: Sequence[SeedRun], rule: str) -> list[list[Mapping[str, Any]]] | None:
    """Points at frozen thresholds; of a gate only where it serves the L0 it was trained for."""
    found = _listed(runs, rule, "rules")
    if found is None:
        return None
    kept = [[p for p in of if p.get("gate_L0") in (None, p["L0"])] for of in found]
    return kept if all(kept) else None


def _path(run: SeedRun, rule: str, points: Sequence[Mapping[str, Any]]) -> Reached:
    """Order one seed's points by L; points of the same L become their mean."""
    reached = [(float(point["L"]), float(point["C"])) for point in points]
    if rule.startswith("optimized"):
        local, remote = (float(np.mean(cost)) for cost in _exits(run))
        reached += [(0.0, remote), (1.0, local)]
    shares, place = np.unique([share for share, _ in reached], return_inverse=True)
    costs = np.bincount(place, weights=[cost for _, cost in reached]) / np.bincount(place)
    return shares, costs
