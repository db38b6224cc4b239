"""How all figures look: one colour for each rule and system everywhere, and stable bytes."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ddnn.evaluation.wording import SYSTEM_NAMES, rule_name

Array = NDArray[np.float64]

LOCAL, REMOTE = "#2a9d5c", "#2667b0"
INK, FAINT, LINE = "#22272e", "#6b7480", "#d9dee4"
ALARM = "#c8371b"

# After Okabe and Ito: to be told apart by colour-blind readers, and in grey by their lightness.
_COLOURS = {
    "local": LOCAL,
    "edge": LOCAL,
    "remote": REMOTE,
    "cloud": REMOTE,
    "deepcog": "#3fb3d6",
    "deepcog_original": "#7d5a3c",
    "last_value_headroom": "#d55e00",
    "system": "#7a3e9d",
    "oracle": "#22272e",
    "oracle_corrected": "#8a929c",
    "random": "#9aa3ad",
    "uncertainty_b2": "#f2c14e",
    "uncertainty_b10": "#b8860b",
    "optimized_volume": "#7a3e9d",
    "optimized_demand": "#cc79a7",
    "optimized_latent": "#b5542b",
    "optimized_local": "#7f8c1f",
}

_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#eceff2",
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "savefig.facecolor": "white",
}


def colour(name: str) -> str:
    """Give the colour of a rule or a system; a rule without one of its own is brown."""
    return _COLOURS.get(name, "#7d5a3c")


def label(name: str) -> str:
    """Spell a rule or a system for a legend."""
    return SYSTEM_NAMES[name] if name in SYSTEM_NAMES else rule_name(name)


class Sheet:
    """A figure in the project's style, with a caption line at its foot.

    Attributes:
        axes: The panels, from left to right and from top to bottom.
    """

    def __init__(
        self,
        caption: str,
        size: tuple[float, float] = (8.0, 4.2),
        panels: tuple[int, int] = (1, 1),
        ratios: Sequence[float] | None = None,
        share_x: bool = False,
    ) -> None:
        """Lay out the panels.

        Args:
            caption: Names demand, setting and seed.
            size: Width and height, inches.
            panels: Rows and columns.
            ratios: Relative widths of the columns.
            share_x: The panels have one horizontal axis.
        """
        with mpl.rc_context(_RC):
            self._figure = Figure(figsize=size, dpi=150, layout="constrained")
            FigureCanvasAgg(self._figure)
            grid = self._figure.subplots(
                *panels, width_ratios=ratios, squeeze=False, sharex=share_x
            )
            self.axes: list[Axes] = list(grid.flat)
            self._figure.supxlabel(caption, x=0.005, ha="left", fontsize=7, color=FAINT)

    @property
    def ax(self) -> Axes:
        """The first panel."""
        return self.axes[0]

    def legend(self, ax: Axes | None = None) -> None:
        """Put the panel's legend to its right, outside."""
        panel = ax or self.ax
        with mpl.rc_context(_RC):
            panel.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)

    def png(self) -> bytes:
        """Draw it: the same figure gives the same bytes, without a date or a program's name."""
        buffer = io.BytesIO()
        with mpl.rc_context(_RC):
            self._figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()


def title(ax: Axes, text: str) -> None:
    """Put a panel's title above its left end."""
    ax.set_title(text, loc="left", fontsize=9.5, color=INK)


def empty(sheet: Sheet, text: str) -> bytes:
    """Say in the figure's place why there is none."""
    sheet.ax.set_axis_off()
    sheet.ax.text(0.5, 0.5, text, ha="center", va="center", transform=sheet.ax.transAxes)
    return sheet.png()
