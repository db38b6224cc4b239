"""Fig. 6: what both exits allocate for the demand of all VNFs, over time."""

from typing import Any
from zoneinfo import ZoneInfo

import matplotlib.dates as mdates

from ddnn.evaluation.measured import Measured
from ddnn.figures.paper.captions import WIDTH, absent, caption
from ddnn.figures.paper.series import seeds_of, totals
from ddnn.figures.style import FAINT, INK, Sheet, colour, empty, label

DAYS = 2
"""Test days that are shown."""


def fig6(measured: Measured, setting: str) -> bytes:
    """Draw demand and allocations, summed over the VNFs, and how far they lie apart."""
    runs, size = seeds_of(measured, setting), (WIDTH, 4.6)
    if not runs:
        return empty(Sheet(caption(measured, setting, runs), size), absent(setting))
    demand = runs[0].evaluation["demand"]
    shown = totals(runs[0], DAYS)
    said = (
        f"Times in {demand['timezone']}. Over all test slots the local exit allocates "
        f"{_change(shown.local_above)} of the demand, the remote exit "
        f"{_change(shown.remote_above)}."
    )
    sheet = Sheet(caption(measured, setting, runs[:1], said), size, (2, 1), share_x=True)
    upper, lower = sheet.axes
    when: Any = shown.times.astype("datetime64[s]")
    upper.fill_between(when, 0, shown.demand, color="#e3e7ec", lw=0, label="demand")
    upper.plot(when, shown.demand, color=INK, linewidth=0.8)
    for name, allocated in (("local", shown.local), ("remote", shown.remote)):
        upper.plot(when, allocated, color=colour(name), linewidth=1.3, label=label(name))
        lower.plot(when, allocated - shown.demand, color=colour(name), linewidth=1.3)
    lower.axhline(0, color=FAINT, linewidth=0.9)
    upper.set(ylabel=f"all VNFs [{demand['unit']}]", ylim=(0, None))
    lower.set(ylabel="allocation - demand")
    _mark_hours(lower, ZoneInfo(demand["timezone"]))
    sheet.legend(upper)
    return sheet.png()


def _mark_hours(ax: Any, place: ZoneInfo) -> None:
    dates: Any = mdates  # matplotlib's dates have no annotations
    ax.xaxis.set_major_locator(dates.AutoDateLocator(tz=place, maxticks=9))
    ax.xaxis.set_major_formatter(dates.DateFormatter("%H:%M\n%d %b", tz=place))
    ax.margins(x=0.01)


def _change(above: float) -> str:
    return f"{100 * (1 + above):.1f} %"
