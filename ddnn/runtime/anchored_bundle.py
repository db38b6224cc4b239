"""A trained system whose exits predict a distribution, in one folder; no pickles.

The files are ``bundle.json`` (see manifest.py), ``anchored.safetensors`` and ``anchored.json`` (F0,
F1, F2), ``allocator.json`` (the shapes of both exits' errors), ``held_out.npz`` (what trainings
that left days out say of the days that the exits know), ``rules.json`` (the offloading rules),
``model.onnx`` (both exits, for others), and ``edge/`` and ``cloud/``, the halves that the processes
run (see anchored_served.py).
"""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddnn.context import Clock, Context, build_context
from ddnn.cost import AllocationCost
from ddnn.demand import Scaling
from ddnn.errors import ArtefactError, ModelError
from ddnn.nets.anchored import (
    Allocator,
    AnchoredExits,
    HeldOut,
    load_allocator,
    load_anchored,
    load_held_out,
    predict,
)
from ddnn.nets.anchored.held_out import HELD_OUT
from ddnn.offload import decide
from ddnn.offload.anchored import RULES, load_known_rules, observe, read_known_rules
from ddnn.offload.rules import RuleSet
from ddnn.runtime.anchored_graph import (
    graph_inputs,
    layout,
    travels_shape,
    write_edge,
    write_memory,
    write_remote,
    write_whole,
)
from ddnn.runtime.anchored_served import PARTS
from ddnn.runtime.bundle import ONNX, BundleFacts, Decider, choose, read_bundle
from ddnn.runtime.manifest import write_manifest
from ddnn.runtime.onnx_model import TOLERANCE
from ddnn.runtime.onnx_run import Part
from ddnn.runtime.served import EDGE, EDGE_FACTS, Facts
from ddnn.runtime.view_inputs import Layout

TRAINED = ("anchored.safetensors", "anchored.json", "allocator.json", HELD_OUT)
"""What the stage ``train`` gives."""

_BLOCK = 64


@dataclass(frozen=True, eq=False)
class AnchoredBundle:
    """A model of the family ``anchored`` that was verified and loaded."""

    model: str
    facts: BundleFacts
    scaling: Scaling
    exits: AnchoredExits
    """In evaluation mode."""
    allocator: Allocator
    cost: AllocationCost
    rules: RuleSet
    unseen: HeldOut | None = None
    """Taken in place of what the exits say of these slots, to judge them as on unseen days."""

    @property
    def wanted(self) -> int:
        """Slots of history that a decision looks at."""
        both = (self.exits.reaches.edge, self.exits.reaches.cloud)
        return max(max(reach.recent, *(lag + reach.around for lag in reach.lags)) for reach in both)

    def decider(self, rule: str | None = None, l0: float | None = None) -> Decider:
        """Give a rule for a wanted share of local decisions; None: the model's own.

        Raises:
            ParamsError: ``l0`` is outside [0, 1].
            ModelError: The model has no such rule.
        """
        return choose(self.facts, self.rules, rule, l0)

    def clock(self, start: int) -> Clock:
        """Give the clock of demand that starts there, epoch seconds."""
        return Clock(start, self.facts.slot_seconds, self.facts.timezone)

    def decide(
        self, scaled: NDArray[np.float64], start: int, keys: NDArray[np.int64], decider: Decider
    ) -> tuple[NDArray[np.bool_], NDArray[np.floating[Any]]]:
        """Decide and allocate for each slot; see :class:`ddnn.runtime.bundle.Model`."""
        targets = range(self.facts.N, len(scaled) + 1)
        context = build_context(scaled, targets, self.clock(start), self.exits.reaches)
        local = np.zeros(len(targets), dtype=np.bool_)
        y = np.empty((len(targets), scaled.shape[1]))
        for first in range(0, len(targets), _BLOCK):
            rows = np.arange(first, min(first + _BLOCK, len(targets)))
            # Always as many: another number of rows may be rounded otherwise.
            filled = np.pad(rows, (0, _BLOCK - len(rows)), mode="edge")
            part = _chosen(context, filled)
            said = predict(self.exits, part)
            if self.unseen is not None:
                said = self.unseen.instead_of(said, keys[filled])
            seen, y_R = observe(self.exits, self.allocator, self.cost, part, keys[filled], said)
            kept = decide(decider.rule.score(seen), decider.threshold)
            local[rows] = kept[: len(rows)]
            y[rows] = np.where(kept[:, None], seen.known.local, y_R)[: len(rows)]
        return local, y


