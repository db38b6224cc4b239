"""Maps of a city: a value for each square, with the borders of its sites."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Normalize
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from ddnn.figures.style import FAINT, INK, LINE, Array, Sheet, title

_MOST_NAMES = 60
_HEIGHT = 5.6  # inches
_OUTLIERS = 0.98
"""A scale ends at this quantile if its greatest values lie far beyond."""


@dataclass(frozen=True)
class CityMap:
    """Where a city's squares lie, and which site each of them is of."""

    corners: Array
    """(M, 4, 2): x and y of each square's corners, around it."""
    sites: NDArray[np.int64]
    """(M,) index of each square's site."""
    names: Sequence[str]
    """Of the sites."""
    axes: Literal["degrees", "squares"]
    """What x and y are: longitude and latitude, or columns and rows."""


def square_map(
    where: CityMap,
    values: Array,
    scale: str,
    caption: str,
    shades: str,
    ends: tuple[float | None, float | None] = (None, None),
) -> bytes:
    """Draw a value for each square.

    Args:
        where: The squares.
        values: (M,), NaN where there is none: such squares are hatched.
        scale: Title of the colour scale, with the unit.
        caption: Names demand, setting and seed.
        shades: Name of a colour map of matplotlib's.
        ends: Of the colour scale; None: by the values.
    """
    (left, bottom), (right, top) = where.corners.min(axis=(0, 1)), where.corners.max(axis=(0, 1))
    # A degree of longitude is shorter than one of latitude.
    aspect = 1 / math.cos(math.radians((bottom + top) / 2)) if where.axes == "degrees" else 1.0
    width = _HEIGHT * (right - left) / ((top - bottom) * aspect)
    sheet = Sheet(caption, (min(max(width, 3.0), 12.0) + 1.9, _HEIGHT + 0.7))
    ax = sheet.ax
    known = np.isfinite(values)
    least, most = _ends(values[known], *ends)
    drawn = PolyCollection(
        list(where.corners[known]), cmap=shades, norm=Normalize(least, most), linewidths=0
    )
    drawn.set_array(values[known])
    drawn.set_edgecolor("face")  # no hairlines between squares of one colour
    drawn.set_linewidth(0.2)
    ax.add_collection(drawn)
    if not known.all():
        ax.add_collection(
            PolyCollection(
                list(where.corners[~known]),
                facecolor="#f3f4f6",
                edgecolor=FAINT,
                hatch="////",
                linewidth=0,
            )
        )
    ax.add_collection(LineCollection(_borders(where), colors=INK, linewidths=1.0))
    _name_sites(ax, where)
    ax.set(xlim=(left, right), ylim=(bottom, top))
    ax.set_aspect(aspect)
    ax.margins(0.01)
    ax.grid(visible=False)
    _label_axes(ax, where.axes)
    beyond = known.any() and values[known].max() > most
    figure = ax.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(
        drawn, ax=ax, extend="max" if beyond else "neither", fraction=0.045, pad=0.02
    )
    bar.set_label(scale, color=INK)
    bar.ax.tick_params(length=2, labelsize=8, colors=FAINT)
    bar.outline.set_visible(False)
    if not known.all():
        title(ax, "hatched: sites that failed")
    return sheet.png()


def _ends(values: Array, least: float | None, most: float | None) -> tuple[float, float]:
    """Take the values' ends, unless a few lie so far out that the rest would fade."""
    if not values.size:
        return 0.0, 1.0
    low = float(values.min()) if least is None else least
    greatest, usual = float(values.max()), float(np.quantile(values, _OUTLIERS))
    high = usual if greatest - low > 1.5 * (usual - low) else greatest
    high = high if most is None else most
    return low, high if high > low else low + 1e-9


def _borders(where: CityMap) -> list[Array]:
    """List the edges between squares of two sites, and those at the city's rim, (2, 2) each."""
    ends = np.stack([where.corners, np.roll(where.corners, -1, axis=1)], axis=2).reshape(-1, 2, 2)
    sites = np.repeat(where.sites, 4)
    middles = np.round(ends.mean(axis=1), 5)  # corners agree to a few centimetres
    seen: dict[tuple[float, ...], int] = {}
    inner: set[int] = set()
    for edge, middle in enumerate(map(tuple, middles.tolist())):
        other = seen.setdefault(middle, edge)
        if other != edge and sites[other] == sites[edge]:
            inner |= {other, edge}
    return [ends[edge] for edge in range(len(ends)) if edge not in inner]


def _name_sites(ax: Axes, where: CityMap) -> None:
    if len(where.names) > _MOST_NAMES:
        return
    centres = where.corners.mean(axis=1)
    for site, name in enumerate(where.names):
        own = centres[where.sites == site]
        # The square nearest to the middle: a site need not be in one piece.
        x, y = own[np.argmin(((own - own.mean(axis=0)) ** 2).sum(axis=1))]
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.75, "linewidth": 0}
        ax.text(
            x,
            y,
            name.removeprefix("site"),
            ha="center",
            va="center",
            fontsize=7,
            color=INK,
            bbox=box,
        )


def _label_axes(ax: Axes, kind: str) -> None:
    ax.tick_params(length=2, labelsize=7.5)
    for side in ("top", "right", "bottom", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(LINE)
    if kind == "squares":
        ax.set(xlabel="column", ylabel="row (north is up)")
        return
    degrees = FuncFormatter(lambda value, _: f"{round(value, 4):g}°")
    ax.xaxis.set_major_formatter(degrees)
    ax.yaxis.set_major_formatter(degrees)
    ax.set(xlabel="longitude", ylabel="latitude")
