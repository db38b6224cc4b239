"""Fig. 5a to 5c: what a gate learned on the training samples, and what it does on the test days."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ddnn.evaluation.measured import Array, Measured, Snapshots
from ddnn.figures.decisions import benefit_over_time
from ddnn.figures.paper.captions import SETTING_OF_5, WIDTH, absent, caption
from ddnn.figures.paper.series import agreement, seeds_of
from ddnn.figures.style import FAINT, INK, LOCAL, REMOTE, Sheet, empty, label, title
from ddnn.offload.labelling import hard_labels

HALF = 0.5
"""The paper's threshold on the probability of `hard`."""


def fig5ab(measured: Measured) -> bytes:
    """Draw the gate's probability against the benefit, after the first epoch and late."""
    runs, size = seeds_of(measured, SETTING_OF_5), (WIDTH, 4.2)
    if not measured.snapshots:
        sheet = Sheet(caption(measured, SETTING_OF_5, runs), size)
        return empty(sheet, "not drawn: no gate was looked at while it learned")
    seen = measured.snapshots[0]
    said = (
        f"The {len(seen.benefit)} training samples of a gate for L0 = {100 * seen.l0:.0f} %, "
        "coloured by their true label; above: the share that 1/2 puts on its label's side."
    )
    learned = [run for run in runs if run.seed == seen.seed]
    sheet = Sheet(caption(measured, SETTING_OF_5, learned, said), size, (1, 2))
    moments = ((1, seen.first), (seen.late_epoch, seen.late))
    for ax, (epoch, probability) in zip(sheet.axes, moments, strict=True):
        _scatter(ax, seen, probability)
        found = agreement(seen.benefit, seen.critical, probability > HALF)
        title(ax, f"epoch {epoch}: {100 * found.right:.0f} % right")
    sheet.axes[0].set(ylabel="benefit of the cloud, C_L - C_R")
    sheet.axes[1].tick_params(labelleft=False)
    sheet.legend(sheet.axes[1])
    return sheet.png()


def fig5c(measured: Measured) -> bytes:
    """Draw the benefit on the test days, by what the deployed gate did, and its b*."""
    runs = seeds_of(measured, SETTING_OF_5)
    if not runs:
        return empty(
            Sheet(caption(measured, SETTING_OF_5, runs), (WIDTH, 3.9)), absent(SETTING_OF_5)
        )
    run = runs[0]
    critical = run.evaluation["benefit"]["critical"]
    local = run.slots["local"] > 0
    point = run.evaluation["deployed"]
    said = [
        f"Test slots, decided by {label(point['rule'])} for L0 = {100 * point['L0']:.0f} %, its "
        "threshold frozen on the calibration days; b* is that of the labelled days."
    ]
    if critical is not None:
        found = agreement(run.slots["benefit"], critical, ~local)
        said.append(
            f"Of {found.hard} slots above b*, {100 * found.hard_sent:.0f} % were sent to the "
            f"cloud; of the {found.easy} others, {100 * found.easy_sent:.0f} %."
        )
    return benefit_over_time(
        run.slots["time"].astype(np.int64),
        run.slots["benefit"],
        local,
        critical,
        run.evaluation["demand"]["timezone"],
        caption(measured, SETTING_OF_5, runs[:1], *said),
    )


def _scatter(ax: Axes, seen: Snapshots, probability: Array) -> None:
    hard = hard_labels(seen.benefit, seen.critical)
    for chosen, ink, said in ((hard, REMOTE, "hard: benefit above b*"), (~hard, LOCAL, "easy")):
        dots: Any = {"s": 8, "color": ink, "alpha": 0.5, "lw": 0, "label": said}
        ax.scatter(probability[chosen], seen.benefit[chosen], **dots)
    ax.axhline(seen.critical, color=INK, linewidth=1.2, label=f"b* = {seen.critical:.3g}")
    ax.axvline(HALF, color=FAINT, linewidth=1.0, linestyle="--", label="the paper's 1/2")
    ax.set(xlabel="p, probability that the decision is hard", xlim=(-0.03, 1.03))
