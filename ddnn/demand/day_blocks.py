"""A raw Milano day file read at the speed of its disk: in blocks, two at a time, in little memory.

What is not plain (a fault, but also an unusual way to write a number) is left to the strict reader
of day_file.py, which names the row or takes it as it is meant. Both give the same bits.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

from ddnn.demand.series import Floats
from ddnn.demand.stamps import Seconds

Ids = npt.NDArray[np.int64]
COLUMNS = ("square", "time", "country", "SMS-in", "SMS-out", "call-in", "call-out", "internet")
USED = ("square", "time", "country", "internet")
THREADS = 2

_BLOCK_BYTES = 8 << 20
# A row's square, slot and country code in one number of 63 bits: sorting finds a repeated row.
_SQUARE_BITS, _TIME_BITS, _COUNTRY_BITS = 20, 20, 23
_EPOCH_MS = (10**11, 42 * 10**11)  # 1973 to 2103: what lies outside is no stamp of such a file


@dataclass(frozen=True)
class Day:
    """What one file holds: sums over country codes."""

    path: Path
    times: Seconds
    """(R,), in order: the slots that any square has a row in."""
    squares: Ids
    """(S,), in order: those with a row in the file, among those that were asked for."""
    activity: Floats
    """(R, S)."""
    rows: int
    """Rows of the file, whatever was asked for."""


class _UnusualError(Exception):
    """Something that the strict reader has to look at."""


def read_blocks(path: Path, threads: int = THREADS) -> Day | None:
    """Read a plain day file; the file is there and has something in it.

    Memory is about 30 bytes a row, and a few blocks.

    Args:
        path: The file.
        threads: That parse at once.

    Returns:
        The day, or None where the strict reader must judge.
    """
    try:
        base = _first_second(path) - (1 << (_TIME_BITS - 1))
        parts = list(_in_order(path, base, threads))
        keys = np.concatenate([part[0] for part in parts])
        squares, seconds = _distinct(keys)
        cells: Floats = np.zeros(len(seconds) * len(squares))
        start, column = _places(seconds, 1 << _TIME_BITS), _places(squares, 1 << _SQUARE_BITS)
        start *= len(squares)
        for part, activity in parts:
            cell = start[_seconds(part)] + column[part >> (_TIME_BITS + _COUNTRY_BITS)]
            np.add.at(cells, cell, activity)  # in the order of the file
    except (_UnusualError, pa.ArrowException):
        return None
    shape = len(seconds), len(squares)
    return Day(path, seconds + base, squares, cells.reshape(shape), len(keys))


def _first_second(path: Path) -> int:
    with path.open("rb") as file:
        fields = file.readline(200).split(b"\t")
    if len(fields) != len(COLUMNS) or not fields[1].isdigit():
        raise _UnusualError
    return int(fields[1]) // 1000


def _in_order(path: Path, base: int, threads: int) -> Iterator[tuple[Ids, Floats]]:
    """Give the keys and the activity of the file's rows, block by block."""
    waiting: deque[Future[tuple[Ids, Floats]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for piece in _pieces(path):
                waiting.append(pool.submit(partial(_parse, piece, base)))
                if len(waiting) > threads:  # no more pieces in memory than are being parsed
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _pieces(path: Path) -> Iterator[bytes]:
    """Cut the file between lines."""
    rest = b""
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_BLOCK_BYTES):
            end = chunk.rfind(b"\n") + 1
            if not end and len(chunk) == _BLOCK_BYTES:
                raise _UnusualError  # a line of 8 MB
            if end:
                yield rest + chunk[:end]
                rest = b""
            rest += chunk[end:]
    if rest:
        yield rest


def _parse(piece: bytes, base: int) -> tuple[Ids, Floats]:
    if b"\0" in piece:
        raise _UnusualError
    table = pacsv.read_csv(
        pa.BufferReader(piece),
        read_options=pacsv.ReadOptions(
            column_names=list(COLUMNS), use_threads=False, block_size=len(piece) + 1
        ),
        parse_options=pacsv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=pacsv.ConvertOptions(
            column_types={
                "square": pa.int32(),
                "time": pa.int64(),
                "country": pa.int32(),
                "internet": pa.float64(),
            },
            include_columns=list(USED),
            null_values=[""],
        ),
    )
    if not table.num_rows or any(table.column(name).null_count for name in USED[:3]):
        raise _UnusualError
    square, stamps, country = (table.column(name).to_numpy() for name in USED[:3])
    internet: Floats = table.column("internet").fill_null(0.0).to_numpy()
    seconds, between = np.divmod(stamps, 1000)
    since = seconds - base
    plain = (
        _within(stamps, *_EPOCH_MS)
        and not between.any()
        and _within(since, 0, 1 << _TIME_BITS)  # six days from the first row: no day file
        and _within(square, 0, 1 << _SQUARE_BITS)
        and _within(country, 0, 1 << _COUNTRY_BITS)
        and _within(internet, 0, np.inf)
    )
    if not plain:
        raise _UnusualError
    keys: Ids = square.astype(np.int64) << (_TIME_BITS + _COUNTRY_BITS)
    keys |= since << _COUNTRY_BITS
    keys |= country
    return keys, internet


def _within(numbers: npt.NDArray[np.generic], low: float, above: float) -> bool:
    # A NaN makes both comparisons false.
    return bool(numbers.min() >= low and numbers.max() < above)


def _seconds(keys: Ids) -> Ids:
    since: Ids = (keys >> _COUNTRY_BITS) & ((1 << _TIME_BITS) - 1)
    return since


def _places(numbers: Ids, above: int) -> Ids:
    """Tell the place of each number among ``numbers``, faster than a search."""
    places: Ids = np.zeros(above, dtype=np.int64)
    places[numbers] = np.arange(len(numbers))
    return places


def _distinct(keys: Ids) -> tuple[Ids, Ids]:
    """Give the squares and the seconds that occur, each in order; refuse a repeated row."""
    there = np.zeros(1 << _TIME_BITS, dtype=bool)
    there[_seconds(keys)] = True
    ordered = np.sort(keys)
    if (ordered[1:] == ordered[:-1]).any():
        raise _UnusualError
    squares = ordered >> (_TIME_BITS + _COUNTRY_BITS)
    first = np.concatenate([[True], squares[1:] != squares[:-1]])
    return squares[first], np.flatnonzero(there)
