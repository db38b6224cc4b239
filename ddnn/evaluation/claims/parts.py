"""Parts of claims, made from a statement of the paper and what was measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.claims.claim import Number, Part, Verdict, at_least, tidy
from ddnn.evaluation.claims.expected import EXITS_APART, EXPECTED, Expected
from ddnn.evaluation.claims.sample import Bench, MissingError

Compute = Callable[[], Interval]


@dataclass(frozen=True)
class Quantity:
    """What a part is about."""

    what: str
    setting: str
    unit: str = ""


def part(about: Quantity, expected: Expected | str, compute: Compute, sampled: bool = True) -> Part:
    """Judge a quantity.

    Args:
        about: The quantity.
        expected: What the paper says, or its place in EXPECTED.
        compute: Gives what was measured.
        sampled: Whether days and seeds decide it; False for arithmetic.
    """
    wanted = EXPECTED[expected] if isinstance(expected, str) else expected
    try:
        found = compute()
    except MissingError as missing:
        lacking = unjudged(about, wanted.paper, wanted.tolerance, str(missing))
        return replace(lacking, said=f"Cannot be judged: {missing}.")
    return judged(about, wanted, found, sampled)


def judged(about: Quantity, wanted: Expected, found: Interval, sampled: bool = True) -> Part:
    """Judge a quantity that was measured already."""
    verdict = wanted.verdict(found, sampled)
    if not np.isfinite(found.value):
        return unjudged(about, wanted.paper, wanted.tolerance, "it is undefined")
    why = ""
    if verdict == "cannot be judged":
        why = " There is no interval: too few blocks of days, or seeds."
    return Part(
        what=_named(about),
        setting=about.setting,
        paper=wanted.paper,
        ours=tidy(found.value),
        interval=_ends(found),
        tolerance=wanted.tolerance,
        verdict=verdict,
        said=_sentence(about, found, wanted) + why,
    )


def capture_part(bench: Bench, setting: str, what: str, expected: str, rule: str) -> Part:
    """Judge whether a rule is near the Oracle or near Random, where that means anything."""
    found = part(Quantity(what, setting), expected, lambda: bench[setting].capture(rule))
    if found.verdict == "cannot be judged":
        return found
    apart = bench[setting].exits_apart
    if abs(apart) >= EXITS_APART:
        return found
    reason = f"The exits differ by {spell(100 * abs(apart))} % only, so that this means nothing."
    return replace(found, verdict="cannot be judged", said=f"{found.said} {reason}")


def count_part(
    about: Quantity, paper: Number, needed: int, cases: Sequence[Part], expected: str
) -> Part:
    """Judge a statement about a number of settings by the verdicts in them."""
    verdicts: list[Verdict] = [case.verdict for case in cases]
    listed = "; ".join(
        f"{case.setting} {spell(case.ours)}"
        + (f" {_bracket(case.interval)}" if case.interval else "")
        for case in cases
    )
    unknown = verdicts.count("cannot be judged")
    said = f"{_opening(about)}: {verdicts.count('holds')} of {len(cases)} ({listed})"
    if unknown:
        said += f", {unknown} of which cannot be judged"
    return Part(
        what=_named(about),
        setting=about.setting,
        paper=paper,
        ours=verdicts.count("holds"),
        interval=None,
        tolerance=f"at least {needed}, each with {EXPECTED[expected].tolerance}",
        verdict=at_least(needed, verdicts),
        said=f"{said}.",
        telling=True,
    )


def unjudged(about: Quantity, paper: Number, tolerance: str | None, reason: str) -> Part:
    """Give a part that cannot be judged, with the reason."""
    return Part(
        what=_named(about),
        setting=about.setting,
        paper=paper,
        ours=None,
        interval=None,
        tolerance=tolerance,
        verdict="cannot be judged",
        said=f"{_opening(about)} cannot be judged: {reason}.",
    )


def exactly(value: float) -> Interval:
    """Wrap a number that no draw of days or seeds can change."""
    return Interval(float(value), None, None)


def spell(value: Number) -> str:
    """Spell a number for a sentence."""
    if value is None:
        return "undefined"
    if isinstance(value, str):
        return value
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{int(value)}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.1f}"


def _sentence(about: Quantity, found: Interval, wanted: Expected) -> str:
    unit = f" {about.unit}" if about.unit else ""
    text = f"{_opening(about)} is {spell(found.value)}{unit}"
    ends = _ends(found)
    if ends is not None:
        text += f" {_bracket(ends)}"
    paper = wanted.paper if isinstance(wanted.paper, str) else f"{spell(wanted.paper)}{unit}"
    return f"{text}; the paper: {paper}."


def _bracket(ends: tuple[float, float]) -> str:
    return f"[{spell(ends[0])}, {spell(ends[1])}]"


def _ends(found: Interval) -> tuple[float, float] | None:
    if found.low is None or found.high is None:
        return None
    return found.low, found.high


def _named(about: Quantity) -> str:
    return f"{about.what}, {about.unit}" if about.unit else about.what


def _opening(about: Quantity) -> str:
    return f"{about.setting}: {about.what}" if about.setting != "-" else about.what
