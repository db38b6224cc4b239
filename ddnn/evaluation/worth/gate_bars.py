"""The bars on gates: the share that is reached, what the ranking captures, what fitting takes."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ddnn.evaluation.bootstrap import Interval, Resampler
from ddnn.evaluation.curves import capture
from ddnn.evaluation.worth.bar import Bar, Sense
from ddnn.evaluation.worth.measured import Coverage, Found, Measured, mixed, rule_name

Array = NDArray[np.float64]

OPTIMIZED = "optimized_volume"
_WAYS = {"frozen": ("frozen validation threshold", 0.06, 0.12), "tracked": ("tracker", 0.02, 0.05)}
_CAPTURE, _FASTER = 0.30, 10.0
_DECISIONS: tuple[tuple[str, str, float | None], ...] = (
    ("edge", "the edge's", _FASTER),
    ("edge_gated", "the edge's with its gate", None),
)


def gate_bars(measured: Measured) -> list[Bar]:
    """Judge all bars on gates."""
    bars = []
    for way in _WAYS:
        bars += _share_bars(measured, way, "gates", "the paper's exits")
        bars += _share_bars(measured, way, "anchored", "anchored exits")
    return [*bars, *_capture_bars(measured), *_time_bars(measured)]


def errors(measured: Measured, pieces: Iterable[Found], rule: str, way: str) -> list[float]:
    """Distances of the reached L from the asked one, for each training, price and L0."""
    found = []
    for each in pieces:
        for c_u in measured.worth.c_u if each.c_u is None else [each.c_u]:
            for l0 in measured.worth.l0:
                local = each.result.local(rule_name(rule, way, c_u), l0)
                found.append(abs(float(local.mean()) - l0))
    return found


def coverage(measured: Measured, pieces: list[Found]) -> Coverage:
    """Trainings that are there, of those asked for: each window needs one at least."""
    asked = len(measured.worth.windows) * len(measured.worth.seeds)
    lacking = set(measured.worth.windows) - {each.window for each in pieces}
    return Coverage(0 if lacking else len(pieces), asked)


def _share_bars(measured: Measured, way: str, kind: str, of: str) -> list[Bar]:
    told, mean, worst = _WAYS[way]
    pieces = measured.of(kind)
    cover = coverage(measured, pieces)
    bars = []
    for what, target, of_all in (("mean", mean, np.mean), ("worst", worst, np.max)):
        name = f"reached L, {told}, {what} error, {of}"
        if not cover.there:
            bars.append(Bar.missing(name, measured.demand, None, target, "at most"))
            continue
        value = float(of_all(errors(measured, pieces, measured.worth.whole.rule, way)))
        interval = Interval(value, None, None)
        bars.append(Bar.of(name, measured.demand, None, interval, target, "at most", cover))
    return bars


def _capture_bars(measured: Measured) -> list[Bar]:
    """On the paper's exits: how far from Random to the Oracle, at the L that was reached."""
    pieces, c_u = measured.of("gates"), measured.worth.gate_c_u
    cover, rule = coverage(measured, pieces), measured.worth.whole.rule
    senses: dict[str, tuple[float | None, Sense]] = {
        "capture of the expected benefit, mean": (_CAPTURE, "at least"),
        "capture above the Optimized Rule's, least of the windows": (0.0, "above"),
        "capture of the Optimized Rule, mean": (None, "-"),
        "capture of the expected benefit with the tracker, mean": (None, "-"),
        "the paper's exits, local / remote": (None, "-"),
    }
    if not cover.there:
        return [Bar.missing(n, measured.demand, c_u, *to) for n, to in senses.items()]
    ours, theirs, followed = (
        {window: window_capture(measured, pieces, window, name, way) for window in _windows(pieces)}
        for name, way in ((rule, "frozen"), (OPTIMIZED, "frozen"), (rule, "tracked"))
    )
    above = {window: (_less(ours[window], theirs[window])) for window in ours}
    draws = Resampler.over_days(2, 1.0, measured.bootstrap, 0)  # for its level alone
    local, remote = (measured.costs("gates", name, c_u) for name in ("local", "remote"))
    pool = measured.pool(local, remote)
    gap = Interval(float("nan"), None, None)
    if pool is not None:
        gap = pool.interval(*pool.ratio(local, remote))
    values = [
        draws.interval(*_mean(ours.values())),
        draws.interval(*min(above.values(), key=lambda each: each[0])),
        draws.interval(*_mean(theirs.values())),
        draws.interval(*_mean(followed.values())),
        gap,
    ]
    return [
        Bar.of(name, measured.demand, c_u, value, *to, cover)
        for (name, to), value in zip(senses.items(), values, strict=True)
    ]


