"""What the finished pieces of a demand show: metrics/worth.json, docs/worth.md, and a report."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddnn.evaluation.worth.bar import Bar
from ddnn.evaluation.worth.cloud import CloudWorth, cloud_worth
from ddnn.evaluation.worth.cost_bars import cost_bars
from ddnn.evaluation.worth.gate_bars import gate_bars
from ddnn.evaluation.worth.measured import Found, Measured
from ddnn.evaluation.worth.systems import against_reference
from ddnn.figures.worth import cost_ratios
from ddnn.params import Params
from tasks.home import PROJECT_ROOT
from tasks.html import fill, inline
from tasks.worth import tables
from tasks.worth.kept import Kept
from tasks.worth.pieces import Piece

METRICS = PROJECT_ROOT / "metrics"
PAGE = PROJECT_ROOT / "docs" / "worth.md"
REPORTS = PROJECT_ROOT / "reports" / "worth"


@dataclass(frozen=True)
class Judged:
    """The bars of one demand, and the pieces that are not there."""

    demand: str
    bars: Sequence[Bar]
    cloud: Sequence[CloudWorth]
    measured: Measured
    missing: Sequence[Piece]
    """Not run yet, or made with other settings or code."""
    stale: Sequence[str]
    """Of the missing, those whose file was made with other settings or code."""


def judge(params: Params, demand: str, pieces: Sequence[Piece], kept: Kept) -> Judged | None:
    """Judge the pieces that are kept; None where there is none at all.

    Raises:
        ArtefactError: A kept file is damaged.
    """
    results = {piece.name: kept.find(piece, None) for piece in pieces}
    # Files of one demand only: that of most of them.
    demands = [result.facts["made_of"]["demand"] for result in results.values() if result]
    chosen = max(set(demands), key=demands.count) if demands else None
    found, missing = [], []
    for piece in pieces:
        result = results[piece.name]
        if result is None or result.facts["made_of"]["demand"] != chosen:
            missing.append(piece)
            continue
        found.append(
            Found(piece.kind, piece.window, piece.seed, piece.c_u, piece.variation, result)
        )
    if not found:
        return None
    measured = Measured(demand, params.worth, params.evaluate.bootstrap, tuple(found))
    bars = [*cost_bars(measured), *gate_bars(measured)]
    return Judged(demand, bars, cloud_worth(measured), measured, missing, kept.stale(missing))


def publish(
    judged: Judged, metrics: Path = METRICS, page: Path = PAGE, reports: Path = REPORTS
) -> None:
    """Write the demand's rows of worth.json, its worth_cloud_<demand>.json, tables and report.

    The rows of other demands stay as they are. The picture lies beside the page, in img.
    """
    place, demand = metrics / "worth.json", judged.demand
    rows: list[dict[str, Any]] = json.loads(place.read_text("utf-8")) if place.is_file() else []
    rows = [row for row in rows if row["demand"] != demand]
    _write_json(place, rows + [bar.to_json() for bar in judged.bars])
    _write_json(metrics / f"worth_cloud_{demand}.json", [c.to_json() for c in judged.cloud])
    shown = {
        "bars": tables.bars_table(judged.bars),
        "systems": tables.systems_table(judged.measured),
        "windows": tables.windows_table(judged.measured),
        "cloud": tables.cloud_table(judged.cloud),
    }
    missing = tables.missing_text(judged.missing, judged.stale)
    for name, table in shown.items():
        tables.show(page, f"{demand} {name}", table.markdown())
    tables.show(page, f"{demand} missing", missing)
    compared = against_reference(judged.measured)
    picture = cost_ratios(compared, _caption(judged)) if compared else None
    if picture is not None:
        _write(page.parent / "img" / f"worth-{demand}.png", picture)
    _write(reports / demand / "report.html", _html(judged, shown, missing, picture).encode())


def _caption(judged: Judged) -> str:
    worth = judged.measured.worth
    return (
        f"{judged.demand}; {len(worth.windows)} test windows, {len(worth.seeds)} seeds; hard cost, "
        "eq. (3), c_o = 1"
    )


def _html(
    judged: Judged, shown: dict[str, tables.Table], missing: str, picture: bytes | None
) -> str:
    asked = [bar for bar in judged.bars if bar.target is not None]
    count = {
        "met": sum(bar.met is True for bar in asked),
        "missed": sum(bar.met is False for bar in asked),
        "open": sum(bar.met is None for bar in asked),
    }
    return fill(
        "worth_report.html.j2",
        demand=judged.demand,
        caption=_caption(judged),
        count=count,
        paying=sum(row.worth == "pays" for row in judged.cloud),
        missing=missing if judged.missing else "",
        image=picture and inline(picture),
        **shown,
    )


def _write_json(place: Path, values: Any) -> None:
    _write(place, (json.dumps(values, indent=1, allow_nan=False) + "\n").encode())


def _write(place: Path, content: bytes) -> None:
    """Whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_suffix(".draft")
    draft.write_bytes(content)
    draft.replace(place)
