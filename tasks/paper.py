"""The paper's experiment: which pipeline runs it consists of."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ddnn.errors import ParamsError
from ddnn.params import Overrides, Params, change_params
from tasks.registry import BY_NAME

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