def window_capture(
    measured: Measured, pieces: list[Found], window: int, rule: str, way: str
) -> tuple[float, Array]:
    """Mean capture over the seeds and L0 of a window, and of each draw of its days."""
    c_u, values, drawn = measured.worth.gate_c_u, [], []
    for each in pieces:
        if each.window != window:
            continue
        costs = each.result.cost("local", c_u), each.result.cost("remote", c_u)
        days = Resampler.over_days(
            len(costs[0]), measured.slots_per_day, measured.bootstrap, window
        )
        for l0 in measured.worth.l0:
            local = each.result.local(rule_name(rule, way, c_u), l0)
            value = capture(
                float(mixed(each.result, c_u, local).mean()), float(local.mean()), *costs
            )
            if value is not None:
                values.append(value)
                drawn.append(capture_draws(local, *costs, days))
    if not values:
        return float("nan"), np.full(measured.bootstrap.samples, np.nan)
    return float(np.mean(values)), np.mean(drawn, axis=0)


def capture_draws(
    local: NDArray[np.bool_], local_cost: Array, remote_cost: Array, days: Resampler
) -> Array:
    """Capture of the decisions (K,) in each draw of days, at the L that they reach there."""
    benefit = local_cost - remote_cost
    order = np.argsort(benefit, kind="stable")
    found = []
    for weights in days.weights():
        total = weights.sum(axis=1)
        share, all_local = (weights @ each / total for each in (local, benefit))
        decided = weights @ (local * benefit) / total
        ranked = weights[:, order]
        shares = np.cumsum(ranked, axis=1) / total[:, None]
        gains = np.cumsum(ranked * benefit[order], axis=1) / total[:, None]
        best = np.array(
            [
                np.interp(s, np.append(0.0, x), np.append(0.0, y))
                for s, x, y in zip(share, shares, gains, strict=True)
            ]
        )
        coin = share * all_local
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append((coin - decided) / (coin - best))
    return np.concatenate(found)


def _time_bars(measured: Measured) -> list[Bar]:
    decisions = [_decision_bar(measured, *each) for each in _DECISIONS]
    return [_fitting_bar(measured), *decisions]


def _fitting_bar(measured: Measured) -> Bar:
    """Low and high are the least and the largest of the trainings."""
    name = "fitting gates: the Optimized Rule's seconds / the expected benefit's"
    pieces, c_u = measured.of("gates"), measured.worth.gate_c_u
    cover = coverage(measured, pieces)
    if not cover.there:
        return Bar.missing(name, measured.demand, c_u, _FASTER, "at least")
    taken = [each.result.facts["fit_seconds"] for each in pieces]
    ratios = [each["optimized"] / each[measured.worth.whole.rule] for each in taken]
    interval = Interval(float(np.median(ratios)), min(ratios), max(ratios))
    return Bar.of(name, measured.demand, c_u, interval, _FASTER, "at least", cover)


def _decision_bar(measured: Measured, who: str, words: str, target: float | None) -> Bar:
    """Low and high hold 95 % of the slots."""
    name = f"one decision: boosting_best's seconds / {words}"
    sense: Sense = "-" if target is None else "at least"
    pieces = measured.of("times")
    if not pieces:
        return Bar.missing(name, measured.demand, None, target, sense)
    arrays = pieces[0].result.arrays
    edge, boosting = (np.asarray(arrays[n], np.float64) for n in (who, "boosting_best"))
    low, high = np.quantile(boosting / edge, [0.025, 0.975])
    value = float(np.median(boosting) / np.median(edge))
    interval = Interval(value, float(low), float(high))
    return Bar.of(name, measured.demand, None, interval, target, sense, Coverage(1, 1))


def _windows(pieces: list[Found]) -> list[int]:
    return sorted({each.window for each in pieces})


def _mean(parts: Iterable[tuple[float, Array]]) -> tuple[float, Array]:
    values, draws = zip(*parts, strict=True)
    return float(np.mean(values)), np.mean(draws, axis=0)


def _less(first: tuple[float, Array], second: tuple[float, Array]) -> tuple[float, Array]:
    return first[0] - second[0], first[1] - second[1]
