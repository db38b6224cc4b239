"""The words at the end of `make run`: the cost table, and where to look next."""

import os
from pathlib import Path

from ddnn.evaluation import cost_table
from flows.pipeline import PipelineResult


def closing_words(result: PipelineResult) -> str:
    """Give the cost table and the places of the report, the run and the next steps."""
    report = result.references["report"].folder / "report.html"
    return "\n".join(
        [
            "",
            cost_table(result.references["evaluate"].folder),
            "",
            f"Report     {_near(report)}",
            f"MLflow run {result.tracked.run_id} (`make ui`, then {result.tracked.url})",
            "Next       ddnn allocate --demand FILE --out FILE; dvc repro; make help",
        ]
    )


def _near(path: Path) -> str:
    return os.path.relpath(path)
