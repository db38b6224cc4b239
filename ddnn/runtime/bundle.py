"""A trained system in one folder: what the edge, the cloud and `ddnn allocate` need, no pickles.

The files are ``bundle.json`` (see manifest.py), ``exits.safetensors`` and ``exits.json`` (F0, F1,
F2), ``gates/``, ``thresholds.json`` and ``calibration_scores.safetensors`` (the offloading rules),
``model.onnx`` (both exits in the user's units, for others), and ``edge/`` and ``cloud/``, the two
halves that ``ddnn-edge`` and ``ddnn-cloud`` run (see served.py).
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ddnn.demand import Demand, Scaling
from ddnn.errors import ArtefactError, ParamsError
from ddnn.grid import Grid
from ddnn.nets import Exits, load_exits
from ddnn.offload.rules import GATES, SCORES, THRESHOLDS, Rule, RuleSet, load_rules
from ddnn.params import GapParams, OffloaderParams, Params, Share
from ddnn.runtime.export_parts import Calibration, write_parts
from ddnn.runtime.manifest import MANIFEST, verify, write_manifest
from ddnn.runtime.onnx_model import UnitExits, check_onnx, export_onnx
from ddnn.runtime.slot_by_slot import run_exits

ONNX = "model.onnx"
_EXITS = ("exits.safetensors", "exits.json")


class BundleFacts(BaseModel):
    """What a model is for, and how it decides unless told otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    demand: str
    """Name of the demand that it was trained on."""
    series: tuple[str, ...]
    """M names, in the order of every (..., M) array."""
    start: int
    """Start of that demand, epoch seconds (UTC): slots are counted from there."""
    slot_seconds: Annotated[int, Field(ge=1)]
    unit: str
    timezone: str
    N: Annotated[int, Field(ge=1)]
    scaling: dict[str, Any]
    grid: dict[str, Any]
    gaps: GapParams
    """How short gaps of a user's file are repaired."""
    cost: dict[str, Any]
    """The cost that it was trained for: ``cost, c_u, c_o, g_u, g_o`` of the params."""
    seed: int
    """Of the rules that draw."""
    offloader: OffloaderParams
    rule: str
    l0: Share
    family: Literal["paper", "anchored"] = "paper"
    """Of its exits: they give allocations, or predict a distribution."""
    onnx_difference: float | None = None
    """Largest difference between model.onnx and torch on the validation days, in full scales."""
    parts_difference: float | None = None
    """The same of the halves for edge and cloud, on the calibration days."""

    @model_validator(mode="after")
    def _one_of_each_per_vnf(self) -> Self:
        vnfs = len(self.series)
        if Scaling.from_json(self.scaling).span.size != vnfs:
            raise ValueError("scaling: not one span per series")
        if Grid.from_json(self.grid).vnfs != vnfs:
            raise ValueError("grid: not one cell per series")
        return self

    @classmethod
    def collect(
        cls,
        params: Params,
        demand: Demand,
        scaling: Scaling,
        grid: Grid,
        family: Literal["paper", "anchored"] = "paper",
    ) -> Self:
        """Collect the facts of a trained system."""
        setting = params.setting.model_dump(mode="json")
        return cls(
            demand=demand.name,
            series=demand.series,
            start=demand.start,
            slot_seconds=demand.slot_seconds,
            unit=demand.unit,
            timezone=demand.timezone,
            N=params.setting.N,
            scaling=scaling.to_json(),
            grid=grid.to_json(),
            gaps=params.download.gaps,
            cost={key: setting[key] for key in ("cost", "c_u", "c_o", "g_u", "g_o")},
            seed=params.setting.seed,
            offloader=params.offloader,
            rule=params.evaluate.rule,
            l0=params.evaluate.l0,
            family=family,
        )


@dataclass(frozen=True)
class Decider:
    """A rule with its threshold: what decides between edge and cloud."""

    rule: Rule
    l0: float
    threshold: float
    """A decision is local when its score is at most this."""


class Model(Protocol):
    """A model that was verified and loaded, of whatever family."""

    @property
    def model(self) -> str:
        """Its id: 12 hex digits that hang on every byte of the folder."""

    @property
    def facts(self) -> BundleFacts:
        """What it is for."""

    @property
    def scaling(self) -> Scaling:
        """Between units and full scales."""

    @property
    def rules(self) -> RuleSet:
        """Who decides between edge and cloud."""

    @property
    def wanted(self) -> int:
        """Slots of history that a decision looks at."""

    def decider(self, rule: str | None = None, l0: float | None = None) -> Decider:
        """Give a rule for a wanted share of local decisions; None: the model's own."""

    def decide(
        self, scaled: NDArray[np.float64], start: int, keys: NDArray[np.int64], decider: Decider
    ) -> tuple[NDArray[np.bool_], NDArray[np.floating[Any]]]:
        """Decide and allocate for each slot from N on, up to the one after the last.

        Args:
            scaled: (T, M).
            start: Of the first slot, epoch seconds.
            keys: (T + 1 - N,) numbers of the slots: what the rules that draw count by.
            decider: Rule and threshold.

        Returns:
            Which decisions are local (T + 1 - N,), and what is allocated, scaled; an earlier row
            never changes when the demand grows at its end, to the last bit.
        """


