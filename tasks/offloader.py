"""Stage ``offloader``: a gate for each feature and L0, and the thresholds of every rule."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from ddnn.errors import ArtefactError
from ddnn.nets import Exits, load_exits
from ddnn.offload import l0_key
from ddnn.offload.optimized import (
    GateEpoch,
    GatePlan,
    Labelled,
    OptimizedRule,
    feature_of,
    held_out_start,
    train_gate,
)
from ddnn.offload.rules import RuleSet
from ddnn.offload.samples import EdgeSamples, observe
from ddnn.params import GateFeature, Params
from tasks.prepared import Prepared, prepare
from tasks.stage import Stage

Gates = dict[str, dict[float, OptimizedRule]]
Row = tuple[GateFeature, float, GateEpoch]


def run(stage: Stage) -> None:
    """Write gates/, gate_history.csv, thresholds.json and calibration_scores.safetensors."""
    params = stage.params
    prepared = prepare(stage)
    exits = load_exits(stage.inputs["train"])
    labels = _read_labels(stage.inputs["label"])
    # One pass over the label days and one over the calibration days serve all gates.
    slots = range(int(labels["slot"].iloc[0]), int(labels["slot"].iloc[-1]) + 1)
    gates, history = train_gates(_observe(exits, prepared, slots), labels, prepared, params)
    calibration = _observe(exits, prepared, prepared.split.calibration)
    rules = RuleSet.calibrate(
        exits, gates, calibration, seed=params.setting.seed, params=params.offloader
    )
    rules.save(stage.out, params.label.l0)
    _write_history(stage.out / "gate_history.csv", history)


def train_gates(
    samples: EdgeSamples, labels: pd.DataFrame, prepared: Prepared, params: Params
) -> tuple[Gates, list[Row]]:
    """Train a gate for each feature and L0; give them with each epoch's row."""
    cut = held_out_start(len(samples), prepared.demand.slots_per_day)
    gates: Gates = {}
    history: list[Row] = []
    for feature in dict.fromkeys(params.offloader.features):
        values = feature_of(samples, feature)
        plan = GatePlan(
            feature=feature,
            shape=values.shape[1:],
            hidden=params.offloader.hidden,
            dropout=params.offloader.dropout,
            grid=prepared.grid if feature == "volume" else None,
        )
        for l0 in dict.fromkeys(params.label.l0):
            hard = labels[f"hard_{l0_key(l0)}"].to_numpy(dtype=np.bool_)
            gate, epochs = train_gate(
                plan,
                fit=Labelled(values[:cut], hard[:cut]),
                held_out=Labelled(values[cut:], hard[cut:]),
                params=params.offloader,
                seed=params.setting.seed,
            )
            rule = OptimizedRule(gate)
            gates.setdefault(rule.name, {})[l0] = rule
            history += [(feature, l0, epoch) for epoch in epochs]
    return gates, history


def _observe(exits: Exits, prepared: Prepared, targets: range) -> EdgeSamples:
    demand, _ = prepared.windows(targets)
    return observe(exits, demand, targets)


def _read_labels(folder: Path) -> pd.DataFrame:
    labels = pd.read_parquet(folder / "labels.parquet")
    slots = labels["slot"].to_numpy()
    if not len(slots) or (np.diff(slots) != 1).any():
        raise ArtefactError(f"{folder / 'labels.parquet'}: slots have gaps; run label again")
    return labels


def _write_history(place: Path, history: list[Row]) -> None:
    with place.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["feature", "l0", "epoch", "train_loss", "valid_loss", "best"])
        for feature, l0, row in history:
            losses = (repr(row.train_loss), repr(row.valid_loss))
            writer.writerow([feature, l0_key(l0), row.epoch, *losses, int(row.best)])
