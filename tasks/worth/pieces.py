"""The pieces of the rolling-origin evaluation: which there are, in which order, of which stages."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ddnn.errors import ParamsError
from ddnn.params import Overrides, Params, change_params
from tasks.paper import demand_name as paper_demand
from tasks.registry import spec_of, stage_params

_ANCHORED = ("grid", "train", "worth.decisions")


@dataclass(frozen=True)
class Piece:
    """One unit of work, with one small result; the last of its stages writes it."""

    kind: str
    window: int
    """Days between the demand's end and the window's."""
    seed: int | None
    """None of what knows no seed."""
    c_u: float | None
    """None of what is for every price."""
    variation: str | None
    """Of the sweep alone."""
    stages: tuple[str, ...]
    """In order; they stand on ``download`` and ``worth.window``, which come first."""
    params: Params

    @property
    def name(self) -> str:
        """Name it for people and files: ``separate-c10-w5-s0``."""
        parts = (
            self.kind,
            self.variation,
            None if self.c_u is None else f"c{self.c_u:g}",
            f"w{self.window}",
            None if self.seed is None else f"s{self.seed}",
        )
        return "-".join(part for part in parts if part is not None)

    @property
    def settings(self) -> dict[str, object]:
        """All settings that its stages read, by dotted name."""
        chosen: dict[str, object] = {}
        for name in ("worth.window", *self.stages):
            chosen |= stage_params(spec_of(name, self.params), self.params)
        return chosen


def demand_name(params: Params, asked: str | None) -> str:
    """Give the name of the demand asked for, which may be shortened; None: worth.demand.

    Raises:
        ParamsError: No demand of paper.demands, or more than one, begins so.
    """
    return paper_demand(params, asked or params.worth.demand)


def pieces_of(params: Params, demand: str, file: Path | None = None) -> list[Piece]:
    """List the pieces on a demand: cheap kinds first, and of each kind the first seeds.

    Args:
        params: Of params.yaml.
        demand: One of ``paper.demands``.
        file: The demand's file, where it is not where ``paper.demands`` says.

    Raises:
        ParamsError: Test windows overlap, or a setting is out of range.
    """
    _refuse_overlap(params)
    overrides = params.paper.demands[demand] | {"setting.cost": "eq3"}
    overrides |= {"offloader.features": ["volume"], "evaluate.rule": "optimized_volume"}
    overrides |= {"label.l0": params.worth.l0, "evaluate.l0": params.worth.whole.l0}
    if file is not None:
        overrides |= {"download.source": "matrix", "download.matrix.path": str(file)}
    based = change_params(params, overrides, f"paper.demands.{demand}, worth:")
    return [piece for kind in params.worth.pieces for piece in _KINDS[kind](based)]


def _alternatives(params: Params) -> Iterator[Piece]:
    for window in params.worth.windows:
        stages = ("grid", "worth.alternatives")
        yield _piece("alternatives", params, window, None, stages)


def _anchored(params: Params) -> Iterator[Piece]:
    for seed, window in _seeds(params):
        yield _piece("anchored", params, window, seed, _ANCHORED, params.worth.anchored)


def _times(params: Params) -> Iterator[Piece]:
    stages = ("grid", "train", "offloader", "export", "worth.times")
    window, seed = params.worth.windows[0], params.worth.seeds[0]
    yield _piece("times", params, window, seed, stages, params.worth.anchored)


def _separate(params: Params) -> Iterator[Piece]:
    for seed, window in _seeds(params):
        for c_u in params.worth.c_u:
            changes = {**params.worth.anchored, "setting.c_u": c_u}
            stages = ("grid", "train", "worth.separate")
            yield _piece("separate", params, window, seed, stages, changes, c_u)


def _exits(params: Params) -> Iterator[Piece]:
    stages = ("grid", "train", "deepcog", "worth.exits")
    for seed, window in _seeds(params):
        for c_u, changes in _settings(params):
            yield _piece("exits", params, window, seed, stages, changes, c_u)


def _gates(params: Params) -> Iterator[Piece]:
    stages = ("grid", "train", "worth.gates")
    for seed, window in _seeds(params):
        for c_u, changes in _settings(params):
            if c_u == params.worth.gate_c_u:
                yield _piece("gates", params, window, seed, stages, changes, c_u)


def _sweep(params: Params) -> Iterator[Piece]:
    for seed, window in _seeds(params):
        for name, changes in params.worth.sweep.items():
            varied = {**params.worth.anchored, **changes}
            yield _piece("sweep", params, window, seed, _ANCHORED, varied, variation=name)


_KINDS: dict[str, Callable[[Params], Iterator[Piece]]] = {
    "alternatives": _alternatives,
    "anchored": _anchored,
    "times": _times,
    "separate": _separate,
    "exits": _exits,
    "gates": _gates,
    "sweep": _sweep,
}


def _seeds(params: Params) -> Iterator[tuple[int, int]]:
    """Give seed and window; the first seed on all windows before the second."""
    for seed in params.worth.seeds:
        for window in params.worth.windows:
            yield seed, window


def _settings(params: Params) -> Iterator[tuple[float, Overrides]]:
    for changes in params.worth.settings.values():
        yield float(changes["setting.c_u"]), changes


def _piece(
    kind: str,
    params: Params,
    window: int,
    seed: int | None,
    stages: tuple[str, ...],
    changes: Overrides | None = None,
    c_u: float | None = None,
    variation: str | None = None,
) -> Piece:
    overrides: Overrides = {**(changes or {}), "worth.cut_days": window}
    if seed is not None:
        overrides["setting.seed"] = seed
    changed = change_params(params, overrides, f"worth {kind}:")
    return Piece(kind, window, seed, c_u, variation, stages, changed)


def _refuse_overlap(params: Params) -> None:
    windows = sorted(params.worth.windows)
    apart = min(later - earlier for earlier, later in pairwise(windows))
    if apart < params.split.test_days:
        raise ParamsError(
            f"worth.windows: test windows of {params.split.test_days} days (split.test_days) "
            f"overlap when they end {apart} days apart"
        )
