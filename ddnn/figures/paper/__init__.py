"""The paper's figures, drawn from what its experiment measured, over the seeds.

A figure whose runs are missing says so in its place.
"""

from ddnn.evaluation.measured import Measured
from ddnn.figures.paper.demand import fig6
from ddnn.figures.paper.gate import fig5ab, fig5c
from ddnn.figures.paper.tradeoff import fig3, fig4, fig5d

__all__ = ["fig3", "fig4", "fig5ab", "fig5c", "fig5d", "fig6", "pictures"]


def pictures(measured: Measured) -> dict[str, bytes]:
    """Draw all of them, as PNG, by name."""
    return {
        "fig3a": fig3(measured, "fig3a_4a"),
        "fig3b": fig3(measured, "fig3b"),
        "fig4a": fig4(measured, "fig3a_4a"),
        "fig4b": fig4(measured, "fig4b"),
        "fig4c": fig4(measured, "fig4c"),
        "fig4d": fig4(measured, "fig4d"),
        "fig5ab": fig5ab(measured),
        "fig5c": fig5c(measured),
        "fig5d": fig5d(measured),
        "fig6a": fig6(measured, "fig4b"),
        "fig6b": fig6(measured, "fig4d"),
    }
