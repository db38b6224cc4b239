"""A claim of the paper with its verdict, and the parts that it consists of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Verdict = Literal["holds", "holds in part", "does not hold", "cannot be judged"]
Number = float | int | str | None

DIGITS = 4
"""Significant digits of what is reported."""
MOST_SAID = 6
"""Of more parts than this, those that hold are counted, not told, but for the first."""


@dataclass(frozen=True)
class Part:
    """One statement of a claim, against what was measured."""

    what: str
    """The quantity, with its unit."""
    setting: str
    paper: Number
    """What the paper prints, or says."""
    ours: Number
    interval: tuple[float, float] | None
    tolerance: str | None
    """What counts as agreement."""
    verdict: Verdict
    said: str = ""
    """A sentence made of the numbers."""
    telling: bool = False
    """Whether a claim of many parts tells this one whatever its verdict."""

    def to_json(self) -> dict[str, Any]:
        """Give it without the sentence, which belongs to the claim; floats are rounded."""
        return {
            "what": self.what,
            "setting": self.setting,
            "paper": tidy(self.paper),
            "ours": tidy(self.ours),
            "interval": None if self.interval is None else [tidy(end) for end in self.interval],
            "tolerance": self.tolerance,
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class Claim:
    """One of the paper's claims, judged."""

    id: int
    claim: str
    setting: str
    demand: str
    parts: tuple[Part, ...]
    """The leading quantity first."""
    notes: tuple[str, ...] = field(default=())
    """Sentences that no part says."""

    @property
    def verdict(self) -> Verdict:
        """The verdict that follows from those of the parts."""
        return combine([part.verdict for part in self.parts])

    @property
    def why(self) -> str:
        """What the numbers say, in sentences."""
        parts = self.parts
        few = len(parts) <= MOST_SAID
        told = [
            part
            for place, part in enumerate(parts)
            if few or place == 0 or part.telling or part.verdict != "holds"
        ]
        # Parts of one setting may lack the same thing: it is said once.
        sentences = list(dict.fromkeys(part.said for part in told))
        if len(told) < len(parts):
            holding = sum(part.verdict == "holds" for part in parts)
            sentences.insert(0, f"{holding} of {len(parts)} parts hold.")
        return " ".join(sentence for sentence in (*sentences, *self.notes) if sentence)

    def to_json(self) -> dict[str, Any]:
        """Give id, claim, setting, demand, verdict, why, parts, and the first part's numbers."""
        parts = [part.to_json() for part in self.parts]
        first = {key: parts[0][key] for key in ("paper", "ours", "interval", "tolerance")}
        return {
            "id": self.id,
            "claim": self.claim,
            "setting": self.setting,
            "demand": self.demand,
            **first,
            "verdict": self.verdict,
            "why": self.why,
            "parts": parts,
        }


def combine(verdicts: Sequence[Verdict]) -> Verdict:
    """Judge a claim by its parts.

    What cannot be judged does not count against a claim, but keeps it from holding as a whole.
    """
    judged = {verdict for verdict in verdicts if verdict != "cannot be judged"}
    if not judged:
        return "cannot be judged"
    if judged == {"does not hold"}:
        return "does not hold"
    if judged == {"holds"} and len(verdicts) == sum(v == "holds" for v in verdicts):
        return "holds"
    return "holds in part"


def at_least(needed: int, verdicts: Sequence[Verdict]) -> Verdict:
    """Judge a statement about a number of cases: that it holds in at least ``needed`` of them."""
    sure, partly, open_ = (
        sum(verdict == wanted for verdict in verdicts)
        for wanted in ("holds", "holds in part", "cannot be judged")
    )
    if sure >= needed:
        return "holds"
    if sure + partly >= needed:
        return "holds in part"
    return "cannot be judged" if sure + partly + open_ >= needed else "does not hold"


def tidy(value: Number) -> Number:
    """Round a float to DIGITS; what is not finite becomes None."""
    if not isinstance(value, float):
        return value
    if not np.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}") + 0.0  # never -0.0
