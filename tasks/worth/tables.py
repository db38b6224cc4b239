"""The tables of docs/worth.md and of the report: the same cells, in Markdown or in HTML."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.worth.bar import Bar
from ddnn.evaluation.worth.cloud import CloudWorth
from ddnn.evaluation.worth.measured import Measured
from ddnn.evaluation.worth.systems import systems
from tasks.worth.pieces import Piece

_WORTH = {"pays": "pays", "nothing": "worth nothing", "costs": "costs more than it saves"}


@dataclass(frozen=True)
class Table:
    """Cells for a reader."""

    head: tuple[str, ...]
    align: str
    """``l`` or ``r`` for each column."""
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        """Lay it out; a bare "no" stands out."""
        rule = "|" + "".join("---|" if side == "l" else "--:|" for side in self.align)
        rows = (["**no**" if cell == "no" else cell for cell in row] for row in self.rows)
        return "\n".join(["| " + " | ".join(self.head) + " |", rule, *map(_line, rows)])


def bars_table(bars: Sequence[Bar]) -> Table:
    """Lay the bars out: what was measured, the target, and whether it is met."""
    rows = []
    for bar in bars:
        price = "" if bar.c_u is None else f"{bar.c_u:g}"
        target = "" if bar.target is None else f"{bar.sense} {bar.target:g}"
        value, interval = _number(bar.value), _limits(bar.low, bar.high)
        trainings = f"{bar.coverage.there} of {bar.coverage.asked}" if bar.coverage.asked else ""
        rows.append((bar.bar, price, value, interval, target, met(bar), trainings))
    head = ("bar", "c_u", "value", "interval", "target", "met", "trainings")
    return Table(head, "lrrlllr", rows)


def met(bar: Bar) -> str:
    """Say whether a bar is met: never without all of its trainings."""
    if bar.value is None:
        return "not measured"
    if bar.target is None:
        return ""
    if bar.met is not None:
        return "yes" if bar.met else "no"
    return "so far yes" if bar.so_far else "so far no"


def systems_table(measured: Measured) -> Table:
    """Lay out the mean cost per slot of each system over all windows, at each price."""
    prices = measured.worth.c_u
    rows = []
    for system in systems(measured):
        means = (system.mean(measured, c_u) for c_u in prices)
        rows.append((system.name, *("" if mean is None else f"{mean:.3f}" for mean in means)))
    return Table(("system", *(f"c_u {c_u:g}" for c_u in prices)), "l" + "r" * len(prices), rows)


def windows_table(measured: Measured) -> Table:
    """Lay out the ratios of each window, geometric means over the prices."""
    rows = []
    for window in measured.worth.windows:
        there = [each for each in measured.of("alternatives") if each.window == window]
        if not there:
            continue
        pairs = (("local", "best"), ("remote", "best"), ("local", "plain"))
        ratios = (_window_ratio(measured, window, *pair) for pair in pairs)
        rows.append((f"{window}", f"{there[0].result.facts['training_slots']}", *ratios))
    head = ("days behind it", "training slots", "local / best", "remote / best", "local / plain")
    return Table(head, "rrrrr", rows)


def cloud_table(worth: Sequence[CloudWorth]) -> Table:
    """Lay out what the cloud is worth."""
    rows = []
    for row in worth:
        each = "" if row.per_offloaded is None else _told(row.per_offloaded, 4)
        kilobyte = "" if row.per_kilobyte is None else f"{row.per_kilobyte:.4f}"
        saved, share = _told(row.saved, 4), _percent(row.share)
        cells = (row.setting, f"{row.c_u:g}", saved, share, each, kilobyte, _WORTH[row.worth])
        rows.append(cells)
    head = (
        "setting",
        "c_u",
        "saved a decision, all offloaded",
        "of the local cost",
        "saved per offloaded decision",
        "per KiB sent",
        "the cloud",
    )
    return Table(head, "lrlllrl", rows)


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


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


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
