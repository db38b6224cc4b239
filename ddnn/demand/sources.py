"""One door to every source of demand: a synthetic city, a matrix file, Milano's days."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ddnn.demand.matrix_file import read_matrix
from ddnn.demand.milano_raw import day_files, read_folder
from ddnn.demand.repair import Repairs, Rows, repair
from ddnn.demand.selection import suffix
from ddnn.demand.series import Demand
from ddnn.demand.stamps import iso
from ddnn.demand.text_file import check_file
from ddnn.errors import DemandError
from ddnn.params import DownloadParams, GapParams, SelectParams

if TYPE_CHECKING:
    from ddnn.demand.fetch import Watcher

_NAMED_IN_A_WARNING = 5


@dataclass(frozen=True)
class DemandReport:
    """What was read, what was repaired, and what its reader should know."""

    source: str
    """``city``, ``matrix``, ``milano`` or ``milano_raw``."""
    rows: int
    """Slots that the source had; the demand has these and the missing ones."""
    repairs: Repairs
    constant: tuple[str, ...]
    """Series that never change."""
    warnings: tuple[str, ...]
    """One line each."""
    account: dict[str, Any] | None = None
    """What Milano's published days hold and lack."""

    def to_json(self, demand: Demand, gaps: GapParams) -> dict[str, Any]:
        """Give plain values for quality.json, of the demand and the policy that it came from."""
        content: dict[str, Any] = {
            "source": self.source,
            "name": demand.name,
            "rows": self.rows,
            "slots": demand.slots,
            "series": demand.vnfs,
            "slot_seconds": demand.slot_seconds,
            "first_slot": iso(demand.start),
            "last_slot": iso(int(demand.times[-1])),
            "gaps": {
                "policy": gaps.policy,
                "longest_allowed": gaps.longest,
                "longest_found": self.repairs.longest,
                "missing_slots": self.repairs.missing_slots,
                "empty_cells": self.repairs.empty_cells,
                "repaired_cells": sum(self.repairs.cells.values()),
                "repaired_by": self.repairs.cells,
            },
            "constant_series": list(self.constant),
            "warnings": list(self.warnings),
        }
        if self.account is not None:
            content["milano"] = self.account
        return content


@dataclass(frozen=True)
class Source:
    """Demand as its source has it: neither checked nor repaired."""

    rows: Rows
    warnings: tuple[str, ...] = ()
    account: dict[str, Any] | None = None
    """What Milano's published days hold and lack."""


def load_demand(
    download: DownloadParams, home: Path | None = None, watcher: "Watcher | None" = None
) -> tuple[Demand, DemandReport]:
    """Read, fetch or make the demand that params.yaml asks for.

    Args:
        download: The settings.
        home: Where fetched days are kept if the settings do not say.
        watcher: Is told how far a download is.

    Raises:
        DemandError: It cannot be used as it is; the message names the place and the way out.
    """
    if download.source == "city":
        return _make_city(download)
    source = read_source(download, home, watcher)
    label = _Label(demand_name(download), download.unit, download.timezone)
    demand, report = _finish(download.source, source.rows, download.gaps, label, source.warnings)
    return demand, replace(report, account=source.account)


def read_source(
    download: DownloadParams, home: Path | None = None, watcher: "Watcher | None" = None
) -> Source:
    """Read, fetch or make demand without a look at its gaps and values.

    Args:
        download: The settings; gaps are not read.
        home: Where fetched days are kept if the settings do not say.
        watcher: Is told how far a download is.

    Raises:
        DemandError: It cannot be read.
    """
    if download.source == "city":
        made, _ = _make_city(download)
        return Source(Rows(made.times, made.values, made.series, lambda index: f"row {index + 1}"))
    if download.source == "matrix":
        path = _given(download.matrix.path, "download.matrix.path")
        return Source(read_matrix(path, download.select))
    if download.source == "milano":
        return _read_milano(download, home, watcher)
    folder = _given(download.milano_raw.folder, "download.milano_raw.folder")
    rows, warnings = read_folder(folder, download.milano_raw.squares, download.select)
    return Source(rows, tuple(warnings))


def load_matrix(
    path: Path,
    *,
    gaps: GapParams,
    name: str | None,
    unit: str,
    timezone: str,
    select: SelectParams | None = None,
) -> tuple[Demand, DemandReport]:
    """Read a matrix file, CSV or Parquet; docs/demand.md says what is accepted.

    Args:
        path: The file.
        gaps: How missing demand is repaired.
        name: Of the demand; None: the file's stem.
        unit: What the values count.
        timezone: IANA name, for days in reports.
        select: The series; None: all.

    Raises:
        DemandError: It cannot be used as it is; the message names the place and the way out.
    """
    label = _Label(name or name_from(path.stem + suffix(select)), unit, timezone)
    return _finish("matrix", read_matrix(path, select), gaps, label, [])


