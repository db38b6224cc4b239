"""Small demand and small exits, as the anchored tests share them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ddnn.context import Clock, Context, build_context
from ddnn.grid import Grid
from ddnn.nets.anchored import (
    AnchoredExits,
    SeriesStatistics,
    build_anchored,
    find_anchored,
)

HOURLY = Clock(1383260400, 3600, "Europe/Rome")
GRID = Grid(rows=2, columns=3, cells=np.array([4, 0, 5, 2, 1]))  # cell 3 is empty
N = 3

Build = Callable[..., AnchoredExits]
See = Callable[..., Context]


@pytest.fixture(scope="session")
def values() -> NDArray[np.float64]:
    """Give ten hourly days of five VNFs, scaled: a daily cycle with noise."""
    rng = np.random.default_rng(0)
    phase = 2 * np.pi * np.arange(240)[:, None] / 24 + rng.random(5)
    return 0.5 + 0.3 * np.sin(phase) + 0.05 * rng.standard_normal((240, 5))


@pytest.fixture
def build(values: NDArray[np.float64]) -> Build:
    """Give a maker of small exits; ``stir`` moves the zero last layers, as training would."""

    def make(
        grid: Grid = GRID, seed: int = 0, stir: bool = True, **changed: object
    ) -> AnchoredExits:
        preset = find_anchored("anchored")
        small = {"latent": (8, 8), "local": (8,), "memory": 6, "remote": (8,), "remote_dense": (8,)}
        preset = replace(preset, **(small | changed))  # type: ignore[arg-type]
        usual = SeriesStatistics.fit(values[:150, : grid.vnfs])
        exits = build_anchored(preset, grid, N, HOURLY, usual, seed).eval()
        if stir:
            draw = torch.Generator().manual_seed(seed)
            with torch.no_grad():
                for head in (exits.F1, exits.F2_head):
                    head.last.weight.normal_(0, 0.5, generator=draw)
        return exits

    return make


@pytest.fixture
def see(values: NDArray[np.float64]) -> See:
    """Give a maker of contexts for an exits' targets, of the shared demand or another."""

    def make(
        exits: AnchoredExits,
        targets: range = range(180, 190),
        demand: NDArray[np.float64] = values,
    ) -> Context:
        return build_context(demand[:, : exits.vnfs], targets, HOURLY, exits.reaches)

    return make
