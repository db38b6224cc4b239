"""An evaluation in brief: the table of costs, and the few numbers that runs are compared by."""

import textwrap
from typing import Any

from ddnn.evaluation.systems import SYSTEMS
from ddnn.evaluation.wording import (
    SYSTEM_NAMES,
    Evaluation,
    cost_text,
    deployed,
    headline,
    last_value_verdict,
    percent,
)

_HEADER = (
    "",
    "cost",
    "interval",
    "vs last value",
    "in units",
    "violations",
    "overprov.",
    "at edge",
    "latency ms",
)
_WIDTH = 98
# The same header on two lines, for terminals.
_UPPER = ("", "", "", "vs last", "in", "vio-", "over-", "at", "latency")
_LOWER = ("", "cost", "interval", "value", "units", "lations", "prov.", "edge", "ms")


def cost_rows(evaluation: Evaluation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Give the header and the rows of the cost table, as text; the cheapest bears a star."""
    rows: list[tuple[str, ...]] = []
    for name in SYSTEMS:
        if name not in evaluation["systems"]:
            continue
        row = evaluation["systems"][name]
        star = " *" if name == evaluation["cheapest"]["system"] else ""
        rows.append(
            (
                SYSTEM_NAMES[name] + star,
                cost_text(row["C"]),
                _interval(row["C_low"], row["C_high"]),
                _change(row["ratio_to"].get("last_value_headroom")),
                _units(row["cost_in_units"]),
                percent(row["violation_rate"], 1),
                f"{row['mean_overprovision']:.4f}",
                "-" if row["L"] is None else percent(row["L"], 1),
                "-" if row["latency_ms"] is None else f"{row['latency_ms']:.2f}",
            )
        )
    return _HEADER, rows


def cost_table(evaluation: Evaluation) -> str:
    """Lay the costs out for a terminal, with what they say underneath."""
    _, rows = cost_rows(evaluation)
    widths = [max(map(len, column)) for column in zip(_UPPER, _LOWER, *rows, strict=True)]
    head = [_aligned(row, widths) for row in (_UPPER, _LOWER)]
    body = [_aligned(row, widths) for row in rows]
    said = [textwrap.fill(text, _WIDTH) for text in _said(evaluation)]
    return "\n".join([caption(evaluation), "", *head, "-" * len(head[1]), *body, "", *said])


def cost_table_markdown(evaluation: Evaluation) -> str:
    """Lay the costs out as Markdown, with what they say underneath."""
    header, rows = cost_rows(evaluation)
    lines = ["| " + " | ".join(row) + " |" for row in (header, *rows)]
    lines.insert(1, "|---|" + "---:|" * (len(header) - 1))
    return "\n".join([caption(evaluation), "", *lines, "", "\n\n".join(_said(evaluation))])


def caption(evaluation: Evaluation) -> str:
    """Name the demand and the setting in one line."""
    demand, test = evaluation["demand"], evaluation["test"]
    return (
        f"{demand['name']}: {demand['vnfs']} VNFs, {test['slots']} test slots in "
        f"{test['days']:g} days; {setting_line(evaluation['setting'])}"
    )


def setting_line(setting: dict[str, Any]) -> str:
    """Name the setting: the cost, the window, the weight of the exits, the seed (or ``seeds``)."""
    if setting["cost"] == "eq3":
        cost = f"c_u = {_price(setting['c_u'])}, c_o = {_price(setting['c_o'])}"
    elif setting["cost"] == "eq2":
        cost = f"g_u {_penalty(setting['g_u'])}, g_o {_penalty(setting['g_o'])}"
    else:
        cost = "squared error"
    seed = f"seeds {setting['seeds']}" if "seeds" in setting else f"seed {setting['seed']}"
    return f"{cost}, N = {setting['N']}, w = {setting['w']:g}, {seed}"


def summary(evaluation: Evaluation) -> dict[str, Any]:
    """Pick the few numbers by which runs are compared, nested by one level."""
    systems, point = evaluation["systems"], evaluation["deployed"]
    return {
        "cost": {name: row["C"] for name, row in systems.items()},
        "ratio_to_last_value": {
            name: row["ratio_to"]["last_value_headroom"]["value"] for name, row in systems.items()
        },
        "violation_rate": {name: row["violation_rate"] for name, row in systems.items()},
        "mean_overprovision": {name: row["mean_overprovision"] for name, row in systems.items()},
        "local_share": {"asked": point["L0"], "reached": point["L"]},
        "capture": point["capture"],
        "latency_ms": point["latency_with_rule_ms"],
        "validation_cost": {name: row["C"] for name, row in evaluation["validation"].items()},
        "cheapest": evaluation["cheapest"]["system"],
        "cheapest_is_significant": evaluation["cheapest"]["significant"],
    }


def _said(evaluation: Evaluation) -> tuple[str, str, str]:
    return headline(evaluation), last_value_verdict(evaluation), deployed(evaluation)


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    first = row[0].ljust(widths[0])
    rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
    return "  ".join([first, *rest]).rstrip()


def _units(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 1000 else f"{cost:.4g}"


def _interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"[{cost_text(low)}, {cost_text(high)}]"


def _change(ratio: dict[str, float | None] | None) -> str:
    if ratio is None or ratio["value"] is None:
        return "-"
    return f"{100 * (ratio['value'] - 1):+.1f} %"


def _price(value: float | list[float]) -> str:
    if isinstance(value, list):
        return f"{min(value):g} to {max(value):g}"
    return f"{value:g}"


def _penalty(penalty: dict[str, Any]) -> str:
    exponent = "" if penalty["exponent"] is None else f" {penalty['exponent']:g}"
    return f"{penalty['form']}{exponent} x {_price(penalty['weight'])}"
