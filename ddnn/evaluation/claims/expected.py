"""What the paper says, as numbers, and what counts as agreement: every tolerance with its reason.

The verdicts follow from here alone:

- a **printed number** (``about``, ``at_most``, ``at_least``, ``within_factor``) holds if ours lies
  in the band that the tolerance leaves, holds in part if only its interval reaches the band;
- an **order** (``below``, ``above``) holds if ours and its whole interval lie on the claimed side,
  holds in part if only ours does;
- what days and seeds decide cannot be judged without an interval; arithmetic needs none.

Claims of several parts are combined in ``claim.combine``.
"""

from dataclasses import dataclass
from math import inf, isfinite

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.claims.claim import Verdict


@dataclass(frozen=True)
class Expected:
    """A statement of the paper about one quantity."""

    paper: float | str
    """The printed number, or the order that is claimed."""
    low: float
    high: float
    """The band in which ours agrees; for an order its ends are outside."""
    tolerance: str
    reason: str
    """Why the tolerance is what it is."""
    order: bool = False

    def holds_at(self, value: float) -> bool:
        """Whether a single value agrees."""
        if self.order:
            return self.low < value < self.high
        return self.low <= value <= self.high

    def verdict(self, found: Interval, sampled: bool = True) -> Verdict:
        """Judge what was measured.

        Args:
            found: The value with its interval.
            sampled: Whether other days or seeds could give another value.
        """
        if not isfinite(found.value):
            return "cannot be judged"
        inside = self.holds_at(found.value)
        if found.low is None or found.high is None:
            if sampled:
                return "cannot be judged"
            return "holds" if inside else "does not hold"
        if self.order:
            whole = self.holds_at(found.low) and self.holds_at(found.high)
            return "does not hold" if not inside else "holds" if whole else "holds in part"
        if inside:
            return "holds"
        reaches = found.low <= self.high and found.high >= self.low
        return "holds in part" if reaches else "does not hold"


def about(paper: float, tolerance: float, unit: str, reason: str) -> Expected:
    """Expect a number that is printed as such."""
    text = f"± {tolerance:g} {unit}".rstrip()
    # Half a printed digit must not be lost to binary: 7.65 - 7.6 is a hair above 0.05.
    reach = tolerance * (1 + 1e-9)
    return Expected(paper, paper - reach, paper + reach, text, reason)


def at_most(paper: float, tolerance: float, unit: str, reason: str) -> Expected:
    """Expect no more than a number: a penalty that is `only` so much."""
    text = f"up to {tolerance:g} {unit} above it".replace("  ", " ")
    return Expected(paper, -inf, paper + tolerance, text, reason)


def at_least(paper: float, tolerance: float, unit: str, reason: str) -> Expected:
    """Expect no less than a number: a gain that is `up to` so much."""
    text = f"down to {tolerance:g} {unit} below it".replace("  ", " ")
    text = text if tolerance else "none below it"
    return Expected(paper, paper - tolerance, inf, text, reason)


def within_factor(paper: float, factor: float, reason: str) -> Expected:
    """Expect a number of this size."""
    text = f"within a factor of {factor:g}"
    return Expected(paper, paper / factor, paper * factor, text, reason)


def below(pivot: float, reason: str, statement: str = "", counted: bool = False) -> Expected:
    """Expect less than a number; what is ``counted`` has no interval."""
    said = statement or f"below {pivot:g}"
    text = f"below {pivot:g}" if counted else f"whole interval below {pivot:g}"
    return Expected(said, -inf, pivot, text, reason, order=True)


def above(pivot: float, reason: str, statement: str = "") -> Expected:
    """Expect more than a number."""
    said = statement or f"above {pivot:g}"
    return Expected(said, pivot, inf, f"whole interval above {pivot:g}", reason, order=True)


EXITS_APART = 0.05
"""Capture means nothing where the exits' costs differ by less: the Oracle's lead over Random is
then the noise of single slots, which no rule can know beforehand."""

_ABOUT = "said `about` in the text, one training"
_LARGE = "said `around` in the text; a larger number is rounded more coarsely"
_FIGURE = "read off a figure: points lie some percent apart"
_ORDER = "an order has no tolerance: its interval decides"
_COUNTED = "counted, and an order: there is nothing to tolerate"
_LAW = "a law: only rounding may break it"
_DIGITS = "exact: half of the last printed digit"

