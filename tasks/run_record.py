"""What a tracked run says, read from the artefacts: plain values, no tracker."""

import csv
import hashlib
import json
import math
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddnn.errors import ArtefactError
from ddnn.evaluation.summary import summary
from ddnn.params import Params
from tasks.home import PROJECT_ROOT

_HISTORIES = (  # stage, column of its history.csv, name of the metric
    ("train", "local_cost", "local_cost"),
    ("train", "remote_cost", "remote_cost"),
    ("deepcog", "remote_cost", "deepcog_cost"),
)
_POINT = ("L", "C", "capture")


@dataclass(frozen=True)
class Point:
    """One value of a metric: at an epoch, at a share of local decisions, or at step 0."""

    name: str
    value: float
    step: int = 0


def flat_params(params: Params) -> dict[str, str]:
    """Give all settings by dotted name, as text; a list stays one value."""
    return {name: _text(value) for name, value in _leaves(params.model_dump(mode="json"))}


def epoch_costs(artefacts: Mapping[str, Path]) -> list[Point]:
    """Read the hard validation costs of the exits, epoch by epoch; of DeepCog's, if it is there.

    Of exits that predict a distribution: their negative log-likelihoods, on average over the
    trainings that left days out.

    Raises:
        ArtefactError: A history is missing or not one.
    """
    points: list[Point] = []
    for stage, column, name in _HISTORIES:
        if stage not in artefacts:
            continue
        path = artefacts[stage] / "history.csv"
        try:
            with path.open(encoding="utf-8", newline="") as lines:
                rows = list(csv.DictReader(lines))
            if rows and "local_nll" in rows[0]:  # trained by likelihood: there are no costs
                column = name = column.replace("cost", "nll")
            values: dict[int, list[float]] = defaultdict(list)
            for row in rows:
                if row[column]:
                    values[int(row["epoch"])].append(float(row[column]))
            points += [Point(name, sum(each) / len(each), at) for at, each in values.items()]
        except (OSError, KeyError, ValueError) as error:
            raise ArtefactError(f"{path}: not a training history: {error}; run it again") from error
    return [point for point in points if math.isfinite(point.value)]


def summary_metrics(evaluation: dict[str, Any], params: Params) -> list[Point]:
    """Give the numbers of an evaluation's summary, and of the evaluation what that leaves out.

    A rule's points at the L0 of ``label.l0`` become ``rules.NAME.l0_0.50.C`` and so on, and its
    whole trade-off the metric ``curve.NAME``: cost against the step, the percentage of local
    decisions.
    """
    found = dict(numbers({"cost": evaluation.get("cost", {})}))
    found |= numbers(summary(evaluation))
    points = [Point(name, value) for name, value in found.items()]
    for rule, entries in evaluation.get("rules", {}).items():
        points += _rule_points(rule, entries, params.label.l0)
    return points


def numbers(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Give the finite numbers among nested values, by dotted name."""
    for name, value in _leaves(values):
        if _is_number(value):
            yield name, float(value)


def demand_sha256(folder: Path) -> str:
    """Hash the demand that the stage ``download`` gave: the bytes of demand.parquet."""
    with (folder / "demand.parquet").open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def git_tags() -> dict[str, str]:
    """Give the checkout's revision and whether files differ from it."""
    revision = _git("rev-parse", "HEAD")
    if revision is None:
        return {"git.revision": "unknown"}
    changed = _git("status", "--porcelain")
    return {
        "git.revision": revision,
        "git.dirty": "unknown" if changed is None else str(bool(changed)).lower(),
        "mlflow.source.git.commit": revision,
    }


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ArtefactError: The file is missing, or is not one.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{path}: not readable as JSON; run its stage again") from error
    if not isinstance(values, dict):
        raise ArtefactError(f"{path}: expected an object; run its stage again")
    return values


def _rule_points(rule: str, entries: list[dict[str, Any]], l0s: list[float]) -> Iterator[Point]:
    shares: dict[int, float] = {}
    for entry in entries:
        if _is_number(entry.get("L")) and _is_number(entry.get("C")):
            shares[round(100 * entry["L"])] = entry["C"]
        if entry.get("L0") in l0s:
            for name in _POINT:
                if _is_number(entry.get(name)):
                    yield Point(f"rules.{rule}.l0_{entry['L0']:.2f}.{name}", entry[name])
    for share, cost in sorted(shares.items()):
        yield Point(f"curve.{rule}", cost, share)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _leaves(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _git(*words: str) -> str | None:
    try:
        said = subprocess.run(
            ["git", "-C", str(PROJECT_ROOT), *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip()
