"""Demand: past activity, slot by slot and VNF by VNF, and its two files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ddnn.errors import ArtefactError, DemandError

Floats = npt.NDArray[np.float64]
TIME = "time"
"""Name of the time column in a demand.parquet; no series may bear it."""


@dataclass(frozen=True, eq=False)
class Demand:
    """Demand of M series (VNFs) in T regular slots, without gaps, in the user's own unit.

    Raises:
        DemandError: Shape and names do not fit, or a value is infinite, missing or negative.
    """

    values: Floats
    """(T, M), finite and not negative."""
    start: int
    """Start of slot 0, epoch seconds (UTC)."""
    slot_seconds: int
    series: tuple[str, ...]
    """M names, all different."""
    unit: str
    timezone: str
    """IANA name, for days in reports; slots themselves are UTC."""
    name: str

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.values, dtype=np.float64)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "series", tuple(self.series))
        if values.ndim != 2 or values.shape[1] != len(self.series) or not values.size:
            raise DemandError(
                f"demand {self.name}: values of shape {values.shape} for {len(self.series)} series"
            )
        if len(set(self.series)) < len(self.series) or {"", TIME} & set(self.series):
            raise DemandError(
                f"demand {self.name}: series need different names, neither empty nor '{TIME}'"
            )
        if self.slot_seconds < 1:
            raise DemandError(f"demand {self.name}: slots of {self.slot_seconds} s")
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise DemandError(f"demand {self.name}: a value is missing, infinite or negative")

    @property
    def slots(self) -> int:
        """T."""
        return int(self.values.shape[0])

    @property
    def vnfs(self) -> int:
        """M."""
        return int(self.values.shape[1])

    @property
    def times(self) -> npt.NDArray[np.int64]:
        """(T,) start of each slot, epoch seconds (UTC)."""
        return self.start + self.slot_seconds * np.arange(self.slots, dtype=np.int64)

    @property
    def slots_per_day(self) -> float:
        """Slots in 86400 s; need not be whole."""
        return 86400 / self.slot_seconds


def write_demand(demand: Demand, folder: Path) -> None:
    """Write ``demand.parquet`` (time and one column per series) and ``demand.json`` (the rest)."""
    times = pa.array(demand.times * 1000, type=pa.timestamp("ms", tz="UTC"))
    columns = [times, *(pa.array(column) for column in demand.values.T)]
    table = pa.Table.from_arrays(columns, names=[TIME, *demand.series])
    pq.write_table(table, folder / "demand.parquet", compression="zstd")
    facts = {
        "name": demand.name,
        "series": list(demand.series),
        "slot_seconds": demand.slot_seconds,
        "slots": demand.slots,
        "start": demand.start,
        "timezone": demand.timezone,
        "unit": demand.unit,
    }
    text = json.dumps(facts, sort_keys=True, indent=2, allow_nan=False)
    (folder / "demand.json").write_text(text + "\n", encoding="utf-8")


def read_demand(folder: Path) -> Demand:
    """Read what :func:`write_demand` wrote.

    Raises:
        ArtefactError: A file is missing or damaged, or the two do not fit each other.
    """
    try:
        facts: dict[str, Any] = json.loads((folder / "demand.json").read_text(encoding="utf-8"))
        slots = facts.pop("slots")
        table = pq.read_table(folder / "demand.parquet", memory_map=False)
        if table.column_names != [TIME, *facts["series"]]:
            raise ValueError("other columns than demand.json says")
        columns = [column.to_numpy() for column in table.columns[1:]]
        demand = Demand(values=np.stack(columns, axis=1), **facts)
        stamps = table.column(TIME).cast(pa.int64()).to_numpy()
        if demand.slots != slots or not np.array_equal(stamps, demand.times * 1000):
            raise ValueError("other slots than demand.json says")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, DemandError) as error:
        said = " ".join(str(error).split())
        raise ArtefactError(
            f"{folder}: stored demand cannot be used ({said}); run the stage download again"
        ) from error
    return demand
