"""The paper's experiment: which pipeline runs it consists of, and what their outputs measured."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ddnn.errors import ArtefactError, ParamsError
from ddnn.evaluation.measured import Measured, MeasuredTimes, SeedRun, Snapshots
from ddnn.evaluation.size import block_sizes
from ddnn.grid import Grid
from ddnn.nets import build_exits, find_preset
from ddnn.params import Overrides, Params, change_params
from tasks.registry import BY_NAME
from tasks.run_record import read_json

ORIGINAL = "original"
"""Instead of a seed: the run with DeepCog's published network."""
RUN_STAGES = (*BY_NAME["evaluate"].inputs, "evaluate")
"""Of each run, in order; one of them has the stage ``snapshots`` as well."""


@dataclass(frozen=True)
class PaperRun:
    """One run of the pipeline within the experiment."""

    setting: str
    seed: int
    original: bool
    """DeepCog is its published network, not the DDNN's layers with w = 0."""
    stages: tuple[str, ...]
    params: Params

    @property
    def name(self) -> str:
        """Name it for people and folders: ``fig4b-0``, ``fig4b-original``."""
        return f"{self.setting}-{ORIGINAL if self.original else self.seed}"


def demand_name(params: Params, asked: str | None) -> str:
    """Give the name of the demand asked for, which may be shortened (``city``); None: the default.

    Raises:
        ParamsError: No demand, or more than one, begins so.
    """
    known = params.paper.demands
    if asked is None or asked in known:
        return asked or params.paper.demand
    fitting = [name for name in known if name.startswith(asked)]
    if len(fitting) != 1:
        raise ParamsError(f"demand {asked}: not one of paper.demands ({', '.join(known)})")
    return fitting[0]


def paper_runs(
    params: Params, demand: str, file: Path | None = None, only: Collection[str] = ()
) -> list[PaperRun]:
    """List the runs of the experiment on a demand, setting by setting.

    Args:
        params: Of params.yaml.
        demand: One of ``paper.demands``.
        file: The demand's file, where it is not where ``paper.demands`` says.
        only: Some of ``paper.settings``; none: all.

    Raises:
        ParamsError: A setting is unknown or out of range, or the demand's file is not there.
    """
    paper = params.paper
    overrides = paper.demands[demand] | paper.common
    if file is not None:
        overrides |= {"download.source": "matrix", "download.matrix.path": str(file)}
    based = change_params(params, overrides, f"paper.demands.{demand}, paper.common:")
    _refuse_missing(based, demand)
    for setting in only:
        if setting not in paper.settings:
            known = ", ".join(paper.settings)
            raise ParamsError(f"setting {setting}: not one of paper.settings ({known})")
    runs = []
    for setting, changes in paper.settings.items():
        if only and setting not in only:
            continue
        in_setting = change_params(based, changes, f"paper.settings.{setting}:")
        for seed in paper.seeds:
            snapshots = setting == paper.gate_snapshots.setting and seed == paper.seeds[0]
            stages = (*RUN_STAGES, "snapshots") if snapshots else RUN_STAGES
            runs.append(_run(in_setting, setting, seed, {}, stages))
        original: Overrides = {"deepcog.preset": "deepcog_original"}
        runs.append(_run(in_setting, setting, paper.seeds[0], original, RUN_STAGES))
    return runs


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


def _run(
    params: Params, setting: str, seed: int, changes: Overrides, stages: tuple[str, ...]
) -> PaperRun:
    changed = change_params(params, changes | {"setting.seed": seed}, f"paper {setting}:")
    return PaperRun(setting, seed, bool(changes), stages, changed)


def _refuse_missing(params: Params, demand: str) -> None:
    path = params.download.matrix.path
    if params.download.source == "matrix" and path is not None and not path.is_file():
        raise ParamsError(
            f"demand {demand}: {path} is not there; put it there (docs/paper.md says where from), "
            "name it with FILE=..., or take the synthetic city with DEMAND=city"
        )


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
