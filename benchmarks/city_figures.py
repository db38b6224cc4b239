"""Figures that lay the synthetic city over the real squares."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.city_measures import DAY, KINDS, NEAR, Array, block_positions
from ddnn.demand import statistics as stat
from ddnn.demand.city import make_city

REAL, CITY = "#b2182b", "#2166ac"
SEEDS = range(1, 9)


def draw_all(real: Array, totals: Array, folder: Path) -> None:
    """Draw every figure; ``real`` is ``(4320, 25)``, ``totals`` the mean of all squares."""
    folder.mkdir(parents=True, exist_ok=True)
    cities = [make_city(25, 30, seed).values for seed in SEEDS]
    whole = make_city(10_000, 30, 1).values.mean(axis=0)
    figures = {
        "levels": _levels(totals, whole),
        "maps": _maps(totals, whole),
        "profile": _profile(real, cities),
        "noise": _noise(real, cities),
        "neighbours": _neighbours(real, cities),
        "bursts": _bursts(real, cities),
        "weeks": _weeks(real, cities),
    }
    for name, figure in figures.items():
        # No software and no date inside: the same numbers give the same bytes.
        dpi = 60 if name == "maps" else 80
        figure.savefig(folder / f"{name}.png", dpi=dpi, metadata={"Software": None})


def _figure(
    columns: int, width: float = 9.0, height: float = 3.4
) -> tuple[Figure, list[mpl.axes.Axes]]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    return figure, list(axes)


def _levels(real: Array, city: Array) -> Figure:
    figure, (quantiles, ranks) = _figure(2)
    shares = np.linspace(0, 1, 10_000)
    for values, color, name in ((real, REAL, "real"), (city, CITY, "city, seed 1")):
        ordered = np.sort(values)
        quantiles.plot(ordered, shares, color=color, label=name)
        ranks.plot(np.arange(1, 10_001), ordered[::-1], color=color, label=name)
    quantiles.set(xscale="log", xlabel="mean activity of a square", ylabel="share of squares below")
    ranks.set(xscale="log", yscale="log", xlabel="rank", ylabel="mean activity")
    quantiles.legend()
    return figure


def _maps(real: Array, city: Array) -> Figure:
    figure, axes = _figure(2, height=4.2)
    for axis, values, name in zip(axes, (real, city), ("real", "city, seed 1"), strict=True):
        image = axis.imshow(np.log(values).reshape(100, 100), origin="lower", vmin=0, vmax=7.5)
        axis.set(title=name, xlabel="column", ylabel="row")
    figure.colorbar(image, ax=axes, label="log mean activity")
    return figure


def _profile(real: Array, cities: list[Array]) -> Figure:
    figure, axes = _figure(3)
    hours = np.arange(24) + 0.5
    names = ("workday", "Saturday", "Sunday and holiday")
    made = np.stack([stat.hourly_profile(city, DAY, KINDS) for city in cities]).mean(axis=0)
    found = stat.hourly_profile(real, DAY, KINDS)
    for kind, (axis, name) in enumerate(zip(axes, names, strict=True)):
        for profile, color, label in ((found, REAL, "real"), (made, CITY, "city")):
            axis.plot(hours, profile[kind].mean(axis=1), color=color, label=label)
        spread = [stat.hourly_profile(city, DAY, KINDS)[kind] for city in cities]
        low, high = np.quantile(np.concatenate(spread, axis=1), (0.1, 0.9), axis=1)
        axis.fill_between(hours, low, high, color=CITY, alpha=0.15, lw=0)
        for edge in np.quantile(found[kind], (0.1, 0.9), axis=1):
            axis.plot(hours, edge, color=REAL, lw=0.8, ls=":")
        axis.set(title=name, xlabel="hour", ylim=(0.2, 2.2), xticks=range(0, 25, 6))
    axes[0].set_ylabel("activity / mean of square")
    axes[0].legend()
    return figure


def _noise(real: Array, cities: list[Array]) -> Figure:
    figure, (over, within) = _figure(2)
    for values, color, name in ((np.hstack(cities), CITY, "city"), (real, REAL, "real")):
        noise = np.diff(values, axis=0).std(axis=0) / np.sqrt(2)
        size = 8 if color == CITY else 22
        over.scatter(values.mean(axis=0), noise, s=size, color=color, label=name, alpha=0.7)
        level, noise = np.median(stat.noise_within(values), axis=-1)
        within.plot(level, noise, "o-", color=color)
    over.set(xscale="log", yscale="log", xlabel="mean of square", ylabel="noise from slot to slot")
    within.set(xscale="log", yscale="log", xlabel="level / mean of square", ylabel="noise / mean")
    within.set_title("within a square, median square")
    over.set_title("over squares")
    over.legend()
    return figure


def _neighbours(real: Array, cities: list[Array]) -> Figure:
    figure, axes = _figure(2)
    middles = np.array([1.0, 1.41, 2.0, 2.6, 4.0])
    measures = {
        "one-step change of log": lambda values: np.diff(np.log(values), axis=0),
        "departure from the rhythm": lambda values: stat.departures(values, DAY, KINDS),
    }
    for axis, (title, measure) in zip(axes, measures.items(), strict=True):
        made = [
            stat.correlation_by_distance(measure(city), block_positions(), NEAR) for city in cities
        ]
        for line in made:
            axis.plot(middles, line, color=CITY, alpha=0.25, lw=0.8)
        axis.plot(middles, np.mean(made, axis=0), "o-", color=CITY, label="city: mean, and each")
        found = stat.correlation_by_distance(measure(real), block_positions(), NEAR)
        axis.plot(middles, found, "o-", color=REAL, label="real")
        axis.set(title=title, xlabel="distance in squares", ylabel="correlation", ylim=(-0.05, 0.8))
    axes[0].legend()
    return figure


def _bursts(real: Array, cities: list[Array]) -> Figure:
    figure, axes = _figure(2)
    for axis, sign, title in zip(axes, (1, -1), ("up", "down"), strict=True):
        for values, color, name in ((real, REAL, "real"), (np.hstack(cities), CITY, "city")):
            changes = sign * np.diff(np.log(values), axis=0)
            spread = 1.4826 * np.median(np.abs(changes), axis=0)
            ordered = np.sort((changes / spread).ravel())[::-1]
            places = np.unique(np.geomspace(1, ordered.size // 2, 400).astype(int)) - 1
            axis.plot(ordered[places], (places + 1) / ordered.size, color=color, label=name)
        axis.set(yscale="log", xlim=(0, 16), ylim=(1e-6, 0.6), title=f"changes {title}")
        axis.set(xlabel="robust standard deviations", ylabel="share of slots beyond")
    axes[0].legend()
    return figure


def _weeks(real: Array, cities: list[Array]) -> Figure:
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    axes = figure.subplots(4, 1, sharex=True)
    week = slice(3 * DAY, 10 * DAY)
    days = np.arange(7 * DAY) / DAY
    shown = ((real, 0, REAL), (real, 13, REAL), (cities[0], 0, CITY), (cities[1], 13, CITY))
    for axis, (values, square, color) in zip(axes, shown, strict=True):
        axis.plot(days, values[week, square], color=color, lw=0.7)
        axis.set(ylim=(0, None), ylabel="real" if color == REAL else "city")
    axes[-1].set(xlabel="days from Monday 4 November", xlim=(0, 7))
    return figure