EXPECTED: dict[str, Expected] = {
    # Fig. 3: costs in percent above the reference.
    "1 gap": about(14, 3, "points", _ABOUT),
    "2 gap": about(30, 5, "points", _LARGE),
    "3 oracle": at_most(0, 3, "points", "`almost the same` cost, read off the figure"),
    "4 oracle": at_most(6, 3, "points", _FIGURE),
    "5 share": about(20, 5, "points", "said `around 20 %` in the text"),
    "6 convex": Expected(0, -1e-9, inf, "not below it, but for rounding", _LAW),
    "6 undercut": below(1, _ORDER),
    "6 straight": Expected(0, -inf, 1e-7, "not above it, but for rounding", _LAW),
    "7 joint": below(1, _ORDER),
    "7 weight": about(0, 3, "points", "`do not vary much`: as much as a figure shows"),
    # Fig. 4: costs in percent above DeepCog (or Cloud), at one L.
    "8 uncertainty": at_most(2, 3, "points", _FIGURE),
    "8 optimized": at_most(0, 3, "points", _FIGURE),
    "9 half": at_most(5, 3, "points", _FIGURE),
    "9 much": at_most(12, 3, "points", _FIGURE),
    "9 faster": at_least(5, 0, "", "arithmetic; `5 times` is claimed as a lower latency"),
    "10 optimized": at_most(5, 3, "points", _FIGURE),
    "10 order": below(1, _ORDER),
    "11 uncertainty": at_most(5, 3, "points", _FIGURE),
    "11 optimized": at_most(7, 3, "points", _FIGURE),
    "12 order": below(1, _ORDER),
    # Captures: 0 is Random, 1 the Oracle; each third of the way has a name.
    "near oracle": Expected(
        "near Oracle", 2 / 3, inf, "capture at least 0.67", "in the third that ends at the Oracle"
    ),
    "near random": Expected(
        "near Random", -1 / 3, 1 / 3, "capture within ± 0.33", "a third of the way to either side"
    ),
    "off random": Expected(
        "not near Random",
        1 / 3,
        inf,
        "capture above 0.33",
        "past the third that starts at Random; worse than Random is no better",
    ),
    # The Uncertainty Rule's ends; L in percent.
    "13 none": about(0, 0.5, "points", _DIGITS),
    "13 all": about(100, 0.5, "points", _DIGITS),
    # Fig. 5
    "14 first": about(0.5, 0.1, "", "AUC of a coin, with room for a gate that has begun to learn"),
    "14 accuracy": at_least(100, 5, "points", "separated in a scatter plot: few dots astray"),
    "14 late": at_least(1, 0.05, "", "separated in a scatter plot: few dots astray"),
    "15 share": above(50, "most: more than half", "most"),
    "15 enriched": above(1, _ORDER),
    "16 equal": about(0, 2, "points", "curves that lie on each other within their markers"),
    # Fig. 6
    "17 tracks": at_most(0, 15, "%", "allocations that lie on the demand but for its noise"),
    "17 over": above(1, _ORDER, "overprovision"),
    "17 safer": above(1, _ORDER, "safer than at c_u = 1"),
    "17 order": below(1, _ORDER, "remote overprovisions less"),
    # Times of another machine, in ms: only their size can agree.
    "18 F0": within_factor(0.10, 2, "another processor"),
    "18 F1": within_factor(0.12, 2, "another processor"),
    "18 F2": within_factor(0.23, 2, "another processor"),
    # Table III, in millions.
    "19 edge macs": about(7.6, 0.05, "", _DIGITS),
    "19 edge parameters": about(6.3, 0.05, "", _DIGITS),
    "19 edge flops": about(15.3, 0.05, "", _DIGITS),
    "19 cloud macs": about(111.0, 0.05, "", _DIGITS),
    "19 cloud parameters": about(12.7, 0.05, "", _DIGITS),
    "19 cloud flops": about(222.1, 0.34, "", "0.15 %: counters differ in biases and activations"),
    "19 alexnet macs": about(1428.4, 0.05, "", _DIGITS),
    "19 alexnet parameters": about(61.1, 0.05, "", _DIGITS),
    "19 alexnet flops": about(2859.5, 4.3, "", "0.15 %: counters differ in biases and activations"),
    "21 little": at_least(50, 5, "points", "`up to 50 %`, read off a figure"),
    "21 within 5": at_least(60, 5, "points", "`about 60 %`"),
    "22 order": above(0, _ORDER, "correlated"),
    "23 order": below(1, _COUNTED, "fewer operations", counted=True),
    "24 order": below(1, _COUNTED, "z is smaller than D", counted=True),
}
"""By claim and quantity."""

TABLE_IV = {4.2: 41.0, 15.8: 36.1, 46.2: 23.1, 54.4: 19.6, 69.6: 13.2, 81.9: 7.9, 97.7: 1.2}
"""Table IV: L in percent, and the latency in ms."""
LITTLE, WITHIN = 0.01, 0.05
"""Claim 21: what `little or no penalty` and `less than 5 %` mean, as shares of DeepCog's cost."""


def table_iv(share: float) -> Expected:
    """Give what Table IV prints for an L in percent."""
    return about(TABLE_IV[share], 0.05, "ms", _DIGITS)
