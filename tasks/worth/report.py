"""What the finished pieces of a demand show: metrics/worth.json, and tables in docs/worth.md."""

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
from ddnn.params import Params
from tasks.home import PROJECT_ROOT
from tasks.worth import tables
from tasks.worth.kept import Kept
from tasks.worth.pieces import Piece

METRICS = PROJECT_ROOT / "metrics"
PAGE = PROJECT_ROOT / "docs" / "worth.md"


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


def publish(judged: Judged, metrics: Path = METRICS, page: Path = PAGE) -> None:
    """Write the demand's rows of worth.json, its worth_cloud_<demand>.json and its tables.

    The rows of other demands stay as they are.
    """
    place = metrics / "worth.json"
    rows: list[dict[str, Any]] = json.loads(place.read_text("utf-8")) if place.is_file() else []
    rows = [row for row in rows if row["demand"] != judged.demand]
    _write(place, rows + [bar.to_json() for bar in judged.bars])
    _write(metrics / f"worth_cloud_{judged.demand}.json", [c.to_json() for c in judged.cloud])
    tables.show(page, f"{judged.demand} bars", tables.bars_table(judged.bars))
    tables.show(page, f"{judged.demand} systems", tables.systems_table(judged.measured))
    tables.show(page, f"{judged.demand} windows", tables.windows_table(judged.measured))
    tables.show(page, f"{judged.demand} cloud", tables.cloud_table(judged.cloud))
    tables.show(page, f"{judged.demand} missing", tables.missing_text(judged.missing, judged.stale))


def _write(place: Path, values: Any) -> None:
    text = json.dumps(values, indent=1, allow_nan=False) + "\n"
    draft = place.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(place)
