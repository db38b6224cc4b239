"""What the numbers of an evaluation say, in sentences: chosen by the numbers, never typed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ddnn.evaluation.systems import LAYERS

Evaluation = dict[str, Any]
"""The contents of evaluation.json; the schema is in tasks/evaluate.py."""

MISS = 0.05
"""A share of local decisions further than this from what was asked for is called a miss."""

SMALL_COST = 0.1
"""Costs below this, such as squared errors, are told with more than three decimals."""

SYSTEM_NAMES = {
    "local": "local exit",
    "remote": "remote exit",
    "deepcog": "DeepCog",
    "last_value_headroom": "last_value_headroom",
    "system": "deployed system",
}

_FEATURES = {"volume": "3D-CNN", "demand": "MLP on D", "latent": "MLP on z", "local": "MLP on y_L"}


@dataclass(frozen=True)
class Finding:
    """A promise held against this run."""

    promise: str
    holds: bool | None
    """None: the days at hand cannot tell."""
    text: str


def in_order(rules: Iterable[str]) -> list[str]:
    """Order rules as tables and legends do: gates, then the Uncertainty Rule, then the bounds."""
    first = [f"optimized_{feature}" for feature in _FEATURES]
    last = ["random", "edge", "cloud", "oracle", "oracle_corrected"]

    def place(name: str) -> tuple[int, int, str]:
        if name in first:
            return 0, first.index(name), name
        if name.startswith("uncertainty_b"):
            return 1, int(name.removeprefix("uncertainty_b")), name
        return 2, last.index(name) if name in last else len(last), name

    return sorted(rules, key=place)


def rule_name(rule: str) -> str:
    """Spell a rule's name for a reader: ``optimized_volume`` is ``Optimized (3D-CNN)``."""
    if rule.startswith("uncertainty_b"):
        return f"Uncertainty (B = {rule.removeprefix('uncertainty_b')})"
    if rule.startswith("optimized_"):
        feature = rule.removeprefix("optimized_")
        return f"Optimized ({_FEATURES.get(feature, feature)})"
    if rule == "oracle_corrected":
        return "Oracle, corrected"
    return rule.replace("_", " ").capitalize()


def percent(share: float, digits: int = 0) -> str:
    """Spell a share: ``0.5`` is ``50 %``."""
    return f"{100 * share:.{digits}f} %"


def cost_text(cost: float) -> str:
    """Spell a cost: three decimals, but four significant digits where those would tell little."""
    return f"{cost:#.4g}" if 0 < abs(cost) < SMALL_COST else f"{cost:.3f}"


def more_or_less(ratio: dict[str, float | None]) -> str:
    """Spell a ratio of costs with its interval: ``6.2 % more [4.0, 8.1]``."""
    value, low, high = ratio["value"], ratio["low"], ratio["high"]
    if value is None:
        return "an undefined ratio"
    change = 100 * (value - 1)
    word, sign = ("more", 1) if change >= 0 else ("less", -1)
    text = f"{abs(change):.1f} % {word}"
    if low is not None and high is not None:
        ends = sorted(sign * 100 * (end - 1) for end in (low, high))
        text += f" [{_tidy(ends[0])}, {_tidy(ends[1])}]"
    return text


def headline(evaluation: Evaluation) -> str:
    """Say which of the systems is the cheapest, and whether that is sure."""
    best, systems = evaluation["cheapest"], evaluation["systems"]
    text = (
        f"The cheapest of {len(systems)} is {_the(best['system'])}, at a cost of "
        f"{cost_text(best['C'])} a slot"
    )
    if best["same_as"]:
        text += f" (the same decisions as {_in_line([_the(name) for name in best['same_as']])})"
    if best["runner_up"] is None:
        return text + "."
    second = _the(best["runner_up"])
    text += f"; {second} costs {more_or_less(best['ratio'])}"
    blocks = evaluation["test"]["blocks"]
    if best["ratio"]["low"] is None:
        return text + ", from too few days for an interval."
    if best["significant"]:
        text += f"; the interval leaves out a tie, as far as {blocks} blocks of days can tell."
        return text
    return text + ": too close to call on these days."


