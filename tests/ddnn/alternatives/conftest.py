"""A past and a roster that the alternatives' tests share."""

import numpy as np
import pytest

from ddnn.alternatives import Past
from ddnn.alternatives.roster import Roster
from ddnn.context import Clock

DAY, VNFS, START = 24, 3, 1383260400  # hourly slots from 2013-11-01 00:00 in Rome on


def rhythm(slots: int, seed: int = 0):
    """Scaled demand (slots, VNFS) whose day repeats, with noise that grows with its level."""
    rng = np.random.default_rng(seed)
    hours = 2 * np.pi * np.arange(slots)[:, None] / DAY
    level = 0.5 + 0.3 * np.sin(hours + np.arange(VNFS)) + 0.1 * np.sin(3 * hours)
    return level * (1 + 0.1 * rng.standard_normal((slots, VNFS)))


@pytest.fixture(scope="session")
def values():
    """Demand of 30 days; the last three are behind the past."""
    return rhythm(30 * DAY)


@pytest.fixture(scope="session")
def past(values) -> Past:
    """21 days to learn on, six to choose on."""
    clock = Clock(START, 3600, "Europe/Rome")
    days = range(4, 21 * DAY), range(21 * DAY, 27 * DAY)
    return Past(values, *days, clock, np.full(VNFS, -0.1), N=4)


@pytest.fixture(scope="session")
def roster(past) -> Roster:
    """Give a roster that fits each predictor once for all tests."""
    return Roster(past)
