"""What a site does over the day and the week: four kinds of place, three kinds of day."""

from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FIRST_DAY = date(2013, 11, 1)
SLOTS_PER_HOUR = 6
SLOTS_PER_DAY = 24 * SLOTS_PER_HOUR
WORKDAY, SATURDAY, SUNDAY = 0, 1, 2

# Holidays with a fixed date in Milano, as (month, day); 7 December is the city's patron.
HOLIDAYS = frozenset(
    {(1, 1), (1, 6), (4, 25), (5, 1), (6, 2), (8, 15)}
    | {(11, 1), (12, 7), (12, 8), (12, 25), (12, 26)}
)

# Activity by hour, relative to the place's own mean: workday, Saturday, Sunday and holiday.
_HOME = """
 .96  .79  .68  .63  .60  .62  .75  .96 1.02  .98  .95  .97
1.02 1.02 1.02 1.02 1.06 1.10 1.20 1.30 1.42 1.46 1.38 1.22
 .96  .82  .72  .65  .61  .60  .65  .73  .88 1.02 1.15 1.20
1.23 1.17 1.17 1.17 1.19 1.22 1.25 1.28 1.26 1.26 1.22 1.12
 .98  .85  .73  .66  .63  .61  .63  .68  .80  .95 1.11 1.18
1.24 1.18 1.21 1.23 1.21 1.23 1.27 1.34 1.43 1.44 1.36 1.19
"""
_OFFICE = """
 .68  .59  .55  .52  .51  .53  .62  .92 1.42 1.71 1.78 1.81
1.78 1.81 1.88 1.88 1.84 1.75 1.58 1.26 1.08  .98  .90  .79
 .75  .65  .59  .56  .53  .53  .56  .65  .75  .84  .93  .98
 .98  .94  .94  .96  .96  .96  .94  .93  .89  .89  .89  .84
 .75  .66  .59  .56  .53  .51  .52  .56  .62  .71  .82  .87
 .91  .89  .91  .93  .92  .93  .93  .93  .94  .93  .89  .82
"""
_NIGHTLIFE = """
1.04  .84  .68  .59  .54  .53  .57  .75  .96 1.04 1.08 1.12
1.20 1.20 1.14 1.12 1.16 1.23 1.37 1.44 1.51 1.49 1.42 1.27
1.46 1.23 1.04  .85  .68  .59  .57  .65  .79  .96 1.12 1.23
1.28 1.26 1.25 1.26 1.33 1.42 1.49 1.57 1.60 1.67 1.71 1.67
1.56 1.38 1.16  .94  .73  .62  .57  .59  .68  .84 1.03 1.13
1.21 1.19 1.21 1.23 1.23 1.25 1.27 1.27 1.27 1.23 1.15 1.02
"""
_TRANSIT = """
 .71  .57  .50  .46  .46  .56  .88 1.42 1.67 1.38 1.16 1.12
1.20 1.23 1.20 1.20 1.31 1.51 1.65 1.48 1.27 1.12 1.00  .85
 .79  .66  .57  .52  .50  .53  .65  .82  .98 1.09 1.20 1.25
1.25 1.20 1.22 1.25 1.30 1.34 1.36 1.30 1.16 1.08 1.04  .94
 .82  .70  .59  .53  .50  .50  .56  .65  .79  .94 1.09 1.14
1.17 1.14 1.19 1.24 1.27 1.32 1.35 1.32 1.25 1.17 1.08  .94
"""
PLACES = ("home", "office", "nightlife", "transit")


def _table() -> Array:
    texts = (_HOME, _OFFICE, _NIGHTLIFE, _TRANSIT)
    hours = [np.array(text.split(), dtype=np.float64).reshape(3, 24) for text in texts]
    return np.asarray(np.log(np.stack(hours)))


_LOG_HOURS = _table()  # (places, kinds of day, hours)


def day_kind(day: int) -> int:
    """Say what kind of day it is, ``day`` days after 1 November 2013."""
    when = FIRST_DAY + timedelta(days=day)
    if (when.month, when.day) in HOLIDAYS:
        return SUNDAY
    return (WORKDAY, SATURDAY, SUNDAY)[max(0, when.weekday() - 4)]


def rhythms(days: int) -> Array:
    """Give the log activity of a pure place of each kind.

    Between the middles of two hours the log activity is a straight line, also over midnight, so
    that a Friday night runs into its Saturday.

    Returns:
        Shape ``(places, days * 144)``; zero is the place's own mean level.
    """
    kinds = np.array([day_kind(day) for day in range(-1, days + 1)])
    hours = _LOG_HOURS[:, kinds].reshape(len(PLACES), -1)
    slots = np.arange(days * SLOTS_PER_DAY)
    # In units of hours: the middle of the slot, on an axis whose points are the hours' middles.
    position = 24 + (slots + 0.5) / SLOTS_PER_HOUR - 0.5
    left = np.floor(position).astype(np.int64)
    share = position - left
    return hours[:, left] * (1 - share) + hours[:, left + 1] * share


def sways(days: int) -> Array:
    """Give the smooth daily waves by which a site departs from its kind.

    Returns:
        Cosine and sine of one to four periods a day, shape ``(8, days * 144)``.
    """
    angle = 2 * np.pi * (np.arange(SLOTS_PER_DAY) + 0.5) / SLOTS_PER_DAY
    waves = [wave(k * angle) for k in range(1, 5) for wave in (np.cos, np.sin)]
    return np.tile(np.array(waves), days)
