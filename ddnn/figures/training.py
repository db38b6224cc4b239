"""Figures of what was learned: the exits' training, the grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ddnn.figures.style import ALARM, FAINT, INK, LINE, Array, Sheet, colour, title

History = Mapping[str, Array]
"""Columns of history.csv: epoch, local_cost, remote_cost, best; or local_nll, remote_nll."""


def training_history(ddnn: History, deepcog: History | None, caption: str) -> bytes:
    """Draw the hard cost of both exits on the validation days over the epochs, and DeepCog's.

    Of exits that predict a distribution it is the negative log-likelihood on days left out, and
    theirs alone.
    """
    by_likelihood = "local_nll" in ddnn
    measure = "nll" if by_likelihood else "cost"
    sheet = Sheet(caption, (9.0, 3.8))
    ax = sheet.ax
    lines = [
        ("local", ddnn, f"local_{measure}", "local exit"),
        ("remote", ddnn, f"remote_{measure}", "remote exit"),
    ]
    if deepcog is not None and not by_likelihood:
        lines.append(("deepcog", deepcog, "remote_cost", "DeepCog"))
    shown = []
    for name, history, column, label in lines:
        values = np.asarray(history[column], dtype=np.float64)
        if not np.isfinite(values).any():
            continue
        shown.append(values[np.isfinite(values)])
        ax.plot(history["epoch"], values, color=colour(name), label=label, linewidth=1.4)
        kept = np.flatnonzero(np.asarray(history["best"], dtype=np.float64) > 0)
        if kept.size:
            last = kept[-1]
            ax.plot(history["epoch"][last], values[last], "o", color=colour(name), markersize=6)
    said = (
        "negative log-likelihood, days left out" if by_likelihood else "hard cost, validation days"
    )
    ax.set(xlabel="epoch", ylabel=said)
    if shown:
        lowest = min(float(values.min()) for values in shown)
        # The first epochs cost many times the last: they must not flatten what matters.
        usual = max(float(np.quantile(values, 0.9)) for values in shown)
        ax.set_ylim(lowest - 0.08 * (usual - lowest + 1e-9), usual + 0.15 * (usual - lowest + 1e-9))
    ax.plot([], [], "o", color=FAINT, label="epoch that is kept")
    sheet.legend()
    return sheet.png()


@dataclass(frozen=True)
class Placement:
    """Where the VNFs lie: in the plane, and on the grid; both in columns and rows from the top."""

    names: Sequence[str]
    """Of the M VNFs."""
    positions: Array
    """(M, 2) x and y, from eq. (12), moved and scaled to the grid."""
    cells: NDArray[np.int64]
    """(M, 2) row and column that the VNF was assigned to."""
    rows: int
    columns: int
    neighbours: float | None
    """Mean correlation of adjacent cells, 1 - shape-based distance."""
    by_chance: Array
    """The same for random grids."""


def grid_picture(placement: Placement, caption: str) -> bytes:
    """Draw the positions of eq. (12), the grid they were assigned to, and what that gained."""
    sheet = Sheet(caption, (10.0, 4.1), (1, 3), (1, 1, 0.95))
    before, after, gain = sheet.axes
    shades = _shades(placement.positions)
    _draw_plane(before, placement, shades)
    _draw_grid(after, placement, shades)
    _draw_gain(gain, placement)
    return sheet.png()


def _draw_plane(ax: Axes, placement: Placement, shades: Array) -> None:
    centres = placement.cells[:, ::-1].astype(np.float64)
    for position, centre in zip(placement.positions, centres, strict=True):
        ax.plot(*np.stack([position, centre]).T, color=LINE, linewidth=0.8, zorder=1)
    ax.scatter(centres[:, 0], centres[:, 1], marker="s", s=9, color=FAINT, lw=0, zorder=2)
    x, y = placement.positions.T
    ax.scatter(x, y, c=shades, s=36, edgecolor="white", linewidth=0.6, zorder=3)
    if len(placement.names) <= 64:
        for name, place in zip(placement.names, placement.positions, strict=True):
            ax.annotate(
                name, tuple(place), (4, 3), textcoords="offset points", fontsize=5.5, color=INK
            )
    ax.set_aspect("equal", adjustable="datalim")
    title(ax, "positions by eq. (12), and their cells")
    ax.set(xticks=[], yticks=[])
    ax.invert_yaxis()  # row 0 is on top, as in an image


def _draw_grid(ax: Axes, placement: Placement, shades: Array) -> None:
    rows, columns = placement.rows, placement.columns
    size = max(3.0, min(8.0, 48 / max(rows, columns)))
    for name, cell, shade in zip(placement.names, placement.cells.tolist(), shades, strict=True):
        row, column = cell
        ax.add_patch(
            Rectangle((column, row), 1, 1, facecolor=tuple(shade.tolist()), edgecolor="white")
        )
        if len(placement.names) <= 225:
            ax.text(
                column + 0.5, row + 0.5, name, ha="center", va="center", fontsize=size, color=INK
            )
    title(ax, f"the grid, {rows} x {columns}")
    ax.set(xlim=(0, columns), ylim=(rows, 0))
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.grid(visible=False)


def _draw_gain(ax: Axes, placement: Placement) -> None:
    chance = placement.by_chance
    title(ax, "correlation of grid neighbours")
    ax.set(xlabel="1 - shape-based distance")
    ax.set_yticks([])
    ax.grid(axis="y", visible=False)
    if placement.neighbours is None or chance.size == 0:
        ax.text(0.5, 0.5, "no two are adjacent", ha="center", transform=ax.transAxes)
        return
    ax.hist(chance, bins=15, color=LINE, edgecolor="white", label=f"{chance.size} random grids")
    ax.axvline(placement.neighbours, color=ALARM, linewidth=2, label="this grid")
    ax.set_ylim(0, ax.get_ylim()[1] * 1.35)
    ax.legend(loc="upper left", fontsize=8, frameon=False)


def _shades(positions: Array) -> Array:
    """Colour of each VNF by its place in the plane: the same in both pictures."""
    low, span = positions.min(axis=0), np.maximum(np.ptp(positions, axis=0), 1e-12)
    x, y = ((positions - low) / span).T
    # Light enough for dark names.
    red, green, blue = 0.55 + 0.42 * x, 0.62 + 0.34 * y, 0.95 - 0.42 * x
    return np.stack([red, green, blue, np.ones_like(x)], axis=1)
