"""Figs. 3, 4 and 5d: cost C against the share L of local decisions, over the seeds."""

from collections.abc import Sequence
from typing import Any

from ddnn.evaluation.measured import Array, Measured, SeedRun
from ddnn.figures.paper.captions import SETTING_OF_5, WIDTH, absent, caption
from ddnn.figures.paper.series import (
    Band,
    Dot,
    Level,
    gate_dots,
    local_better,
    oracle_band,
    random_band,
    rule_band,
    seeds_of,
    system_level,
)
from ddnn.figures.style import FAINT, INK, LINE, Sheet, colour, empty, label

GATE = "optimized_volume"
GATES = (GATE, "optimized_demand", "optimized_latent", "optimized_local")
UNCERTAINTY = ("uncertainty_b2", "uncertainty_b10")

_SIZE = (WIDTH, 5.0)
_MARKERS = dict(zip(GATES, ("o", "s", "^", "D"), strict=True))
_MEANS = "lines and points: means over the seeds at equal L"
_RANGE = "bands, bars and brackets: the seeds' range"
_APART = "bands and bars: the seeds' range of the distance to Random, and of L; brackets: of C"
_FROZEN = "Thresholds frozen on the calibration days"
_EDGE = 0.05
"""Share of the panel that stays free around what is drawn."""


def fig3(measured: Measured, setting: str) -> bytes:
    """Draw the bounds: Oracle (literal) and Random between Cloud and Edge, and DeepCog."""
    runs = seeds_of(measured, setting)
    sheet = Sheet(_text(measured, setting, runs, _RANGE), _SIZE)
    if not runs:
        return empty(sheet, absent(setting))
    plot = _Plot(sheet, runs)
    ideal = plot.bounds(apart=False)
    share = local_better(runs)
    at = ideal.mean_at(share.mean)
    said = f"b* = 0: L = {100 * share.mean:.0f} %"
    plot.dot(Dot(0.0, share, Level(at, at, at)), "oracle", "o", said)
    plot.exits(lines=True)
    plot.deepcog()
    plot.original(measured.original.get(setting))
    return plot.png()


def fig4(measured: Measured, setting: str) -> bytes:
    """Draw every rule, with thresholds frozen on the calibration days; rings: the paper's 1/2."""
    runs = seeds_of(measured, setting)
    sheet = Sheet(_text(measured, setting, runs, _APART, f"{_FROZEN}; "), _SIZE)
    if not runs:
        return empty(sheet, absent(setting))
    plot = _Plot(sheet, runs)
    plot.bounds(apart=True)
    for rule in UNCERTAINTY:
        plot.uncertainty(rule)
    plot.gate(GATE)
    plot.at_half(GATE)
    plot.exits()
    plot.deepcog()
    return plot.png()


def fig5d(measured: Measured) -> bytes:
    """Draw the gates on the volume, on D, z and y_L."""
    runs = seeds_of(measured, SETTING_OF_5)
    sheet = Sheet(_text(measured, SETTING_OF_5, runs, _APART, f"{_FROZEN}; "), _SIZE)
    if not runs:
        return empty(sheet, absent(SETTING_OF_5))
    gates = [rule for rule in GATES if gate_dots(runs, rule)]
    if not gates:
        return empty(sheet, f"not drawn: the runs of {SETTING_OF_5} have no gate")
    plot = _Plot(sheet, runs)
    plot.bounds(apart=True)
    for rule in gates:
        plot.gate(rule)
    plot.exits()
    plot.deepcog()
    return plot.png()


