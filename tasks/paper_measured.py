"""What the runs of the paper's experiment measured, read from their outputs."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ddnn.errors import ArtefactError
from ddnn.evaluation.measured import Measured, MeasuredTimes, SeedRun, Snapshots
from ddnn.evaluation.size import block_sizes
from ddnn.grid import Grid
from ddnn.nets import build_exits, find_preset
from tasks.paper import PaperRun
from tasks.run_record import read_json


def measure(
    runs: Iterable[PaperRun],
    folders: Mapping[str, Mapping[str, Path]],
    demand: str,
    times: MeasuredTimes | None,
) -> Measured:
    """Read what the runs measured.

    Args:
        runs: The finished ones.
        folders: By run's name, the output folder of each of its stages.
        demand: Name of the demand.
        times: This machine's times, where they were taken.

    Raises:
        ArtefactError: An output is missing or damaged.
    """
    seeds: dict[str, list[SeedRun]] = {}
    original: dict[str, np.ndarray] = {}
    snapshots: list[Snapshots] = []
    for run in runs:
        outputs = folders[run.name]
        slots = _columns(outputs["evaluate"] / "slots.parquet")
        if run.original:
            original[run.setting] = slots["cost_deepcog"]
            continue
        evaluation = read_json(outputs["evaluate"] / "evaluation.json")
        seeds.setdefault(run.setting, []).append(SeedRun(run.seed, evaluation, slots))
        if "snapshots" in outputs:
            snapshots.append(_snapshots(outputs["snapshots"], run.seed))
    return Measured(
        demand=demand,
        runs={name: tuple(of) for name, of in seeds.items()},
        original=original,
        snapshots=tuple(snapshots),
        table3=table3_sizes(),
        times=times,
    )


def table3_sizes() -> dict[str, dict[str, int]]:
    """Count parameters and MACs of the preset ``table3`` on 8 x 8 cells and 24 slots."""
    grid = Grid(rows=8, columns=8, cells=np.arange(49))
    return block_sizes(build_exits(find_preset("table3"), grid, 24, 0.1, seed=0))


def _columns(path: Path) -> dict[str, np.ndarray]:
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{path}: cannot be read ({error}); run its stage again") from error
    columns = {}
    for name in table.columns:
        values = table[name]
        if name == "time":
            values = values.astype("datetime64[s, UTC]").astype("int64")
        columns[name] = values.to_numpy(dtype=np.float64)
    return columns


def _snapshots(folder: Path, seed: int) -> Snapshots:
    facts = read_json(folder / "snapshots.json")
    columns = _columns(folder / "snapshots.parquet")
    return Snapshots(
        seed=seed,
        late_epoch=int(facts["late_epoch"]),
        l0=float(facts["l0"]),
        critical=float(facts["critical_benefit"]),
        benefit=columns["benefit"],
        first=columns["first"],
        late=columns["late"],
    )
