"""Claims 8 to 12, 16 and 21: what the offloading rules cost at the L that they reach (Figs. 4, 5d).

Rules are compared at equal reached L, along their operating points with frozen thresholds; whole
curves over L = 10 % to 90 %.
"""

from collections.abc import Sequence
from functools import partial
from itertools import combinations

import numpy as np

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.claims.claim import Claim, Part
from ddnn.evaluation.claims.expected import EXPECTED, LITTLE, WITHIN
from ddnn.evaluation.claims.parts import (
    Quantity,
    capture_part,
    count_part,
    exactly,
    judged,
    part,
    spell,
    unjudged,
)
from ddnn.evaluation.claims.sample import Bench, MissingError
from ddnn.evaluation.claims.settings import (
    FIG4,
    FIG4A,
    FIG4B,
    FIG4C,
    FIG4D,
    OPTIMIZED,
    PASSES,
    exits_note,
    notes,
    uncertainty,
)
from ddnn.evaluation.latency import Times, expected_latency_ms
from ddnn.evaluation.wording import rule_name

_GRID = np.round(np.arange(0.0, 1.001, 0.01), 2)
"""The L among which claim 21 looks for the largest."""
_MANY = uncertainty(PASSES[0])
_FEW = uncertainty(PASSES[1])
_FAST = 0.81
"""The L at which the paper counts the time saved."""
_FEATURES = tuple(f"optimized_{name}" for name in ("demand", "latent", "local"))


def claims(bench: Bench) -> list[Claim]:
    """Judge claims 8 to 12, 16 and 21."""
    return [
        _fig4a(bench),
        _fig4b(bench),
        _fig4c(bench),
        _fig4d(bench),
        _over_all(bench),
        _features(bench),
        _largest_shares(bench),
    ]


def _fig4a(bench: Bench) -> Claim:
    parts = (
        _penalty(bench, FIG4A, _MANY, 0.4, "8 uncertainty"),
        _penalty(bench, FIG4A, OPTIMIZED, 0.5, "8 optimized"),
        _near(bench, FIG4A, _MANY, "near random"),
    )
    text = (
        "At c_u = 0.5 the Uncertainty Rule keeps 40 % local for 2 % over DeepCog, the Optimized "
        "Rule 50 % for nothing; the Uncertainty Rule is near Random."
    )
    return _claim(bench, 8, text, (FIG4A,), parts)


def _fig4b(bench: Bench) -> Claim:
    parts = (
        _penalty(bench, FIG4B, OPTIMIZED, 0.5, "9 half"),
        _penalty(bench, FIG4B, OPTIMIZED, _FAST, "9 much"),
        _penalty(bench, FIG4B, OPTIMIZED, _FAST, "9 much", "remote", "Cloud"),
        part(
            Quantity(f"times faster at L = {100 * _FAST:g} % than Cloud", FIG4B),
            "9 faster",
            lambda: exactly(_speed_up(bench)),
            sampled=False,
        ),
        _near(bench, FIG4B, _MANY, "near oracle"),
        _near(bench, FIG4B, _FEW, "near random"),
    )
    text = (
        "At c_u = 1 the Optimized Rule keeps 50 % local for 5 % over DeepCog, and 81 % for 12 %, "
        "five times faster; the Uncertainty Rule is near the Oracle with B = 10, near Random with "
        "B = 2."
    )
    return _claim(bench, 9, text, (FIG4B,), parts)


def _fig4c(bench: Bench) -> Claim:
    parts = (
        _penalty(bench, FIG4C, OPTIMIZED, 0.4, "10 optimized"),
        *(_order(bench, FIG4C, rule, "random", "10 order") for rule in (_MANY, _FEW)),
        _order(bench, FIG4C, _MANY, _FEW, "10 order"),
    )
    text = (
        "At c_u = 10 the Optimized Rule keeps 40 % local for 5 % over DeepCog; the Uncertainty "
        "Rule is better than Random, and better with larger B."
    )
    return _claim(bench, 10, text, (FIG4C,), parts)


def _fig4d(bench: Bench) -> Claim:
    parts = (
        _penalty(bench, FIG4D, _MANY, 0.42, "11 uncertainty"),
        _penalty(bench, FIG4D, OPTIMIZED, 0.58, "11 optimized"),
    )
    text = (
        "At c_u = 20 the Uncertainty Rule keeps 42 % local for 5 % over DeepCog, the Optimized "
        "Rule 58 % for 7 %."
    )
    return _claim(bench, 11, text, (FIG4D,), parts)


