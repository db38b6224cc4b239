"""Stage ``worth.anchored``: exits that predict a distribution, trained once for every price.

Stopped by the likelihood of the validation days that the gates may fit on, calibrated on all of
them. Leaves exits.safetensors and exits.json, allocator.json, history.json.
"""

import json
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from ddnn.anchored_training import LikelihoodParams, train_anchored
from ddnn.context import Context, build_context
from ddnn.nets.anchored import (
    Allocator,
    AnchoredExits,
    SeriesStatistics,
    build_anchored,
    find_anchored,
    save_anchored,
)
from ddnn.params import AnchoredParams
from tasks.prepared import Prepared, prepare
from tasks.stage import Stage
from tasks.worth.judged import clock_of, demand_on


def run(stage: Stage) -> None:
    """Train and calibrate."""
    prepared, params = prepare(stage), stage.params.worth.anchored
    seed, split = stage.params.setting.seed, prepared.split
    exits = fresh(prepared, params, seed)
    history = train_anchored(
        exits,
        decisions(exits, prepared, split.train),
        decisions(exits, prepared, split.validation_fit),
        likelihood(params),
        params.w,
        seed,
        stage.arithmetic,
        checkpoint=stage.scratch / "anchored.safetensors",
    )
    save_anchored(exits, stage.out)
    allocator = Allocator.fit(
        exits, context(exits, prepared, split.validation), demand_on(prepared, split.validation)
    )
    rows = [asdict(record) for record in history]
    for name, values in (("allocator", allocator.to_json()), ("history", rows)):
        text = json.dumps(values, sort_keys=True, indent=1, allow_nan=False)
        (stage.out / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def fresh(prepared: Prepared, params: AnchoredParams, seed: int) -> AnchoredExits:
    """Build the exits, not trained; what is usual for each series is learned on training days."""
    learned = prepared.values_scaled[: prepared.split.learn_slots.stop]
    return build_anchored(
        find_anchored(params.preset),
        prepared.grid,
        prepared.N,
        clock_of(prepared),
        SeriesStatistics.fit(learned),
        seed,
    )


def likelihood(params: AnchoredParams) -> LikelihoodParams:
    """Give the settings of the training as the library takes them."""
    return LikelihoodParams(
        learning_rate=params.learning_rate,
        batch=params.batch,
        weight_decay=params.weight_decay,
        averaging=params.averaging,
        max_epochs=params.max_epochs,
        patience=params.patience,
    )


def context(exits: AnchoredExits, prepared: Prepared, targets: range) -> Context:
    """Cut what both sides see when they decide on the targets."""
    return build_context(prepared.values_scaled, targets, clock_of(prepared), exits.reaches)


def decisions(
    exits: AnchoredExits, prepared: Prepared, targets: range
) -> tuple[Context, NDArray[np.float32]]:
    """Give the targets' context with the demand (K, M) that they meet."""
    met = demand_on(prepared, targets).astype(np.float32)
    return context(exits, prepared, targets), met
