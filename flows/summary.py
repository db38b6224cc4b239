"""What a run leaves for its reader: notes on its demand, the newest report, the closing words."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ddnn.evaluation import cost_table
from tasks.artefact import publish
from tasks.run_record import read_json

if TYPE_CHECKING:
    from flows.pipeline import PipelineResult  # which calls demand_notes

REPORT = Path("reports/latest")
EVALUATION = Path("metrics/evaluation.json")


def demand_notes(folder: Path) -> list[str]:
    """Give what the owner of a demand should know, one line each: repairs, then warnings.

    Args:
        folder: Outputs of the stage ``download``.
    """
    quality = read_json(folder / "quality.json")
    gaps = quality["gaps"]
    notes = []
    if gaps["repaired_cells"]:
        notes.append(
            f"demand: {gaps['repaired_cells']} cells repaired ({gaps['missing_slots']} missing "
            f"slots, {gaps['empty_cells']} empty cells; longest gap {gaps['longest_found']} slots)"
        )
    return notes + [f"demand: {warning}" for warning in quality["warnings"]]


def publish_newest(result: "PipelineResult") -> None:
    """Copy the run's report and its numbers to where the newest ones are always found."""
    publish(result.references["report"], REPORT)
    EVALUATION.parent.mkdir(exist_ok=True)
    draft = EVALUATION.with_name(f".{EVALUATION.name}-{os.getpid()}")
    shutil.copyfile(result.references["evaluate"].folder / EVALUATION.name, draft)
    draft.replace(EVALUATION)


def closing_words(result: "PipelineResult") -> str:
    """Give the cost table and the places of the report, the run and the next steps."""
    return "\n".join(
        [
            "",
            cost_table(read_json(result.references["evaluate"].folder / EVALUATION.name)),
            "",
            f"Report      {REPORT / 'report.html'}",
            f"Numbers     {EVALUATION}",
            f"MLflow run  {result.tracked.run_id} (`make ui`, then {result.tracked.url})",
            "Next        ddnn allocate --demand FILE --out FILE; make repro; make help",
        ]
    )