def choose(facts: BundleFacts, rules: RuleSet, rule: str | None, l0: float | None) -> Decider:
    """Give a model's rule for a wanted share of local decisions; None: the model's own.

    Raises:
        ParamsError: ``l0`` is outside [0, 1].
        ModelError: The model has no such rule, or no gate for this L0.
    """
    name = facts.rule if rule is None else rule
    share = facts.l0 if l0 is None else l0
    if not 0 <= share <= 1:
        raise ParamsError(f"--l0 {share:g}: L0 must lie in [0, 1]; give a share, such as 0.5")
    return Decider(rules.rule(name, share), share, rules.threshold(name, share))


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model of the family ``paper`` that was verified and loaded."""

    model: str
    """Its id: 12 hex digits that hang on every byte of the folder."""
    facts: BundleFacts
    scaling: Scaling
    exits: Exits
    """In evaluation mode."""
    rules: RuleSet

    @property
    def wanted(self) -> int:
        """Slots of history that a decision looks at."""
        return self.facts.N

    def decider(self, rule: str | None = None, l0: float | None = None) -> Decider:
        """Give a rule for a wanted share of local decisions; None: the model's own.

        Raises:
            ParamsError: ``l0`` is outside [0, 1].
            ModelError: The model has no such rule, or no gate for this L0.
        """
        return choose(self.facts, self.rules, rule, l0)

    def decide(
        self, scaled: NDArray[np.float64], start: int, keys: NDArray[np.int64], decider: Decider
    ) -> tuple[NDArray[np.bool_], NDArray[np.floating[Any]]]:
        """Decide and allocate for each slot; see :class:`Model`."""
        targets = range(self.facts.N, len(scaled) + 1)
        return run_exits(self.exits, scaled, targets, keys, decider.rule, decider.threshold)


def write_bundle(
    folder: Path,
    facts: BundleFacts,
    exits: Path,
    rules: Path,
    demand: NDArray[np.float32],
    calibration: Calibration,
) -> str:
    """Write a trained system into a folder; equal systems give equal bytes.

    Args:
        folder: An existing, empty folder.
        facts: What the model is for.
        exits: Folder with what ``save_exits`` wrote.
        rules: Folder with what the stage ``offloader`` wrote.
        demand: Windows (K, N, M) in units, on which model.onnx is held against torch.
        calibration: Scaled windows: the scores on them go into the edge half, and the halves are
            held against torch.

    Returns:
        The model's id.

    Raises:
        ArtefactError: A part is missing or damaged.
        ModelError: An ONNX file differs from torch; the exits and the rules do not belong together.
    """
    try:
        for name in _EXITS:
            shutil.copyfile(exits / name, folder / name)
        for name in (THRESHOLDS, SCORES):
            shutil.copyfile(rules / name, folder / name)
        shutil.copytree(rules / GATES, folder / GATES, copy_function=shutil.copyfile)
    except OSError as error:
        raise ArtefactError(
            f"{error.filename}: cannot be copied ({error.strerror}); run the stage before again"
        ) from error
    scaling = Scaling.from_json(facts.scaling)
    network, loaded_rules = _load_parts(folder, facts)
    model = UnitExits(network, scaling.minimum, scaling.span)
    about = {"series": facts.series, "unit": facts.unit, "slot_seconds": facts.slot_seconds}
    export_onnx(model, folder / ONNX, about)
    difference = check_onnx(folder / ONNX, model, demand)
    parts = write_parts(folder, network, loaded_rules, calibration)
    found = {"onnx_difference": difference, "parts_difference": parts}
    complete = facts.model_copy(update=found)
    return write_manifest(folder, complete.model_dump(mode="json"))


def read_bundle(folder: Path) -> tuple[BundleFacts, str]:
    """Verify every byte of a model's folder, and give what it is for, and its id.

    Raises:
        ArtefactError: The folder is no exported model, or of an unknown format, or a file is
            missing, added or altered.
    """
    values, model = verify(folder)
    try:
        return BundleFacts.model_validate(values), model
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise ArtefactError(
            f"{folder / MANIFEST}: {place}: {fault['msg']}; export the model again"
        ) from error


def load_bundle(folder: Path) -> Bundle:
    """Verify every byte of a model's folder, then load it; no stored code runs.

    Raises:
        ArtefactError: The folder is no exported model, or of an unknown format, or a file is
            missing, added or altered; or the model is of another family.
    """
    facts, model = read_bundle(folder)
    if facts.family != "paper":
        raise ArtefactError(f"{folder}: a model of the family {facts.family}, not paper")
    exits, rules = _load_parts(folder, facts)
    return Bundle(model, facts, Scaling.from_json(facts.scaling), exits, rules)


def _load_parts(folder: Path, facts: BundleFacts) -> tuple[Exits, RuleSet]:
    exits = load_exits(folder)
    if (exits.N, exits.vnfs) != (facts.N, len(facts.series)):
        raise ArtefactError(
            f"{folder / _EXITS[0]}: exits for N = {exits.N} and {exits.vnfs} series, but the model "
            f"is for N = {facts.N} and {len(facts.series)}; train and export again"
        )
    return exits, load_rules(folder, exits, facts.seed, facts.offloader)
