"""What each system costs against the cheapest alternative, price by price."""

from collections.abc import Sequence

import numpy as np

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.worth.systems import REFERENCE, Compared
from ddnn.figures.style import FAINT, INK, Sheet, colour, title

_MOST = 1.3
"""Ratios beyond are told in figures at the panel's end, lest they press the rest together."""


def cost_ratios(compared: Sequence[Compared], caption: str) -> bytes:
    """Draw the cost of each system over that of the reference, a panel for each price.

    Args:
        compared: At least one; all of the same prices.
        caption: Names demand, setting and seeds.
    """
    ordered = sorted(
        compared, key=lambda each: np.mean([np.log(r.value) for r in each.ratios.values()])
    )
    prices = list(ordered[0].ratios)
    sheet = Sheet(caption, (2.4 + 2.1 * len(prices), 1.1 + 0.3 * len(ordered)), (1, len(prices)))
    places = np.arange(len(ordered))[::-1]
    for panel, (ax, c_u) in enumerate(zip(sheet.axes, prices, strict=True)):
        title(ax, f"c_u = {c_u:g}")
        ax.axvline(1.0, color=FAINT, linewidth=1)
        least = 1.0
        for place, each in zip(places, ordered, strict=True):
            ratio, shade = each.ratios[c_u], colour("system" if each.system.ours else "cloud")
            if ratio.value > _MOST:
                ax.text(_MOST, place, f"{ratio.value:.2f} >", ha="right", va="center", color=shade)
                continue
            low, high = _limits(ratio)
            least = min(least, low)
            ax.plot([low, min(high, _MOST)], [place, place], color=shade, linewidth=2, alpha=0.45)
            ax.plot(ratio.value, place, "o", color=shade, markersize=5)
        names = [each.system.name for each in ordered] if panel == 0 else [""] * len(ordered)
        ax.set_yticks(places, names, color=INK)
        ax.set(
            xlim=(least - 0.01, _MOST),
            ylim=(-0.6, len(ordered) - 0.4),
            xlabel=f"cost / {REFERENCE}",
        )
    return sheet.png()


def _limits(ratio: Interval) -> tuple[float, float]:
    if ratio.low is None or ratio.high is None:
        return ratio.value, ratio.value
    return ratio.low, ratio.high