class _Plot:
    """A panel of C against L whose limits follow what is drawn: 0 would hide everything."""

    def __init__(self, sheet: Sheet, runs: Sequence[SeedRun]) -> None:
        self.sheet = sheet
        self.runs = runs
        self.centralised = system_level(runs, "deepcog")
        self._heights: list[float] = []

    def bounds(self, apart: bool) -> Band:
        """Draw Oracle and Random, and give the Oracle."""
        ideal, coin = oracle_band(self.runs, apart), random_band(self.runs)
        self._curve(ideal, label="Oracle", color=colour("oracle"), linewidth=2.0)
        self._curve(coin, label="Random", color=colour("random"), linewidth=2.0, linestyle="--")
        self._shade(ideal, "oracle")
        if not apart:  # of the distance to itself there is no range
            self._shade(coin, "random")
        return ideal

    def uncertainty(self, rule: str) -> None:
        """Draw an Uncertainty Rule, where all seeds have it."""
        band = rule_band(self.runs, rule)
        if band is not None:
            self._curve(band, label=label(rule), color=colour(rule))
            self._shade(band, rule)

    def gate(self, rule: str) -> None:
        """Draw a gate at frozen thresholds: a point for each L0, joined."""
        band, dots = rule_band(self.runs, rule), gate_dots(self.runs, rule)
        if band is None:
            return
        self._curve(band, color=colour(rule), linewidth=1.2)
        for dot in dots:
            self.dot(dot, rule, _MARKERS[rule], label(rule) if dot is dots[0] else None)

    def at_half(self, rule: str) -> None:
        """Ring where the paper's 1/2 puts the gates, with the seeds' range of L alone."""
        for index, dot in enumerate(gate_dots(self.runs, rule, paper=True)):
            flat = Dot(dot.l0, dot.share, Level.of([dot.cost.mean]))
            said = None if index else "the same at the paper's 1/2"
            self.dot(flat, rule, _MARKERS[rule], said, markerfacecolor="white")

    def dot(self, dot: Dot, rule: str, marker: str, said: str | None, **more: Any) -> None:
        """Draw a point with the seeds' range of L and of C."""
        share, cost = dot.share, dot.cost
        self.sheet.ax.errorbar(
            [100 * share.mean],
            [cost.mean],
            xerr=[[100 * (share.mean - share.low)], [100 * (share.high - share.mean)]],
            yerr=[[cost.mean - cost.low], [cost.high - cost.mean]],
            fmt=marker,
            markersize=6,
            elinewidth=0.9,
            color=colour(rule),
            label=said,
            zorder=4,
            **more,
        )
        self._heights += [cost.low, cost.high]

    def exits(self, lines: bool = False) -> None:
        """Draw Cloud at L = 0 and Edge at L = 100 %."""
        for name, system, share in (("cloud", "remote", 0.0), ("edge", "local", 100.0)):
            level = system_level(self.runs, system)
            if lines:
                self._level(level.mean, name, linewidth=0.9, linestyle=":")
            diamond: Any = {"marker": "D", "markersize": 8, "linestyle": "", "zorder": 5}
            said = f"{label(name)}: {_cost(level)}"
            self.sheet.ax.plot([share], [level.mean], color=colour(name), label=said, **diamond)
            self._heights.append(level.mean)

    def deepcog(self) -> None:
        """Draw DeepCog's cost as a line."""
        level = self.centralised
        self._level(level.mean, "deepcog", label=f"DeepCog: {_cost(level)}")
        self._heights.append(level.mean)

    def original(self, costs: Array | None) -> None:
        """Draw the cost of DeepCog's published network, if it is near enough to be drawn."""
        if costs is None:
            return
        mean = float(costs.mean())
        said = f"DeepCog as published: C = {mean:.3f}"
        low, high = min(self._heights), max(self._heights)
        near = low - (high - low) <= mean <= high + (high - low)
        if near:
            self._heights.append(mean)
        self._level(
            mean,
            "deepcog_original",
            label=said if near else f"{said}\n(off the chart)",
            linestyle=(0, (1, 1)),
        )

    def png(self) -> bytes:
        """Set the limits, the axis relative to DeepCog and the legend, and draw."""
        low, high = min(self._heights), max(self._heights)
        free = _EDGE * ((high - low) or abs(high) or 1.0)
        ax = self.sheet.ax
        ax.set(
            xlabel="L, decisions taken at the edge [%]",
            ylabel="C, mean cost of a slot",
            xlim=(-2, 102),
            ylim=(low - free, high + free),
        )
        if self.centralised.mean > 0:
            self._relative(self.centralised.mean)
        figure: Any = ax.figure
        figure.legend(loc="outside right upper", frameon=False, fontsize=8.5)
        return self.sheet.png()

    def _relative(self, reference: float) -> None:
        """Add an axis on the right: costs relative to DeepCog's."""

        def forward(cost: Any) -> Any:
            return 100 * (cost / reference - 1)

        def back(change: Any) -> Any:
            return reference * (1 + change / 100)

        right = self.sheet.ax.secondary_yaxis("right", functions=(forward, back))
        right.set_ylabel("C against DeepCog's [%]", color=INK, fontsize=9)
        right.tick_params(colors=FAINT, labelsize=9)
        right.yaxis.set_major_formatter(lambda change, _: f"{change:+g}" if change else "0")
        right.spines["right"].set_color(LINE)

    def _curve(self, band: Band, **line: Any) -> None:
        self.sheet.ax.plot(100 * band.share, band.mean, **line)
        self._heights += [float(band.mean.min()), float(band.mean.max())]

    def _shade(self, band: Band, rule: str) -> None:
        if len(self.runs) > 1:
            fill: Any = {"color": colour(rule), "alpha": 0.15, "lw": 0}
            self.sheet.ax.fill_between(100 * band.share, band.low, band.high, **fill)
            self._heights += [float(band.low.min()), float(band.high.max())]

    def _level(self, cost: float, name: str, **line: Any) -> None:
        drawn: dict[str, Any] = {"color": colour(name), "linewidth": 1.4, "linestyle": (0, (5, 2))}
        self.sheet.ax.axhline(cost, **(drawn | line))


def _text(
    measured: Measured, setting: str, runs: Sequence[SeedRun], spread: str, start: str = ""
) -> str:
    if not runs:
        return caption(measured, setting, runs)
    lines = [f"{start}{len(runs[0].slots['benefit'])} test slots"]
    if len(runs) > 1:
        lines = [f"{lines[0]}; {_MEANS};", spread]
    lines[-1] += "."
    return caption(measured, setting, runs, *lines)


def _cost(level: Level) -> str:
    text = f"C = {level.mean:.3f}"
    if level.high > level.low:
        text += f" [{level.low:.3f}, {level.high:.3f}]"
    return text
