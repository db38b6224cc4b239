"""What a run leaves for its reader: the newest report and figures, and the words at the end."""

import os
import shutil
from pathlib import Path

from ddnn.evaluation import cost_table
from flows.pipeline import PipelineResult
from tasks.artefact import publish
from tasks.run_record import read_json

REPORT = Path("reports/latest")
EVALUATION = Path("metrics/evaluation.json")


def publish_newest(result: PipelineResult) -> None:
    """Copy the run's report and its numbers to where the newest ones are always found."""
    publish(result.references["report"], REPORT)
    EVALUATION.parent.mkdir(exist_ok=True)
    draft = EVALUATION.with_name(f".{EVALUATION.name}-{os.getpid()}")
    shutil.copyfile(result.references["evaluate"].folder / EVALUATION.name, draft)
    draft.replace(EVALUATION)


def closing_words(result: PipelineResult) -> str:
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
