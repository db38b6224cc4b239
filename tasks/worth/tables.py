"""The tables of docs/worth.md, as Markdown between comments that bear their names."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.worth.bar import Bar
from ddnn.evaluation.worth.cloud import CloudWorth
from ddnn.evaluation.worth.cost_bars import whole_cost
from ddnn.evaluation.worth.measured import Measured
from ddnn.evaluation.worth.pooled import Costs
from tasks.worth.pieces import Piece

_WORTH = {"pays": "pays", "nothing": "worth nothing", "costs": "costs more than it saves"}


def bars_table(bars: Sequence[Bar]) -> str:
    """Lay the bars out: what was measured, the target, and whether it is met."""
    lines = [
        "| bar | c_u | value | interval | target | met | trainings |",
        "|---|--:|--:|---|---|---|--:|",
    ]
    for bar in bars:
        price = "" if bar.c_u is None else f"{bar.c_u:g}"
        target = "" if bar.target is None else f"{bar.sense} {bar.target:g}"
        value, interval = _number(bar.value), _limits(bar.low, bar.high)
        trainings = f"{bar.coverage.there} of {bar.coverage.asked}" if bar.coverage.asked else ""
        lines.append(
            f"| {bar.bar} | {price} | {value} | {interval} | {target} | {met(bar)} | {trainings} |"
        )
    return "\n".join(lines)


def met(bar: Bar) -> str:
    """Say whether a bar is met: never without all of its trainings."""
    if bar.value is None:
        return "not measured"
    if bar.target is None:
        return ""
    if bar.met is not None:
        return "yes" if bar.met else "**no**"
    return "so far yes" if bar.so_far else "so far no"


def systems_table(measured: Measured) -> str:
    """Lay out the mean cost per slot of each system over all windows, at each price."""
    prices = measured.worth.c_u
    systems = {
        name: ("alternatives", name)
        for name in sorted(
            {_system(n) for f in measured.of("alternatives") for n in f.result.arrays}
        )
    }
    systems |= {"anchored, local exit": ("anchored", "local")}
    systems |= {"anchored, remote exit": ("anchored", "remote")}
    systems |= {"the paper's local exit": ("exits", "paper_local")}
    systems |= {"the paper's remote exit": ("exits", "paper_remote")}
    systems |= {"deepcog": ("exits", "deepcog")}
    head = " | ".join(f"c_u {c_u:g}" for c_u in prices)
    lines = [f"| system | {head} |", "|---|" + "--:|" * len(prices)]
    for name, (kind, system) in systems.items():
        costs = [measured.costs(kind, system, c_u) for c_u in prices]
        lines.append(f"| {name} | {' | '.join(_mean(measured, each) for each in costs)} |")
    whole = [measured.each("anchored", c_u, partial(whole_cost, measured, c_u)) for c_u in prices]
    lines.append(f"| whole system | {' | '.join(_mean(measured, each) for each in whole)} |")
    return "\n".join(lines)


def windows_table(measured: Measured) -> str:
    """Lay out the ratios of each window, geometric means over the prices."""
    lines = [
        "| days behind it | training slots | local / best | remote / best | local / plain |",
        "|--:|--:|--:|--:|--:|",
    ]
    for window in measured.worth.windows:
        there = [each for each in measured.of("alternatives") if each.window == window]
        if not there:
            continue
        pairs = (("local", "best"), ("remote", "best"), ("local", "plain"))
        ratios = " | ".join(_window_ratio(measured, window, *pair) for pair in pairs)
        lines.append(f"| {window} | {there[0].result.facts['training_slots']} | {ratios} |")
    return "\n".join(lines)


def cloud_table(rows: Sequence[CloudWorth]) -> str:
    """Lay out what the cloud is worth."""
    lines = [
        "| setting | c_u | saved a decision, all offloaded | of the local cost | saved per "
        "offloaded decision | per KiB sent | the cloud |",
        "|---|--:|---|---|---|--:|---|",
    ]
    for row in rows:
        each = "" if row.per_offloaded is None else _told(row.per_offloaded, 4)
        kilobyte = "" if row.per_kilobyte is None else f"{row.per_kilobyte:.4f}"
        lines.append(
            f"| {row.setting} | {row.c_u:g} | {_told(row.saved, 4)} | {_percent(row.share)} "
            f"| {each} | {kilobyte} | {_WORTH[row.worth]} |"
        )
    return "\n".join(lines)


def missing_text(missing: Sequence[Piece], stale: Sequence[str]) -> str:
    """Say which pieces are not there."""
    if not missing:
        return "All pieces are there."
    count = Counter(piece.kind for piece in missing)
    told = ", ".join(f"{number} of `{kind}`" for kind, number in count.items())
    text = f"Not there yet: {told}."
    if stale:
        text += f" Of these, {len(stale)} were made with other settings or code and are not used."
    return text


def show(page: Path, name: str, table: str) -> None:
    """Put a table between the page's comments of that name; a page without them is left alone."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, found, rest = text.partition(begin)
    _, also, behind = rest.partition(end)
    if found and also:
        page.write_text(f"{before}{begin}{table}\n{end}{behind}", encoding="utf-8")


def _mean(measured: Measured, costs: Costs) -> str:
    pool = measured.pool(costs)
    return "" if pool is None else f"{pool.mean(costs)[0]:.3f}"


def _window_ratio(measured: Measured, window: int, exit_: str, boosting: str) -> str:
    logs = []
    for c_u in measured.worth.c_u:
        exits = measured.costs("anchored", exit_, c_u)
        means = [costs.mean() for (at, _), costs in exits.items() if at == window]
        reference = measured.costs("alternatives", f"boosting_{boosting}", c_u)[window, None]
        if not means:
            return ""
        logs.append(np.log(np.mean(means) / reference.mean()))
    return f"{np.exp(np.mean(logs)):.3f}"


def _system(name: str) -> str:
    return name.partition("@")[0]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"


def _limits(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{_number(low)}, {_number(high)}]"


def _told(value: Interval, digits: int) -> str:
    if value.low is None or value.high is None:
        return f"{value.value:.{digits}f}"
    return f"{value.value:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"


def _percent(value: Interval) -> str:
    scaled = (None if v is None else 100 * v for v in (value.value, value.low, value.high))
    first, low, high = scaled
    assert first is not None
    return f"{_told(Interval(first, low, high), 2)} %"