def deployed(evaluation: Evaluation) -> str:
    """Say what the deployed system reaches: its local share, its cost, its latency."""
    point, latency = evaluation["deployed"], evaluation["latency"]
    text = (
        f"The deployed system ({rule_name(point['rule'])}) was asked to take at least "
        f"{percent(point['L0'])} of the decisions at the edge and took {percent(point['L'], 1)}, "
        f"at a cost of {cost_text(point['C'])} a slot: "
        f"{more_or_less(point['ratio_to_remote'])} than asking the cloud every time. "
        f"By the paper's times a decision takes {point['latency_ms']:.1f} ms instead of "
        f"{latency['remote_ms']:.1f} ms"
    )
    if point["latency_with_rule_ms"] - point["latency_ms"] >= 0.05:
        text += f" ({point['latency_with_rule_ms']:.1f} ms with the rule's own work counted)"
    return text + "."


def last_value_verdict(evaluation: Evaluation) -> str:
    """Say whether the paper's layers beat the last value plus a constant."""
    verdicts, systems = evaluation["against_last_value"], evaluation["systems"]
    by = {
        said: [name for name in LAYERS if verdicts.get(name) == said]
        for said in ("loses", "even", "wins")
    }
    baseline = systems["last_value_headroom"]["C"]
    rule = f"the last value plus a constant per VNF (cost {cost_text(baseline)})"
    if "open" in verdicts.values():
        text = f"Too few days to judge the paper's layers against {rule}. "
    elif len(by["loses"]) == len(verdicts):
        text = f"The paper's layers lose to {rule}. "
    elif len(by["wins"]) == len(verdicts):
        text = f"The paper's layers beat {rule}. "
    elif not by["wins"] and not by["loses"]:
        text = f"The paper's layers and {rule} cannot be told apart on these days. "
    else:
        parts = [
            f"{_in_line([_the(name) for name in by[said]])} {_verb(said, len(by[said]))}"
            for said in ("wins", "loses", "even")
            if by[said]
        ]
        text = f"Against {rule}, {'; '.join(parts)}. "
    costs = [
        f"{_the(name)} costs {more_or_less(ratio)}"
        for name in LAYERS
        if name in verdicts
        for ratio in [systems[name]["ratio_to"]["last_value_headroom"]]
    ]
    return text + "Compared with it, " + ", ".join(costs) + "."


def findings(evaluation: Evaluation) -> list[Finding]:
    """Hold this run against what the method promises."""
    checks = (
        _layers,
        _joint_training,
        _remote_better,
        _share,
        _gate,
        _half,
        _uncertainty,
        _starving,
    )
    return [found for check in checks for found in check(evaluation)]


def _layers(evaluation: Evaluation) -> list[Finding]:
    verdicts = set(evaluation["against_last_value"].values())
    holds = True if verdicts == {"wins"} else False if "loses" in verdicts else None
    promise = "The layers are worth more than the last value plus a constant."
    return [Finding(promise, holds, last_value_verdict(evaluation))]


def _joint_training(evaluation: Evaluation) -> list[Finding]:
    ratio = evaluation["systems"]["remote"]["ratio_to"]["deepcog"]
    promise = "Joint training makes the remote exit better than DeepCog."
    return [Finding(promise, _below_one(ratio), f"It costs {more_or_less(ratio)}.")]


def _remote_better(evaluation: Evaluation) -> list[Finding]:
    benefit = evaluation["benefit"]
    ratio = benefit["local_to_remote"]
    text = (
        f"The local exit costs {more_or_less(ratio)} than the remote one; in "
        f"{percent(benefit['local_not_worse'])} of the slots it is no worse."
    )
    return [Finding("The cloud's layers add something.", _above_one(ratio), text)]


def _share(evaluation: Evaluation) -> list[Finding]:
    point = evaluation["deployed"]
    if point["rule"] in ("cloud", "edge"):  # no threshold of theirs could keep a share
        return []
    promise = "A threshold that was fixed beforehand keeps the share asked for."
    text = f"Asked for at least {percent(point['L0'])}, it gave {percent(point['L'], 1)}."
    return [Finding(promise, abs(point["L"] - point["L0"]) <= MISS, text)]


