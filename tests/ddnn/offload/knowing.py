"""Made-up decisions: what the edge knows of them, and what the demand then was."""

import numpy as np

from ddnn.decision import Predicted, ResidualShape
from ddnn.offload.known import Known

SHAPE = ResidualShape(
    np.array([-2.0, -0.7, 0.1, 0.9, 3.0]), np.array([0.1, 0.3, 0.3, 0.2, 0.1]), np.full(3, 5.0)
)


def make_known(decisions: int = 60, vnfs: int = 3, N: int = 4, seed: int = 0) -> Known:
    """Give locations near the last demand, spreads from 0.01 to 0.1, and y_L above both."""
    rng = np.random.default_rng(seed)
    recent = rng.uniform(0.2, 0.8, (decisions, N, vnfs))
    location = recent[:, -1] + rng.normal(0, 0.02, (decisions, vnfs))
    spread = 0.01 * 10 ** rng.uniform(0, 1, (decisions, vnfs))
    local = location + rng.uniform(0, 0.1, (decisions, vnfs))
    turns = rng.uniform(0, 2 * np.pi, (decisions, 2))
    calendar = np.concatenate([np.sin(turns), np.cos(turns)], axis=1)
    return Known(Predicted(location, spread), local, recent, calendar)


def remote_distribution(known: Known, seed: int = 1) -> Predicted:
    """Give what a remote exit may say: near the edge's location, and surer."""
    rng = np.random.default_rng(seed)
    spread = known.predicted.spread
    moved = 0.3 + rng.normal(0, 0.5, spread.shape)
    return Predicted(known.predicted.location + spread * moved, 0.6 * spread)
