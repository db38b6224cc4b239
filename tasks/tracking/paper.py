"""The paper's experiment in MLflow: one run for it, and nested in that each run of the pipeline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.paper import PaperRun
from tasks.run_record import epoch_costs, read_json, summary_metrics
from tasks.tracking.nested import TrackedParent, is_logged, log_nested, open_parent
from tasks.tracking.store import PAPER_EXPERIMENT, open_tracker

_DEMAND, _KEY = "paper.demand", "paper.evaluate_key"


def open_paper(demand: str) -> TrackedParent:
    """Give the experiment's run for a demand: one for all time, so that pieces come together.

    Raises:
        TrackingError: MLflow cannot be used.
    """
    return open_parent(PAPER_EXPERIMENT, f"paper {demand}", {_DEMAND: demand, "kind": "paper"})


def log_member(
    parent: TrackedParent,
    demand: str,
    run: PaperRun,
    artefacts: Mapping[str, Path],
    key: str,
) -> None:
    """Log one run of the pipeline under the experiment's, unless it is there already.

    Args:
        parent: The experiment's run.
        demand: Name of the demand.
        run: The run.
        artefacts: Its stages' output folders.
        key: Of its stage ``evaluate``.

    Raises:
        ArtefactError: An output is not what its stage writes.
        TrackingError: MLflow cannot be used.
    """
    if is_logged(PAPER_EXPERIMENT, parent, run.name, (_KEY, key)):
        return
    tags = {
        _DEMAND: demand,
        "paper.setting": run.setting,
        "deepcog": "deepcog_original" if run.original else "the DDNN's layers, w = 0",
    }
    evaluation = read_json(artefacts["evaluate"] / "evaluation.json")
    log_nested(
        PAPER_EXPERIMENT,
        parent,
        run.name,
        (_KEY, key),
        tags,
        run.params,
        epoch_costs(artefacts) + summary_metrics(evaluation, run.params),
        [artefacts["evaluate"] / name for name in ("evaluation.json", "curves.parquet")],
    )


def close_paper(parent: TrackedParent, claims: list[dict[str, Any]], files: list[Path]) -> None:
    """Log the verdicts to the experiment's run, with the files that were made of its members.

    Args:
        parent: The experiment's run.
        claims: As in claims_<demand>.json.
        files: The report, the claims and the figures.

    Raises:
        TrackingError: MLflow cannot be used.
    """
    client, _ = open_tracker(PAPER_EXPERIMENT)
    verdicts = [claim["verdict"] for claim in claims]
    for claim in claims:
        client.set_tag(parent.run_id, f"claim.{claim['id']:02}", claim["verdict"])
    for verdict in sorted(set(verdicts)):
        name = "claims." + verdict.replace(" ", "_")
        client.log_metric(parent.run_id, name, float(verdicts.count(verdict)))
    for path in files:
        client.log_artifact(parent.run_id, str(path), "figures" if path.suffix == ".png" else None)