def _over_all(bench: Bench) -> Claim:
    orders = [
        _order(bench, setting, OPTIMIZED, uncertainty(passes), "12 order")
        for setting in FIG4
        for passes in PASSES
    ]
    counts = [
        count_part(
            Quantity(f"settings with the Optimized Rule {EXPECTED[name].paper}", "Fig. 4"),
            needed,
            needed,
            [_near(bench, setting, OPTIMIZED, name) for setting in FIG4],
            name,
        )
        for name, needed in (("near oracle", 3), ("off random", len(FIG4)))
    ]
    text = (
        "The Optimized Rule beats the Uncertainty Rule in every setting, is near the Oracle in "
        "three of four and near Random in none."
    )
    return _claim(bench, 12, text, FIG4, (*orders, *counts), "Fig. 4, all four")


def _features(bench: Bench) -> Claim:
    pairs = [*combinations(_FEATURES, 2), *((name, OPTIMIZED) for name in _FEATURES)]

    def change(first: str, second: str) -> Interval:
        sample = bench[FIG4D]
        return sample.excess(sample.curve(first), sample.curve(second))

    parts = tuple(
        part(
            Quantity(f"{rule_name(a)} above {rule_name(b)}, L = 10 to 90 %", FIG4D, "%"),
            "16 equal",
            partial(change, a, b),
        )
        for a, b in pairs
    )
    text = "At c_u = 20 gates that read D, z or y_L do about equally well."
    return _claim(bench, 16, text, (FIG4D,), parts)


def _largest_shares(bench: Bench) -> Claim:
    """Judge what is claimed for some settings by the setting in which it goes best."""
    kinds = (("21 little", LITTLE, "little or no"), ("21 within 5", WITHIN, "less than 5 %"))
    parts, listed = [], []
    for expected, penalty, word in kinds:
        found = {name: _largest(bench, name, penalty) for name in bench.settings}
        known = {name: share for name, share in found.items() if share is not None}
        what = f"largest L of the Optimized Rule within {100 * penalty:g} % of DeepCog"
        wanted = EXPECTED[expected]
        if not known:
            reason = "no setting has the Optimized Rule"
            about = Quantity(f"{what} ({word} penalty)", "-", "%")
            parts.append(unjudged(about, wanted.paper, wanted.tolerance, reason))
            continue
        best = max(known, key=lambda name: known[name].value)
        about = Quantity(f"{what} ({word} penalty)", best, "%")
        parts.append(judged(about, wanted, known[best]))
        said = ", ".join(f"{name} {spell(share.value)} %" for name, share in known.items())
        listed.append(f"Within {100 * penalty:g} %, in each setting: {said}.")
    text = "Up to 50 % local with little or no penalty; about 60 % local within 5 % of DeepCog."
    claim = _claim(bench, 21, text, tuple(bench.settings), tuple(parts), "the best of all settings")
    return Claim(21, text, claim.setting, claim.demand, claim.parts, (*listed, *claim.notes))


def _largest(bench: Bench, setting: str, penalty: float) -> Interval | None:
    """Largest L in percent whose cost is within the penalty; 0 where even L = 0 is dearer."""
    sample = bench[setting]
    try:
        cost = sample.at_rule(OPTIMIZED, _GRID)
    except MissingError:
        return None
    within = cost <= (1 + penalty) * sample.mean("cost_deepcog")[:, None]
    last = len(_GRID) - 1 - np.argmax(within[:, ::-1], axis=1)
    return sample.interval(100 * np.where(within.any(axis=1), _GRID[last], 0.0))


def _penalty(
    bench: Bench,
    setting: str,
    rule: str,
    share: float,
    expected: str,
    system: str = "deepcog",
    named: str = "DeepCog",
) -> Part:
    def excess() -> Interval:
        sample = bench[setting]
        return sample.excess(sample.at(rule, share), sample.mean(f"cost_{system}"))

    what = f"{rule_name(rule)} at L = {100 * share:g} % above {named}"
    return part(Quantity(what, setting, "%"), expected, excess)


def _order(bench: Bench, setting: str, rule: str, reference: str, expected: str) -> Part:
    def ratio() -> Interval:
        sample = bench[setting]
        return sample.ratio(sample.curve(rule), sample.curve(reference))

    what = f"{rule_name(rule)} relative to {rule_name(reference)}, L = 10 to 90 %"
    return part(Quantity(what, setting), expected, ratio)


def _near(bench: Bench, setting: str, rule: str, expected: str) -> Part:
    what = f"capture of {rule_name(rule)}, 0 Random, 1 Oracle"
    return capture_part(bench, setting, what, expected, rule)


def _speed_up(bench: Bench) -> float:
    sample = bench[FIG4B]
    parts = ("f0_ms", "f1_ms", "f2_ms", "rtt_ms")
    times = Times(**{name: sample.evaluations("latency", name)[0] for name in parts})
    return expected_latency_ms(0.0, times) / expected_latency_ms(_FAST, times)


def _claim(
    bench: Bench,
    number: int,
    text: str,
    settings: Sequence[str],
    parts: tuple[Part, ...],
    named: str | None = None,
) -> Claim:
    said = (*exits_note(bench, *settings), *notes(bench, *settings))
    return Claim(number, text, named or ", ".join(settings), bench.measured.demand, parts, said)
