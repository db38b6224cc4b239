"""Delimited text, read fast; the faulty row is only looked for after a fault was found."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from ddnn.errors import DemandError

_PLAIN_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_BLOCK_BYTES = 32 << 20  # one row must fit: 10,000 columns take about 200 kB
_SHOWN = 30


def check_file(path: Path) -> None:
    """Refuse what is not a file with something in it.

    Raises:
        DemandError: The file is missing, a folder, unreadable or empty.
    """
    if path.is_dir():
        raise DemandError(f"{path}: is a folder; name the file itself")
    try:
        with path.open("rb") as file:
            head = file.read(1)
    except FileNotFoundError as error:
        raise DemandError(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise DemandError(f"{path}: cannot be read ({error.strerror}); check the file") from error
    if not head:
        raise DemandError(f"{path}: the file is empty; fetch or export it again")


def check_text(path: Path) -> None:
    """Refuse a file that begins like a binary one.

    Raises:
        DemandError: A zero byte is near its start.
    """
    with path.open("rb") as file:
        start = file.read(1 << 16)
    if b"\0" in start:
        raise DemandError(
            f"{path}: line {start[: start.index(0)].count(10) + 1} is not text: a binary or "
            "damaged file; give CSV in UTF-8 or Parquet"
        )


def shown(cell: str) -> str:
    """Quote a cell for an error message, cut where it is long."""
    return repr(cell if len(cell) <= _SHOWN else f"{cell[:_SHOWN]}...")


@dataclass(frozen=True)
class TextFile:
    """A delimited file: where its rows start, what its columns are, which of them are numbers."""

    path: Path
    delimiter: str
    columns: Sequence[str]
    """One name per field, all different; for messages too."""
    text: frozenset[str]
    """Columns that are not read as numbers."""
    header: bool
    """Whether line 1 is a header."""
    used: Sequence[str] | None = None
    """Columns to read, and to check; None: all."""
    quoted: bool = True
    """Whether a field may stand in double quotes."""

    def read(self) -> pa.Table:
        """Read the used columns: text as strings, all else as float64; an empty cell is null.

        The file is there: :func:`check_file`.

        Raises:
            DemandError: It is binary, a row has another number of fields, or text stands in a
                number's place.
        """
        check_text(self.path)
        used = list(self.used or self.columns)
        types = {name: pa.string() if name in self.text else pa.float64() for name in used}
        try:
            table = pacsv.read_csv(
                self.path,
                read_options=pacsv.ReadOptions(
                    column_names=list(self.columns),
                    skip_rows=int(self.header),
                    block_size=_BLOCK_BYTES,
                ),
                parse_options=pacsv.ParseOptions(
                    delimiter=self.delimiter, quote_char='"' if self.quoted else False
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=types,
                    include_columns=used,
                    null_values=[""],
                    strings_can_be_null=False,
                ),
            )
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            raise self._fault(" ".join(str(error).split())) from error
        if not table.num_rows:
            raise self._without_rows()
        # Arrow takes the text `nan` for a number.
        if any(_has_nan(table.column(name)) for name in used if name not in self.text):
            raise self._fault("it holds `nan`")
        return table

    def line(self, index: int) -> int:
        """Give the line, as an editor counts, of row ``index`` (0 is the first below a header)."""
        for place, (line, _) in enumerate(self._rows()):
            if place == index:
                return line
        raise IndexError(index)

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.reader(
                file,
                delimiter=self.delimiter,
                quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            )
            if self.header:
                next(reader, None)
            above = reader.line_num
            for fields in reader:
                if fields:  # Arrow skips empty lines too
                    yield above + 1, fields
                above = reader.line_num

    def _fault(self, reason: str) -> DemandError:
        """Find the first faulty row, to name it."""
        numbers = set(self.used or self.columns) - self.text
        checked = [(place, name) for place, name in enumerate(self.columns) if name in numbers]
        rows = self._rows()
        line = 0
        try:
            for line, fields in rows:
                if len(fields) != len(self.columns):
                    return self._misfit(line, fields, last=next(rows, None) is None)
                for place, name in checked:
                    cell = fields[place]
                    if cell and not _PLAIN_NUMBER.fullmatch(cell):
                        return DemandError(
                            f"{self.path}: row {line}, column {shown(name)}: {shown(cell)} is not "
                            "a number; write a plain number, or leave the cell quite empty where "
                            "demand is missing"
                        )
        except csv.Error as error:
            reason = f"{error}, below row {line}"
        if not line:
            return self._without_rows()
        return DemandError(f"{self.path}: cannot be read ({reason}); fetch or export it again")

    def _without_rows(self) -> DemandError:
        return DemandError(f"{self.path}: no rows of demand in it; fetch or export it again")

    def _misfit(self, line: int, fields: list[str], last: bool) -> DemandError:
        if any("\n" in cell for cell in fields):
            return DemandError(
                f"{self.path}: row {line}: a double quote is left open; close it, or take it out"
            )
        said = f"row {line} has {len(fields)} fields, expected {len(self.columns)}"
        if last and len(fields) < len(self.columns):
            return DemandError(
                f"{self.path}: the last {said}: the file was cut; fetch or export it again"
            )
        return DemandError(
            f"{self.path}: {said}; separate fields with {shown(self.delimiter)} and "
            "write decimals with a point"
        )


def _has_nan(column: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.is_nan(column)).as_py())
