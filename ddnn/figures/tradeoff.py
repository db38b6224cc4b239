"""Figures of the trade-off: cost against local share, asked against reached, cost bars."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ddnn.evaluation.systems import SYSTEMS
from ddnn.evaluation.wording import in_order
from ddnn.figures.style import ALARM, FAINT, INK, Array, Sheet, colour, empty, label

Evaluation = Mapping[str, Any]
Curves = Mapping[str, tuple[Array, Array]]
"""By curve: L (P,) in [0, 1], C (P,)."""


def performance_curves(evaluation: Evaluation, curves: Curves, caption: str) -> bytes:
    """Draw cost C against the share L of local decisions, as the paper's Fig. 4.

    Lines: rankings, with any threshold set in hindsight. Dots: thresholds fixed on the calibration
    days; rings: the paper's 1/2.
    """
    sheet = Sheet(caption, (9.0, 5.0))
    ax = sheet.ax
    _references(sheet, evaluation)
    _own_ranking(sheet, evaluation, curves)
    for name in _drawn_curves(curves):
        share, cost = curves[name]
        plain = name in ("random", "oracle")
        ax.plot(
            100 * share,
            cost,
            color=colour(name),
            label=label(name),
            linestyle="--" if name == "random" else "-",
            linewidth=2.0 if plain else 1.5,
        )
    gates = [name for name in in_order(evaluation["rules"]) if name.startswith("optimized_")]
    for name in gates:
        paper = evaluation["paper_thresholds"].get(name, [])
        _gate_points(sheet, name, evaluation["rules"][name], paper)
    if gates:
        ring: dict[str, Any] = {
            "marker": "o",
            "linestyle": "",
            "color": FAINT,
            "markerfacecolor": "white",
        }
        ax.plot([], [], **ring, label="a gate at the paper's 1/2")
    point = evaluation["deployed"]
    ax.plot(
        100 * point["L"],
        point["C"],
        marker="*",
        markersize=15,
        linestyle="",
        color=colour("system"),
        markeredgecolor="white",
        label=f"deployed system (L0 = {100 * point['L0']:.0f} %)",
        zorder=6,
    )
    ax.set(
        xlabel="L, decisions taken at the edge [%]", ylabel="C, mean cost of a slot", xlim=(-2, 102)
    )
    sheet.legend()
    return sheet.png()


def reached_share(evaluation: Evaluation, caption: str) -> bytes:
    """Draw the share that a threshold reached on the test days against the share asked for."""
    sheet = Sheet(caption, (9.0, 4.4))
    ax = sheet.ax
    ax.plot([0, 100], [0, 100], color=FAINT, linewidth=1, linestyle="--", label="as asked")
    found = False
    for name in in_order(evaluation["rules"]):
        if not name.startswith(("optimized_", "uncertainty")):
            continue
        points = evaluation["rules"][name]
        own = [p for p in points if p.get("gate_L0") in (None, p["L0"])]
        paper = [p for p in evaluation["paper_thresholds"].get(name, []) if p["L0"] is not None]
        for kept, fill, said in ((own, colour(name), "calibrated"), (paper, "white", "at 1/2")):
            if kept:
                found = True
                _asked_reached(sheet, name, kept, fill, said)
    if not found:
        return empty(sheet, "no rule with a threshold of its own in this run")
    ax.set(
        xlabel="L0, share asked for [%]",
        ylabel="L, share reached on the test days [%]",
        xlim=(-2, 102),
        ylim=(-2, 102),
    )
    sheet.legend()
    return sheet.png()


def _asked_reached(
    sheet: Sheet, name: str, points: list[dict[str, Any]], fill: str, said: str
) -> None:
    sheet.ax.plot(
        [100 * p["L0"] for p in points],
        [100 * p["L"] for p in points],
        marker="s" if fill == "white" else "o",
        markersize=6 if len(points) < 10 else 3,
        linestyle=":" if fill == "white" else "-",
        linewidth=1,
        color=colour(name),
        markerfacecolor=fill,
        label=f"{label(name)}, {said}",
    )


def cost_bars(evaluation: Evaluation, caption: str) -> bytes:
    """Draw what each system costs, with intervals, the cheapest marked."""
    names = [name for name in SYSTEMS if name in evaluation["systems"]]
    sheet = Sheet(caption, (9.0, 0.9 + 0.46 * len(names)))
    ax = sheet.ax
    rows = [evaluation["systems"][name] for name in names]
    costs = [row["C"] for row in rows]
    places = np.arange(len(names))[::-1]
    ax.barh(places, costs, color=[colour(name) for name in names], height=0.62, alpha=0.9)
    top = max([row["C_high"] or row["C"] for row in rows])
    for place, name, row in zip(places, names, rows, strict=True):
        if row["C_low"] is not None:
            ax.plot([row["C_low"], row["C_high"]], [place, place], color=INK, linewidth=1.2)
        star = "  cheapest" if name == evaluation["cheapest"]["system"] else ""
        ax.text(top * 1.02, place, f"{row['C']:.3f}{star}", va="center", fontsize=8.5)
    ax.set_yticks(places, [label(name) for name in names], color=INK)
    ax.set(
        xlabel="C, mean cost of a slot (line: bootstrap interval over days)", xlim=(0, top * 1.22)
    )
    ax.grid(axis="y", visible=False)
    return sheet.png()


def captures(evaluation: Evaluation, caption: str) -> bytes:
    """Draw how much of the way from Random to the Oracle each rule covers, at one L."""
    point = evaluation["deployed"]
    rows = point["others_at_equal_share"]
    compared = {name: rows[name] for name in in_order(rows) if rows[name]["capture"] is not None}
    sheet = Sheet(caption, (9.0, 1.1 + 0.42 * max(len(compared), 3)))
    if not compared:
        return empty(sheet, "Random and the Oracle coincide here: nothing to capture")
    ax = sheet.ax
    places = np.arange(len(compared))[::-1]
    for place, (name, row) in zip(places, compared.items(), strict=True):
        got = row["capture"]
        if got["low"] is not None:
            ends = [100 * got["low"], 100 * got["high"]]
            ax.plot(ends, [place, place], color=colour(name), linewidth=2)
        ax.plot(100 * got["value"], place, "o", color=colour(name), markersize=8)
    ax.axvline(0, color=ALARM, linewidth=1)
    ax.axvline(100, color=INK, linewidth=1)
    ax.set_yticks(places, [label(name) for name in compared], color=INK)
    at = 100 * next(iter(compared.values()))["L"]
    ax.set(
        xlabel=f"way from Random (0) to the Oracle (100) at L = {at:.0f} % [%]",
        ylim=(-0.6, len(compared) - 0.4),
    )
    ax.grid(axis="y", visible=False)
    return sheet.png()


def _references(sheet: Sheet, evaluation: Evaluation) -> None:
    for name in ("deepcog", "last_value_headroom"):
        if name in evaluation["systems"]:
            cost = evaluation["systems"][name]["C"]
            sheet.ax.axhline(cost, color=colour(name), linewidth=1.4, linestyle=(0, (5, 2)))
            sheet.ax.plot([], [], color=colour(name), linestyle=(0, (5, 2)), label=label(name))
    for name, share in (("remote", 0.0), ("local", 100.0)):
        cost = evaluation["systems"][name]["C"]
        sheet.ax.plot(
            share, cost, "D", color=colour(name), markersize=8, zorder=5, label=label(name)
        )


def _drawn_curves(curves: Curves) -> list[str]:
    uncertainty = [name for name in in_order(curves) if name.startswith("uncertainty")]
    return [name for name in ("oracle", "random", *uncertainty) if name in curves]


def _own_ranking(sheet: Sheet, evaluation: Evaluation, curves: Curves) -> None:
    point = evaluation["deployed"]
    found = curves.get(evaluation["deployed"]["curve"])
    if found is not None and point["rule"].startswith("optimized"):
        share, cost = found
        shown = f"{label(point['rule'])}, any threshold"
        sheet.ax.plot(
            100 * share, cost, color=colour(point["rule"]), linewidth=1, alpha=0.6, label=shown
        )


def _gate_points(
    sheet: Sheet, name: str, frozen: list[dict[str, Any]], paper: list[dict[str, Any]]
) -> None:
    """A dot for each gate at its own L0, a ring where the paper's 1/2 puts it."""
    own = [point for point in frozen if point["gate_L0"] == point["L0"]]
    for points, fill, said in ((own, colour(name), label(name)), (paper, "white", None)):
        sheet.ax.plot(
            [100 * point["L"] for point in points],
            [point["C"] for point in points],
            marker="o",
            markersize=6.5,
            linestyle="",
            color=colour(name),
            markerfacecolor=fill,
            label=said,
            zorder=4,
        )