def source_files(download: DownloadParams) -> list[Path]:
    """List the files of the user's own whose bytes decide the demand; none for a city.

    Nor for Milano's published days: their checksums are published too, and stand in quality.json.

    Raises:
        DemandError: A file is missing or empty, or a folder holds none.
    """
    files: list[Path] = []
    if download.source == "matrix":
        files = [_given(download.matrix.path, "download.matrix.path")]
    elif download.source == "milano_raw":
        files = day_files(_given(download.milano_raw.folder, "download.milano_raw.folder"))
    if download.select is not None and download.select.polygon is not None:
        files.append(download.select.polygon)
    for path in files:
        check_file(path)
    return files


def demand_name(download: DownloadParams) -> str:
    """Name the demand without reading it: as params.yaml says, else by where it comes from."""
    if download.name is not None:
        return download.name
    if download.source == "city":
        return f"city{download.city.squares}"
    if download.source == "milano":
        stem = "milano"
    elif download.source == "matrix":
        stem = _given(download.matrix.path, "download.matrix.path").stem
    else:
        folder = _given(download.milano_raw.folder, "download.milano_raw.folder")
        stem = folder.resolve().name
    return name_from(stem + suffix(download.select))


def name_from(stem: str) -> str:
    """Make a demand's name from a file's: letters, digits, ``_``, ``.`` and ``-``."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-._") or "demand"


@dataclass(frozen=True)
class _Label:
    name: str
    unit: str
    timezone: str


def _make_city(download: DownloadParams) -> tuple[Demand, DemandReport]:
    from ddnn.demand.city import make_city  # not needed by those who bring a file

    city = download.city
    demand = make_city(
        city.squares,
        city.days,
        city.seed,
        download.name or f"city{city.squares}",
        download.unit,
        download.timezone,
    )
    nothing = Repairs(missing_slots=0, empty_cells=0, longest=0, cells={})
    return demand, _report("city", demand, demand.slots, nothing, [])


def _read_milano(download: DownloadParams, home: Path | None, watcher: "Watcher | None") -> Source:
    from ddnn.demand.milano import account, read_squares  # with a client for the network

    place = download.milano.folder or home
    folder = _given(place, "download.milano.folder")
    if download.milano.host == "zenodo":
        from ddnn.demand.zenodo import fetch_zenodo

        days = fetch_zenodo(
            folder / "zenodo", download.milano.days, download.milano.keep_raw, watcher
        )
    else:
        from ddnn.demand.dataverse import Published, fetch_days

        milano = download.milano
        published = Published(
            milano.server, milano.doi, milano.version, milano.at_once, milano.keep_raw
        )
        days = fetch_days(published, folder / "dataverse", milano.days, watcher)
    rows, warnings, squares = read_squares(days, download.select)
    facts = {"host": download.milano.host, **account(days, squares, download.timezone)}
    return Source(rows, tuple(warnings), facts)


def _finish(
    source: str, rows: Rows, gaps: GapParams, label: _Label, warnings: Sequence[str]
) -> tuple[Demand, DemandReport]:
    values, slot_seconds, repairs = repair(rows, gaps.policy, gaps.longest)
    demand = Demand(
        values=values,
        start=int(rows.times[0]),
        slot_seconds=slot_seconds,
        series=rows.series,
        unit=label.unit,
        timezone=label.timezone,
        name=label.name,
    )
    return demand, _report(source, demand, len(rows.times), repairs, warnings)


def _report(
    source: str, demand: Demand, rows: int, repairs: Repairs, warnings: Sequence[str]
) -> DemandReport:
    still = np.flatnonzero(demand.values.max(axis=0) == demand.values.min(axis=0))
    constant = tuple(demand.series[index] for index in still)
    lines = list(warnings)
    if constant:
        named = ", ".join(constant[:_NAMED_IN_A_WARNING])
        more = len(constant) - _NAMED_IN_A_WARNING
        lines.append(
            f"constant series: {named}{f' and {more} more' if more > 0 else ''}; nothing can be "
            "learned from them, and they are scaled with a span of 1"
        )
    return DemandReport(source, rows, repairs, constant, tuple(lines))


def _given(path: Path | None, setting: str) -> Path:
    if path is None:
        raise DemandError(f"{setting}: not given; name the place of your demand")
    return path
