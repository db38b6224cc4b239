"""Figures of decisions over time: who decided what, what it gained, what was allocated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib.dates as mdates
import numpy as np
from numpy.typing import NDArray

from ddnn.figures.style import FAINT, INK, LOCAL, REMOTE, Array, Sheet, colour, empty, label, title


@dataclass(frozen=True)
class Series:
    """Demand of one VNF and what was allocated for it, in the demand's own unit, each (K,)."""

    name: str
    demand: Array
    allocations: Mapping[str, Array]
    """By ``local``, ``remote`` and others."""


def benefit_over_time(
    times: NDArray[np.int64],
    benefit: Array,
    local: NDArray[np.bool_],
    critical: float | None,
    zone: str,
    caption: str,
) -> bytes:
    """Draw the cloud's benefit C_L - C_R of each test slot, coloured by decision (Fig. 5c).

    Args:
        times: (K,) epoch seconds.
        benefit: (K,).
        local: (K,) true: decided at the edge.
        critical: b*, if there is one.
        zone: Time zone of the axis.
        caption: Names demand and setting.
    """
    sheet = Sheet(caption, (9.0, 3.9))
    ax = sheet.ax
    when = _clock(times, zone)
    for chosen, name, said in (
        (~local, REMOTE, "sent to the cloud"),
        (local, LOCAL, "kept at the edge"),
    ):
        ax.scatter(when[chosen], benefit[chosen], s=11, color=name, alpha=0.75, label=said, lw=0)
    ax.axhline(0, color=FAINT, linewidth=0.8)
    if critical is not None:
        ax.axhline(critical, color=INK, linewidth=1.2, label=f"b* = {critical:.2f}")
    ax.set(ylabel="benefit of the cloud, C_L - C_R")
    _days(ax, when, zone)
    sheet.legend()
    return sheet.png()


def probability_against_benefit(
    probability: Array, benefit: Array, critical: float, threshold: float | None, caption: str
) -> bytes:
    """Draw the gate's probability of ``hard`` against the true benefit (the axes of Fig. 5b)."""
    sheet = Sheet(caption, (9.0, 4.3))
    ax = sheet.ax
    hard = benefit > critical
    for chosen, name, said in ((hard, REMOTE, "hard: benefit above b*"), (~hard, LOCAL, "easy")):
        ax.scatter(
            probability[chosen], benefit[chosen], s=12, color=name, alpha=0.7, label=said, lw=0
        )
    ax.axhline(critical, color=INK, linewidth=1.2, label=f"b* = {critical:.2f}")
    ax.axvline(0.5, color=FAINT, linewidth=1, linestyle="--", label="the paper's 1/2")
    if threshold is not None:
        ax.axvline(threshold, color=colour("system"), linewidth=1.2, label="calibrated threshold")
    ax.set(
        xlabel="p, probability that the decision is hard",
        ylabel="benefit of the cloud, C_L - C_R",
        xlim=(-0.02, 1.02),
    )
    sheet.legend()
    return sheet.png()


def example_vnfs(
    times: NDArray[np.int64], series: Sequence[Series], unit: str, zone: str, caption: str
) -> bytes:
    """Draw demand and both exits' allocations of a few VNFs over time (Fig. 6)."""
    if not series:
        return empty(Sheet(caption), "no example VNF was kept")
    sheet = Sheet(caption, (9.0, 0.7 + 1.9 * len(series)), (len(series), 1), share_x=True)
    when = _clock(times, zone)
    for ax, one in zip(sheet.axes, series, strict=True):
        ax.fill_between(when, 0, one.demand, color="#e3e7ec", lw=0, label="demand")
        ax.plot(when, one.demand, color=INK, linewidth=0.7)
        for name, allocated in one.allocations.items():
            ax.plot(when, allocated, color=colour(name), linewidth=1.2, label=label(name))
        top = max(float(np.max(one.demand)), *(float(np.max(a)) for a in one.allocations.values()))
        title(ax, f"VNF {one.name}")
        ax.set(ylabel=unit, ylim=(0, 1.05 * top if top > 0 else 1.0))
        _days(ax, when, zone)
    sheet.legend()
    return sheet.png()


def _clock(times: NDArray[np.int64], zone: str) -> NDArray[Any]:
    place = ZoneInfo(zone)
    return np.array([datetime.fromtimestamp(int(second), place) for second in times])


def _days(ax: Any, when: NDArray[Any], zone: str) -> None:
    """Mark the days, at most nine of them; less than two are marked by the hour."""
    dates: Any = mdates  # matplotlib's dates have no annotations
    place = ZoneInfo(zone)
    days = (when[-1] - when[0]).total_seconds() / 86400 if len(when) else 0.0
    if days >= 2:
        ax.xaxis.set_major_locator(dates.DayLocator(interval=max(1, round(days / 8)), tz=place))
        ax.xaxis.set_major_formatter(dates.DateFormatter("%d %b", tz=place))
    else:
        locator = dates.AutoDateLocator(tz=place, maxticks=9)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(dates.DateFormatter("%d %b %H:%M", tz=place))
    ax.margins(x=0.01)