def _gate(evaluation: Evaluation) -> list[Finding]:
    compared = evaluation["deployed"]["equal_share"]
    if compared is None or compared["capture"] is None:
        return []
    value, low, high = (compared["capture"][key] for key in ("value", "low", "high"))
    text = (
        f"At L = {percent(compared['L'])} {rule_name(evaluation['deployed']['rule'])} covers "
        f"{percent(value)}"
    )
    if low is not None:
        text += f" [{_points(low)}, {_points(high)}]"
    text += " of the way from Random to the Oracle."
    gap = evaluation["benefit"]["local_to_remote"]["value"]
    if gap is not None and abs(gap - 1) < MISS:
        text += " As the exits differ by less than 5 %, that is not much in cost."
    return [Finding("The gate is better than a coin.", _below_one(compared["to_random"]), text)]


def _half(evaluation: Evaluation) -> list[Finding]:
    points = [
        point
        for name, listed in evaluation["paper_thresholds"].items()
        if name.startswith("optimized_")
        for point in listed
    ]
    if not points:
        return []
    misses = [abs(point["L"] - point["L0"]) for point in points]
    text = (
        f"Over {len(points)} gates it misses L0 by {100 * sum(misses) / len(misses):.0f} points on "
        f"average, by {100 * max(misses):.0f} at most."
    )
    return [Finding("The paper's threshold of 1/2 gives the share.", max(misses) <= MISS, text)]


def _uncertainty(evaluation: Evaluation) -> list[Finding]:
    rule = evaluation["deployed"]["rule"]
    found = []
    others = evaluation["deployed"]["others_at_equal_share"]
    for name in in_order(others):
        compared = others[name]
        ratio = compared["to_reference"]
        if not name.startswith("uncertainty") or name == rule or ratio is None:
            continue
        text = (
            f"At L = {percent(compared['L'])} {rule_name(name)} costs {more_or_less(ratio)}, both "
            "with a threshold set in hindsight."
        )
        promise = f"{rule_name(rule)} beats {rule_name(name)}."
        found.append(Finding(promise, _above_one(ratio), text))
    return found


def _starving(evaluation: Evaluation) -> list[Finding]:
    rates = {name: system["violation_rate"] for name, system in evaluation["systems"].items()}
    worst = max(rates, key=lambda name: rates[name])
    if rates[worst] <= 0.5:
        return []
    text = f"{_opening(worst)} gives less than the demand in {percent(rates[worst])} of all cases."
    beaten = _served_at_more(evaluation, worst)
    if evaluation["setting"]["cost"] == "eq3" and beaten is not None:
        text += (
            f" At this price of a violation, giving up pays: it costs less than {_the(beaten)}, "
            f"which does so in {percent(rates[beaten])}."
        )
    return [Finding("The demand is served.", False, text)]


def _served_at_more(evaluation: Evaluation, starving: str) -> str | None:
    """Name the cheapest system that serves more than half of the cases and yet costs more."""
    systems = evaluation["systems"]
    dearer = [
        name
        for name, system in systems.items()
        if system["violation_rate"] < 0.5 and system["C"] > systems[starving]["C"]
    ]
    return min(dearer, key=lambda name: systems[name]["C"], default=None)


def _below_one(ratio: dict[str, float | None]) -> bool | None:
    """Whether the whole interval lies below 1; None where it holds 1, or there is none."""
    low, high = ratio["low"], ratio["high"]
    if low is None or high is None or low <= 1 <= high:
        return None
    return high < 1


def _above_one(ratio: dict[str, float | None]) -> bool | None:
    below = _below_one(ratio)
    return None if below is None else not below


def _points(share: float) -> str:
    return f"{round(100 * share) or 0:d}"


def _tidy(number: float) -> str:
    return f"{round(number, 1) or 0.0:.1f}"  # never -0.0


def _the(name: str) -> str:
    named = name in ("deepcog", "last_value_headroom")
    return SYSTEM_NAMES[name] if named else f"the {SYSTEM_NAMES[name]}"


def _opening(name: str) -> str:
    """Name a system at the start of a sentence."""
    return _the(name).replace("the ", "The ", 1)


def _in_line(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _verb(said: str, count: int) -> str:
    if said == "even":
        return "is even" if count == 1 else "are even"
    return said if count == 1 else said.removesuffix("s")
