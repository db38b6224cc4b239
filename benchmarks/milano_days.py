"""Raw Milano day files made up, in the form and size of the published ones.

Like the published files: squares in the order of their names (1, 10, 100, 1000), a row for each
country code with any activity, all five activities for Italy, few fields for others.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

START = 1383260400
"""2013-11-01 00:00 CET, epoch seconds."""
SLOT_SECONDS = 600
SLOTS_PER_DAY = 144
SQUARES = 10_000

_COUNTRIES = np.array([0, 33, 34, 39, 40, 41, 44, 46, 48, 49, 86, 212, 355, 359, 373, 420])
_ITALY = 39
_SHARES = np.array(
    [0.7, 0.2, 0.05, 1.0, 0.04, 0.12, 0.05, 0.14, 0.14, 0.12, 0.03, 0.03, 0.05, 0.05, 0.03, 0.02]
)
"""Share of a square's slots in which a country code has a row."""


def day_name(day: int) -> str:
    """Name a day's file as it is published; day 0 is 1 November 2013."""
    date = np.datetime64("2013-11-01") + day
    return f"sms-call-internet-mi-{date}.txt"


def write_day(
    path: Path, day: int = 0, squares: int = SQUARES, seed: int = 0, slots: int = SLOTS_PER_DAY
) -> None:
    """Write one day file of squares 1 to ``squares``; all of a day take about 300 MB."""
    rng = np.random.default_rng([seed, day])
    ids = np.array(sorted(range(1, squares + 1), key=str))
    with path.open("wb") as file:
        for some in np.array_split(ids, max(len(ids) // 500, 1)):
            file.write(_text(some, day, slots, rng))


def _text(ids: np.ndarray, day: int, slots: int, rng: np.random.Generator) -> bytes:
    there = rng.random((len(ids), slots, len(_COUNTRIES))) < _SHARES
    square, slot, country = np.nonzero(there)
    italy = _COUNTRIES[country] == _ITALY
    columns = {
        "square": pa.array(ids[square]),
        "time": pa.array((START + (day * SLOTS_PER_DAY + slot) * SLOT_SECONDS) * 1000),
        "country": pa.array(_COUNTRIES[country]),
    }
    shares = {"SMS-in": 0.25, "SMS-out": 0.2, "call-in": 0.2, "call-out": 0.25, "internet": 0.5}
    for name, share in shares.items():
        values = rng.lognormal(0, 1, len(square)) * np.where(italy, 1.0, 0.05)
        empty = ~italy & (rng.random(len(square)) >= share)
        columns[name] = pa.array(values, mask=empty)
    # A row without any activity is not written; one field must stay.
    nothing = np.logical_and.reduce([columns[name].is_null().to_numpy(False) for name in shares])
    table = pa.table(columns).filter(pa.array(~nothing))
    sink = pa.BufferOutputStream()
    options = pacsv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    pacsv.write_csv(table, sink, options)
    return sink.getvalue().to_pybytes()
