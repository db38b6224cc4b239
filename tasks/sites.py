"""Stage ``sites``: a whole city's demand, cut into sites: a matrix file for each of them.

Only cut, not judged: each site's own stage ``download`` checks and repairs its file, so that one
bad square spoils one site. Writes demand/<site>.parquet and sites.json, in this layout::

    name, unit, timezone, source    of the city's demand
    places      milano, city, or null: how the squares' names tell where they lie
    sites       list of: name, series
    correlation of two squares of a site, the mean of all sites; and of two squares of the city,
                on the days before validation
    warnings    of the source
    milano      what Milano's days hold and lack, where they are the source
"""

import json
from typing import Any

import numpy as np

from ddnn.demand import milano_grid
from ddnn.demand.matrix_file import write_matrix
from ddnn.demand.repair import Rows
from ddnn.demand.sources import demand_name, read_source
from ddnn.errors import DemandError
from ddnn.grid import sites as cutting
from ddnn.params import DownloadParams, SitesParams
from tasks.home import ddnn_home
from tasks.stage import Stage
from tasks.transfer_progress import TransferProgress

_DAY_SECONDS = 86400


def run(stage: Stage) -> None:
    """Cut the city.

    Raises:
        DemandError: The source cannot be read, or its squares cannot be cut as asked.
    """
    params = stage.params
    with TransferProgress() as progress:
        source = read_source(params.download, ddnn_home() / "milano", progress)
    rows = source.rows
    unseen = params.split.test_days + params.split.validation_days
    shapes = cutting.unit_shapes(_learned(rows, unseen))
    places = _places(params.download, rows.series)
    cut = _cut(rows.series, places, shapes, params.city.sites)
    names = [f"site{number:0{len(str(len(cut) - 1))}}" for number in range(len(cut))]
    (stage.out / "demand").mkdir()
    for name, squares in zip(names, cut, strict=True):
        write_matrix(stage.out / "demand" / f"{name}.parquet", rows, squares)
    within = [cutting.mean_correlation(shapes, squares) for squares in cut]
    facts: dict[str, Any] = {
        "name": demand_name(params.download),
        "unit": params.download.unit,
        "timezone": params.download.timezone,
        "source": params.download.source,
        "places": places,
        "sites": [
            {"name": name, "series": [rows.series[square] for square in squares]}
            for name, squares in zip(names, cut, strict=True)
        ],
        "correlation": {
            "within_sites": _mean([value for value in within if value is not None]),
            "of_the_city": cutting.mean_correlation(shapes, np.arange(len(shapes))),
        },
        "warnings": list(source.warnings),
    }
    if source.account is not None:
        facts["milano"] = source.account
    text = json.dumps(facts, indent=1, allow_nan=False, ensure_ascii=False)
    (stage.out / "sites.json").write_text(text + "\n", encoding="utf-8")


def _learned(rows: Rows, unseen_days: int) -> np.ndarray:
    """Give the rows (R, M) before the validation and test days: a cut learns on no others."""
    seen = rows.times <= rows.times.max() - unseen_days * _DAY_SECONDS
    if not seen.any():
        raise DemandError(
            f"the demand is not longer than its {unseen_days} days of validation and test; "
            "give more, or lower split.test_days and split.validation_days"
        )
    return rows.values[seen]


def _cut(
    series: tuple[str, ...], places: str | None, shapes: cutting.Series32, params: SitesParams
) -> list[cutting.Squares]:
    count = cutting.site_count(len(series), params.size)
    if params.by == "correlation":
        return cutting.cut_by_shape(shapes, count, params.seed)
    if places is None:
        raise DemandError(
            "city.sites.by: place needs series that are named by their ids in Milano's grid, 1 to "
            f"{milano_grid.SQUARES}, not {series[0]!r}; set it to correlation"
        )
    return cutting.cut_by_place(milano_grid.places([int(name) for name in series]), count)


def _places(download: DownloadParams, series: tuple[str, ...]) -> str | None:
    """Say whose squares the series are; a synthetic city numbers its own as Milano does."""
    if download.source == "city":
        return "city"
    squares = all(name.isdecimal() and 1 <= int(name) <= milano_grid.SQUARES for name in series)
    return "milano" if squares else None


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
