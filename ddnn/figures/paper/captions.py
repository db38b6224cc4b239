"""What stands at the foot of the paper's figures: demand, setting, seeds."""

from collections.abc import Sequence

from ddnn.evaluation.measured import Measured, SeedRun
from ddnn.evaluation.summary import setting_line

WIDTH = 9.0
"""Inches of every figure."""
SETTING_OF_5 = "fig4d"
"""Fig. 5 looks into the gate of Fig. 4d."""


def caption(measured: Measured, setting: str, runs: Sequence[SeedRun], *lines: str) -> str:
    """Name demand, setting and seeds; then, line by line, what else is to be said."""
    if not runs:
        return f"{measured.demand}, {setting}"
    evaluation = runs[0].evaluation
    settings = setting_line(evaluation["setting"] | _seeds(runs))
    first = f"{measured.demand}, {evaluation['demand']['vnfs']} VNFs, {setting}: {settings}"
    return "\n".join([first, *lines])


def absent(setting: str) -> str:
    """Say why there is no figure."""
    return f"not drawn: no run of the setting {setting} was measured"


def _seeds(runs: Sequence[SeedRun]) -> dict[str, str]:
    seeds = [run.seed for run in runs]
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return {"seeds": f"{seeds[0]} to {seeds[-1]}"}
    return {"seed" if len(seeds) == 1 else "seeds": ", ".join(map(str, seeds))}
