"""The validation cost of trainings in this machine's number format, against the same in fp32.

    python -m benchmarks.number_format [--file FILE] [--settings NAME ...]

The paper's settings on the 25 squares, every seed twice, through the stage `train`: what `make
paper` has trained is found finished, and a second call runs nothing. The test days stay closed.
Writes metrics/number_format.json and its table in docs/training.md.
"""

import argparse
import json
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import page
from ddnn.nets import load_exits
from ddnn.params import load_params
from tasks.home import PROJECT_ROOT
from tasks.paper import PaperRun, paper_runs
from tasks.prepared import prepare
from tasks.registry import BY_NAME
from tasks.runner import Workshop, run_stage
from tasks.stage import Stage

PAGE = PROJECT_ROOT / "docs" / "training.md"
METRICS = PROJECT_ROOT / "metrics" / "number_format.json"
DEMAND = "milano25"
SETTINGS = ("fig4b", "fig4c")  # N = 6 and N = 25


def validation_cost(run: PaperRun, workshop: Workshop) -> float:
    """Train, if it is not done yet, and give the joint hard cost of eq. (9) on validation days."""
    folders: dict[str, Path] = {}
    for stage in ("download", "grid", "train"):
        inputs = {name: folders[name] for name in BY_NAME[stage].inputs}
        folders[stage] = run_stage(stage, run.params, inputs, workshop).folder
    stage = Stage(run.params, folders, Path(), Path(), workshop.arithmetic)
    prepared, w = prepare(stage), run.params.setting.w
    D, d = prepared.windows(prepared.split.validation)
    exits = load_exits(folders["train"]).eval()
    with torch.inference_mode():
        y_L, y_R = (y.numpy() for y in exits(torch.from_numpy(np.array(D))))
    local, remote = (float(prepared.cost(y, d).mean()) for y in (y_L, y_R))
    return w * local + (1 - w) * remote


def summarise(
    runs: Sequence[PaperRun], own: Sequence[float], fp32: Sequence[float]
) -> dict[str, Any]:
    """Compare the formats seed by seed; noise is the standard deviation between fp32's seeds."""
    differences = np.subtract(own, fp32)
    noise = float(np.std(fp32, ddof=1))
    return {
        "setting": runs[0].setting,
        "N": runs[0].params.setting.N,
        "seeds": [run.seed for run in runs],
        "own": [round(cost, 4) for cost in own],
        "float32": [round(cost, 4) for cost in fp32],
        "difference": round(float(differences.mean()), 4),
        "standard_error": round(float(differences.std(ddof=1) / len(runs) ** 0.5), 4),
        "noise": round(noise, 4),
        "met": bool(abs(differences.mean()) <= noise),
    }


def table(facts: dict[str, Any]) -> str:
    """Write the facts as they stand in docs/training.md."""
    lines = [
        f"| setting | N | {facts['dtype']} | float32 | difference | standard deviation of float32 "
        "| within it |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for row in facts["rows"]:
        own, fp32 = (f"{np.mean(row[name]):.3f}" for name in ("own", "float32"))
        difference = f"{row['difference']:+.3f} ± {row['standard_error']:.3f}"
        lines.append(
            f"| {row['setting']} | {row['N']} | {own} | {fp32} | {difference} "
            f"| {row['noise']:.3f} | {'yes' if row['met'] else '**no**'} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, help="of the 25 squares; else as params.yaml says")
    parser.add_argument("--settings", nargs="+", default=SETTINGS, help="of paper.settings")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    params = load_params(PROJECT_ROOT / "params.yaml")
    known = paper_runs(params, DEMAND, args.file, args.settings)
    runs = [run for run in known if not run.original]
    own = Workshop.open()
    plain = replace(own, arithmetic=replace(own.arithmetic, dtype="float32"))
    orders = [(run, workshop) for workshop in (own, plain) for run in runs]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        costs = list(pool.map(lambda order: validation_cost(*order), orders))
    rows = []
    for setting in args.settings:
        here = [number for number, run in enumerate(runs) if run.setting == setting]
        of_own, of_plain = ([costs[n + shift] for n in here] for shift in (0, len(runs)))
        rows.append(summarise([runs[n] for n in here], of_own, of_plain))
    facts = {"demand": DEMAND, "dtype": own.arithmetic.dtype, "rows": rows}
    METRICS.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    page.show(PAGE, "number format", table(facts))
    print(table(facts))


if __name__ == "__main__":
    main()