def write_anchored_bundle(
    folder: Path, facts: BundleFacts, trained: Path, rules: Path, calibration: Context
) -> str:
    """Write a trained system into a folder; equal systems give equal bytes.

    Args:
        folder: An existing, empty folder.
        facts: What the model is for.
        trained: Folder with what the stage ``train`` wrote.
        rules: Folder with what the stage ``offloader`` wrote.
        calibration: Of the calibration days: the halves are held against torch on it.

    Returns:
        The model's id.

    Raises:
        ArtefactError: A part is missing or damaged.
        ModelError: A half differs from torch.
    """
    try:
        for source, names in ((trained, TRAINED), (rules, (RULES,))):
            for name in names:
                shutil.copyfile(source / name, folder / name)
    except OSError as error:
        raise ArtefactError(
            f"{error.filename}: cannot be copied ({error.strerror}); run the stage before again"
        ) from error
    exits, allocator = _load_exits(folder, facts)
    for name in (EDGE, "cloud"):
        (folder / name).mkdir()
    write_edge(exits, folder / PARTS["edge"])
    write_memory(exits, folder / PARTS["memory"])
    write_remote(exits, folder / PARTS["remote"])
    write_whole(exits, folder / ONNX)
    table = read_known_rules(folder)
    about = {
        "layouts": dict(
            zip(("edge", "cloud"), (each.to_json() for each in _layouts(exits)), strict=True)
        ),
        "travels": travels_shape(exits),
        "shapes": allocator.to_json(),
        "rules": {
            name: {"gate": kept.gate, "scores": kept.scores.tolist()}
            for name, kept in table.items()
        },
    }
    text = json.dumps(about, sort_keys=True, allow_nan=False)
    (folder / EDGE_FACTS).write_text(text + "\n", encoding="utf-8")
    difference = check_parts(folder, exits, calibration)
    complete = facts.model_copy(update={"parts_difference": difference})
    return write_manifest(folder, complete.model_dump(mode="json"))


def load_anchored_bundle(folder: Path) -> AnchoredBundle:
    """Verify every byte of a model's folder, then load it; no stored code runs.

    Raises:
        ArtefactError: The folder is no exported model of this family, or a file is missing, added
            or altered.
    """
    facts, model = read_bundle(folder)
    if facts.family != "anchored":
        raise ArtefactError(f"{folder}: a model of the family {facts.family}, not anchored")
    exits, allocator = _load_exits(folder, facts)
    cost = Facts.read(facts.model_dump(mode="json"), model, folder).cost
    rules = load_known_rules(folder, allocator, cost, facts.seed)
    scaling = Scaling.from_json(facts.scaling)
    return AnchoredBundle(model, facts, scaling, exits, allocator, cost, rules)


def as_unseen(model: AnchoredBundle, folder: Path) -> AnchoredBundle:
    """Give the model as it is to be judged on days that it was trained on, as if it were not.

    Args:
        model: As loaded.
        folder: From there.

    Raises:
        ArtefactError: The predictions of days left out are missing, damaged or of other VNFs.
    """
    held_out = load_held_out(folder)
    if held_out.local.vnfs != len(model.facts.series):
        raise ArtefactError(
            f"{folder / HELD_OUT}: predictions of {held_out.local.vnfs} VNFs for a model of "
            f"{len(model.facts.series)} series; train and export again"
        )
    return replace(model, unseen=held_out)


def check_parts(folder: Path, exits: AnchoredExits, context: Context) -> float:
    """Hold the ONNX files against torch on K contexts.

    Returns:
        The largest difference of any location or spread, in full scales.

    Raises:
        ModelError: It is above the tolerance.
    """
    near, far = (
        graph_inputs(view, how)
        for view, how in zip((context.edge, context.cloud), _layouts(exits), strict=True)
    )
    z, at_edge = Part(folder / PARTS["edge"], ["latent", "local"])(view=near)
    (memory,) = Part(folder / PARTS["memory"], ["memory"])(view=far)
    travels = np.concatenate([z, memory], axis=1)
    (in_cloud,) = Part(folder / PARTS["remote"], ["remote"])(latent=travels)
    whole = Part(folder / ONNX, ["local", "remote"])(view=near, far_view=far)
    last, worst = context.edge.recent[:, -1], 0.0
    predicted = predict(exits, context)
    pairs = zip((at_edge, in_cloud, *whole), (*predicted, *predicted), strict=True)
    for on_grid, expected in pairs:
        told = on_grid.reshape(len(last), 2, -1)[..., exits.grid.cells]
        apart = np.abs(last + told[:, 0] - expected.location)
        spread = np.abs(np.exp(told[:, 1].astype(np.float64)) - expected.spread)
        worst = max(worst, float(apart.max(initial=0)), float(spread.max(initial=0)))
    if not worst <= TOLERANCE:  # a NaN too
        raise ModelError(
            f"the halves for edge and cloud differ from torch by {worst:.2g} of full scale, more "
            f"than {TOLERANCE:g}; try other releases of onnx and onnxruntime"
        )
    return worst


def _layouts(exits: AnchoredExits) -> tuple[Layout, Layout]:
    """Of both views."""
    edge = layout(exits, exits.edge_features, exits.reaches.edge)
    return edge, layout(exits, exits.cloud_features, exits.reaches.cloud)


def _load_exits(folder: Path, facts: BundleFacts) -> tuple[AnchoredExits, Allocator]:
    exits = load_anchored(folder)
    if (exits.N, exits.vnfs) != (facts.N, len(facts.series)):
        raise ArtefactError(
            f"{folder / TRAINED[1]}: exits for N = {exits.N} and {exits.vnfs} series, but the "
            f"model is for N = {facts.N} and {len(facts.series)}; train and export again"
        )
    return exits, load_allocator(folder)


def _chosen(context: Context, rows: NDArray[np.int64]) -> Context:
    edge, cloud = (
        type(view)(*(array[rows] for array in view.arrays))
        for view in (context.edge, context.cloud)
    )
    return Context(edge, cloud)
