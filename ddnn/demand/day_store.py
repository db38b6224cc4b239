"""Days of the whole city in a columnar store: M squares are read without reading the rest.

A Parquet file for each published day, a row for each square and slot, sorted by square, ten
squares in a row group. Each page has a checksum that is held against what is read. A file is
there whole or not at all, and says what it was made of.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ddnn.demand.day_blocks import Day, Ids
from ddnn.demand.series import Floats
from ddnn.demand.stamps import Seconds
from ddnn.errors import DemandError

_SQUARES_A_GROUP = 10
_FACTS = b"ddnn"
_VERSION = 1
_DRAFT = ".draft-"


@dataclass(frozen=True)
class Origin:
    """The published file that a day was read from."""

    name: str
    size: int
    checksum: str
    """``md5:...``"""


@dataclass(frozen=True)
class StoredDay:
    """A day in the store; its demand is still on the disk."""

    path: Path
    origin: Origin
    times: Seconds
    """(R,), in order: the slots that any square has a row in."""
    squares: Ids
    """(S,), in order: those with a row."""
    rows: int
    """Rows of the published file."""

    def read(self, squares: Ids) -> Floats:
        """Read some squares; one without a row in the whole day counts 0.

        Args:
            squares: (M,) ids, in any order.

        Returns:
            (R, M).

        Raises:
            DemandError: The file is damaged.
        """
        place = np.searchsorted(self.squares, squares)
        place[place == len(self.squares)] = 0
        there = self.squares[place] == squares
        groups, group_of = np.unique(place // _SQUARES_A_GROUP, return_inverse=True)
        try:
            with pq.ParquetFile(self.path, page_checksum_verification=True) as file:
                table = file.read_row_groups(
                    groups.tolist(), columns=["activity"], use_threads=False
                )
            activity = table.column("activity").to_numpy().reshape(-1, len(self.times))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(error) from error
        # Groups are full but for the last, which is the last here too.
        read = group_of * _SQUARES_A_GROUP + place % _SQUARES_A_GROUP
        values: Floats = activity[read].T.copy()
        values[:, ~there] = 0
        return values

    def _damaged(self, error: Exception) -> DemandError:
        return DemandError(
            f"{self.path}: damaged ({' '.join(str(error).split())}); delete it, and run again to "
            "fetch that day anew"
        )


def store_day(folder: Path, day: Day, origin: Origin) -> StoredDay:
    """Write a day into the store, whole or not at all.

    Args:
        folder: The store's; it is made where it is missing.
        day: What was read.
        origin: From which published file.

    Raises:
        OSError: It cannot be written; nothing is left of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored = StoredDay(_place(folder, origin.name), origin, day.times, day.squares, day.rows)
    facts = {
        "version": _VERSION,
        "origin": asdict(origin),
        "times": day.times.tolist(),
        "squares": _runs(day.squares),
        "rows": day.rows,
    }
    schema = pa.schema(
        [pa.field("square", pa.int32()), pa.field("activity", pa.float64())],
        metadata={_FACTS: json.dumps(facts, sort_keys=True).encode()},
    )
    slots = len(day.times)
    columns = [
        np.repeat(day.squares.astype(np.int32), slots),
        np.ascontiguousarray(day.activity.T).reshape(-1),
    ]
    handle, draft = tempfile.mkstemp(prefix=_DRAFT, dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            pq.write_table(
                pa.Table.from_arrays([pa.array(column) for column in columns], schema=schema),
                file,
                row_group_size=_SQUARES_A_GROUP * slots,
                compression="zstd",
                use_dictionary=["square"],
                column_encoding={"activity": "BYTE_STREAM_SPLIT"},
                write_page_checksum=True,
            )
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(stored.path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return stored


def stored_day(folder: Path, name: str) -> StoredDay | None:
    """Find the day of a published file, or None; one that cannot be opened counts as missing."""
    path = _place(folder, name)
    try:
        with pq.ParquetFile(path) as file:
            facts: dict[str, Any] = json.loads(file.schema_arrow.metadata[_FACTS])
        if facts["version"] != _VERSION:
            return None
        return StoredDay(
            path,
            Origin(**facts["origin"]),
            np.array(facts["times"], dtype=np.int64),
            _from_runs(facts["squares"]),
            int(facts["rows"]),
        )
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return None


def stored_days(folder: Path) -> list[StoredDay]:
    """List all days of the store, by their published names."""
    names = sorted(path.stem for path in folder.glob("*.parquet"))
    return [day for name in names if (day := stored_day(folder, name)) is not None]


def clear_drafts(folder: Path) -> None:
    """Remove what a killed run left half-written; nobody else may be writing."""
    for draft in folder.glob(f"{_DRAFT}*"):
        with contextlib.suppress(OSError):
            draft.unlink()


def _place(folder: Path, name: str) -> Path:
    return folder / f"{name.removesuffix('.txt')}.parquet"


def _runs(numbers: Ids) -> list[list[int]]:
    """Write numbers in order as [first, last] of those that follow each other."""
    if not len(numbers):
        return []
    ends = np.flatnonzero(np.diff(numbers) != 1) + 1
    bounds = [0, *ends.tolist(), len(numbers)]
    return [[int(numbers[a]), int(numbers[b - 1])] for a, b in pairwise(bounds)]


def _from_runs(runs: Sequence[Sequence[int]]) -> Ids:
    parts = [np.arange(first, last + 1, dtype=np.int64) for first, last in runs]
    return np.concatenate(parts) if parts else np.array([], dtype=np.int64)
