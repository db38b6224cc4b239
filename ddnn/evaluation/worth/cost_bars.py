"""The bars on costs: ratios of pooled costs, with paired intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.worth.bar import Bar, Sense
from ddnn.evaluation.worth.measured import Measured, mixed, rule_name
from ddnn.evaluation.worth.pooled import Costs, geometric_mean
from ddnn.evaluation.worth.result import Result

Array = NDArray[np.float64]

_OVERALL = "geometric mean"


@dataclass(frozen=True)
class Targets:
    """At most; None: for information."""

    overall: float | None
    each: Mapping[float, float | None] | float | None
    """Of each c_u, or of all."""

    def at(self, c_u: float) -> float | None:
        """Give that of a price."""
        return self.each.get(c_u) if isinstance(self.each, Mapping) else self.each


WHOLE = {0.5: 0.90, 1.0: 0.85, 10.0: 0.85, 20.0: 0.85}


def cost_bars(measured: Measured) -> list[Bar]:
    """Judge all bars on costs."""
    best = _all(measured, "alternatives", "boosting_best")
    plain = _all(measured, "alternatives", "boosting_plain")
    local, remote = (_all(measured, "anchored", name) for name in ("local", "remote"))
    strict = Targets(1.005, 1.015)
    bars = [
        *ratio_bars("local exit / boosting_best", measured, local, best, strict),
        *ratio_bars("remote exit / boosting_best", measured, remote, best, strict),
        *ratio_bars("local exit / boosting_plain", measured, local, plain, Targets(0.97, None)),
        *_whole_bars(measured),
    ]
    for name, of in (("local", local), ("remote", remote)):
        alone = _all(measured, "separate", f"separate_{name}")
        title = f"one training / four separate, {name} exit"
        bars += ratio_bars(title, measured, of, alone, Targets(None, 1.02))
    return bars


def ratio_bars(
    name: str,
    measured: Measured,
    systems: Mapping[float, Costs],
    references: Mapping[float, Costs],
    targets: Targets,
    also: Mapping[float, bool] | None = None,
) -> list[Bar]:
    """Judge the ratio at each price, and its geometric mean over all of them."""
    bars = []
    for c_u in measured.worth.c_u:
        pair, target = (systems[c_u], references[c_u]), targets.at(c_u)
        pool = measured.pool(*pair)
        if pool is None:
            bars.append(Bar.missing(name, measured.demand, c_u, target, _sense(target)))
            continue
        interval, cover = pool.interval(*pool.ratio(*pair)), measured.coverage(*pair)
        holds = also is None or also[c_u]
        bars.append(
            Bar.of(name, measured.demand, c_u, interval, target, _sense(target), cover, holds)
        )
    return [*bars, _overall(name, measured, systems, references, targets.overall)]


def _overall(
    name: str,
    measured: Measured,
    systems: Mapping[float, Costs],
    references: Mapping[float, Costs],
    target: float | None,
) -> Bar:
    title = f"{name}, {_OVERALL}"
    everything = [*systems.values(), *references.values()]
    pool = measured.pool(*everything)
    if pool is None:
        return Bar.missing(title, measured.demand, None, target, _sense(target))
    parts = [pool.ratio(systems[c_u], references[c_u]) for c_u in measured.worth.c_u]
    interval, cover = pool.interval(*geometric_mean(parts)), measured.coverage(*everything)
    return Bar.of(title, measured.demand, None, interval, target, _sense(target), cover)


def _whole_bars(measured: Measured) -> list[Bar]:
    """The deployed system against the cheaper of the paper's two, and the share it keeps local."""
    l0, prices = measured.worth.whole.l0, measured.worth.c_u
    whole = {
        c_u: measured.each("anchored", c_u, partial(whole_cost, measured, c_u)) for c_u in prices
    }
    shares = {c_u: measured.each("anchored", c_u, partial(_share, measured, c_u)) for c_u in prices}
    bars, enough = [], {}
    for c_u in prices:
        title, pool = (
            f"whole system, share decided at the edge (L0 {l0:g})",
            measured.pool(shares[c_u]),
        )
        if pool is None:
            bars.append(Bar.missing(title, measured.demand, c_u, l0, "at least"))
            enough[c_u] = False
            continue
        interval, cover = pool.interval(*pool.mean(shares[c_u])), measured.coverage(shares[c_u])
        bars.append(Bar.of(title, measured.demand, c_u, interval, l0, "at least", cover))
        enough[c_u] = bool(bars[-1].so_far)
    cheaper = {c_u: cheaper_paper(measured, c_u) for c_u in prices}
    name = "whole system / cheaper of deepcog and the paper's remote exit"
    return [
        *ratio_bars(name, measured, whole, cheaper, Targets(None, WHOLE), enough),
        *bars,
    ]


def whole_local(measured: Measured, c_u: float, result: Result) -> NDArray[np.bool_]:
    """Decisions (K,) of the deployed gate: its threshold has a margin."""
    whole = measured.worth.whole
    return result.local(rule_name(whole.rule, "margin", c_u), whole.l0)


def whole_cost(measured: Measured, c_u: float, result: Result) -> Array:
    """Cost (K,) of the deployed system."""
    return mixed(result, c_u, whole_local(measured, c_u, result))


def _share(measured: Measured, c_u: float, result: Result) -> Array:
    return whole_local(measured, c_u, result).astype(np.float64)


def cheaper_paper(measured: Measured, c_u: float) -> Costs:
    """Costs of DeepCog or of the paper's remote exit, whichever is cheaper over all windows."""
    both = [measured.costs("exits", name, c_u) for name in ("deepcog", "paper_remote")]
    pool = measured.pool(*both)
    return both[0] if pool is None else min(both, key=lambda costs: pool.mean(costs)[0])


def difference(
    measured: Measured, costs: Costs, reference: Costs
) -> tuple[Interval, Interval] | None:
    """Give reference - costs a slot, and as a share of the reference, with intervals."""
    pool = measured.pool(costs, reference)
    if pool is None:
        return None
    (mean, drawn), (below, drawn_below) = pool.mean(costs), pool.mean(reference)
    saved = pool.interval(below - mean, drawn_below - drawn)
    return saved, pool.interval(1 - mean / below, 1 - drawn / drawn_below)


def _all(measured: Measured, kind: str, system: str) -> dict[float, Costs]:
    return {c_u: measured.costs(kind, system, c_u) for c_u in measured.worth.c_u}


def _sense(target: float | None) -> Sense:
    return "-" if target is None else "at most"
