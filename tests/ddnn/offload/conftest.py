"""A tiny network with demand, for the rules."""

import numpy as np
import pytest

from ddnn.cost import sla_cost
from ddnn.grid import Grid
from ddnn.nets import Exits, build_exits, find_preset
from ddnn.offload.samples import Samples, gather

VNFS, N = 5, 3


def make_exits(dropout: float = 0.2, preset: str = "paper") -> Exits:
    grid = Grid(2, 3, np.array([4, 0, 2, 5, 1]))
    return build_exits(find_preset(preset), grid, N, dropout, seed=1).eval()


def make_samples(
    exits: Exits, count: int = 120, first: int = N, keep_latent: bool = True
) -> Samples:
    rng = np.random.default_rng(2)
    demand = rng.random((count, N, VNFS), dtype=np.float32)
    target = rng.random((count, VNFS), dtype=np.float32)
    return gather(
        exits, demand, target, range(first, first + count), sla_cost(0.3), keep_latent=keep_latent
    )


@pytest.fixture(scope="session")
def exits() -> Exits:
    return make_exits()


@pytest.fixture(scope="session")
def samples(exits: Exits) -> Samples:
    return make_samples(exits)


@pytest.fixture(scope="session")
def exits_with():
    return make_exits


@pytest.fixture(scope="session")
def samples_of():
    return make_samples
