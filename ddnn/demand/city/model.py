"""The whole synthetic city: activity of sites, shared out to squares."""

import numpy as np

from ddnn.demand.city.activity import Activity, level_field
from ddnn.demand.city.coverage import SIDE, cover
from ddnn.demand.city.rhythm import SLOTS_PER_DAY
from ddnn.demand.series import Demand
from ddnn.errors import DemandError

CITY_VERSION = 1
"""Raise it with every change that alters a byte of any city: results are reported on it."""
START = 1_383_260_400  # 2013-11-01 00:00 CET
SLOT_SECONDS = 600
DECIMALS = 4
"""Values are rounded to so many, so that the last bits of a machine's exp() do not show."""
SMALLEST = 1e-4


def make_city(
    squares: int,
    days: int,
    seed: int,
    name: str | None = None,
    unit: str = "activity",
    timezone: str = "Europe/Rome",
) -> Demand:
    """Make the demand of a synthetic city.

    The first days of a longer city are those of a shorter one, bit for bit. The city keeps winter
    time: each day has 144 slots and starts at 00:00 CET.

    Args:
        squares: 1 to 10,000; a block as square as can be, not in the very centre.
        days: From 1 November 2013 on.
        seed: Of everything that is random.
        name: Of the demand; ``city<squares>`` if not given.
        unit: What the values count.
        timezone: Of days in reports.

    Returns:
        Demand of shape ``(days * 144, squares)``, all values positive.

    Raises:
        DemandError: There is no such city.
    """
    if not 1 <= squares <= SIDE * SIDE:
        raise DemandError(f"city: squares must be 1 to {SIDE * SIDE}, but is {squares}")
    if days < 1 or seed < 0:
        raise DemandError(f"city: needs days >= 1 and seed >= 0, but has {days} and {seed}")
    coverage = cover(squares, seed)
    activity = Activity(days, seed)
    fields = level_field(coverage.positions, seed)
    sites = np.empty((coverage.sites.size, days * SLOTS_PER_DAY))
    for place, (site, field) in enumerate(zip(coverage.sites, fields, strict=True)):
        sites[place] = activity.of(int(site), coverage.positions[place], float(field))
    values = np.empty((days * SLOTS_PER_DAY, squares))
    for day in range(days):
        slots = slice(day * SLOTS_PER_DAY, (day + 1) * SLOTS_PER_DAY)
        values[slots] = (coverage.shares @ sites[:, slots]).T
    np.round(values, DECIMALS, out=values)
    np.maximum(values, SMALLEST, out=values)
    return Demand(
        values=values,
        start=START,
        slot_seconds=SLOT_SECONDS,
        series=tuple(str(square) for square in coverage.squares),
        unit=unit,
        timezone=timezone,
        name=name or f"city{squares}",
    )
