"""A city in MLflow: one run for it, and nested in that one for each site."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.artefact import Reference
from tasks.city import SiteRun
from tasks.run_record import Point, epoch_costs, numbers, read_json, summary_metrics
from tasks.tracking.nested import TrackedParent, is_logged, log_nested, open_parent
from tasks.tracking.store import CITY_EXPERIMENT, open_tracker
from tasks.tracking.values import log_points

_CITY, _KEY = "city", "city.squares_key"


def open_city(name: str) -> TrackedParent:
    """Give the run of a city: one for all time.

    Raises:
        TrackingError: MLflow cannot be used.
    """
    return open_parent(CITY_EXPERIMENT, f"city {name}", {_CITY: name, "kind": "city"})


def log_site(
    parent: TrackedParent, city: str, run: SiteRun, references: Mapping[str, Reference]
) -> None:
    """Log a finished site under its city, unless it is there already.

    Args:
        parent: The city's run.
        city: Its name.
        run: The site's.
        references: Of each of its stages.

    Raises:
        ArtefactError: An output is not what its stage writes.
        TrackingError: MLflow cannot be used.
    """
    last = references[run.stages[-1]]
    if is_logged(CITY_EXPERIMENT, parent, run.name, (_KEY, last.key)):
        return
    folders = {name: reference.folder for name, reference in references.items()}
    site = read_json(folders["squares"] / "site.json")
    points = [Point(name, value) for name, value in numbers(site)] + epoch_costs(folders)
    files = [folders["squares"] / name for name in ("site.json", "squares.parquet")]
    if "evaluate" in folders:
        evaluation = read_json(folders["evaluate"] / "evaluation.json")
        points += summary_metrics(evaluation, run.params)
        files.append(folders["evaluate"] / "evaluation.json")
    log_nested(
        CITY_EXPERIMENT,
        parent,
        run.name,
        (_KEY, last.key),
        {_CITY: city},
        run.params,
        points,
        files,
    )


def close_city(parent: TrackedParent, facts: Mapping[str, Any], report: Path) -> None:
    """Log a city's numbers, its maps and its report.

    Args:
        parent: The city's run.
        facts: As in city.json.
        report: Folder of the report.

    Raises:
        TrackingError: MLflow cannot be used.
    """
    client, _ = open_tracker(CITY_EXPERIMENT)
    log_points(client, parent.run_id, [Point(name, value) for name, value in numbers(facts)])
    client.set_tag(parent.run_id, "failed_sites", ", ".join(facts["failed"]) or "none")
    for path in sorted(report.glob("*.[hc]*")):
        client.log_artifact(parent.run_id, str(path))
    client.log_artifacts(parent.run_id, str(report / "figures"), "figures")
