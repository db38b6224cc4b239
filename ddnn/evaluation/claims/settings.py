"""The paper's settings by their names in params.yaml, and what to say of the runs in them."""

from ddnn.evaluation.claims.expected import EXITS_APART
from ddnn.evaluation.claims.sample import Bench

FIG3A = FIG4A = "fig3a_4a"
FIG3B = "fig3b"
FIG4B = "fig4b"
FIG4C = "fig4c"
FIG4D = "fig4d"
FIG4 = (FIG4A, FIG4B, FIG4C, FIG4D)

OPTIMIZED = "optimized_volume"
"""The paper's gate: a 3D-CNN on D."""
PASSES = (10, 2)
"""B of the Uncertainty Rule; the first is meant where the paper names none."""


def uncertainty(passes: int) -> str:
    """Name the Uncertainty Rule with so many passes."""
    return f"uncertainty_b{passes}"


def notes(bench: Bench, *settings: str) -> tuple[str, ...]:
    """Say how much the intervals rest on, where there are runs."""
    run = [bench[name] for name in settings if name in bench.settings]
    if not run:
        return ()
    seeds = sorted({sample.seeds for sample in run})
    blocks = sorted({sample.blocks for sample in run})
    text = f"From {_few(seeds, 'seed')} and {_few(blocks, 'block')} of days."
    if seeds == [1]:
        text += " A single seed: the intervals know of no other training."
    return (text,)


def exits_note(bench: Bench, *settings: str) -> tuple[str, ...]:
    """Name the settings in which the exits are too close for any rule to matter much."""
    close = [
        f"{name} ({100 * bench[name].exits_apart:+.1f} %)"
        for name in settings
        if name in bench.settings and abs(bench[name].exits_apart) < EXITS_APART
    ]
    if not close:
        return ()
    return (f"The exits' costs differ by less than {100 * EXITS_APART:g} % in {', '.join(close)}.",)


def _few(counts: list[int], noun: str) -> str:
    text = " or ".join(str(count) for count in counts)
    return f"{text} {noun}" if counts == [1] else f"{text} {noun}s"
