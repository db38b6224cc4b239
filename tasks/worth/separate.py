"""Stage ``worth.separate``: anchored exits tuned for one price alone, on one window.

The training for every price, on all days before the test, is tuned on the cost, for as many epochs
as did best where the validation days judged: in a training of its own on the days before these.

Leaves the costs ``separate_local@c_u=<c_u>`` and ``separate_remote@c_u=<c_u>`` (K,).
"""

from dataclasses import replace

from ddnn.training.anchored import LikelihoodHistory, LikelihoodParams
from ddnn.training.cost_tuning import train_for_cost, tune_for_cost
from tasks.anchored.days import trained_on
from tasks.anchored.past import decisions
from tasks.anchored.system import AnchoredSystem
from tasks.anchored.train import fresh
from tasks.prepared import Prepared, prepare
from tasks.stage import Stage
from tasks.worth.judged import cost_name, cost_of_served, window_facts, write


def run(stage: Stage) -> None:
    """Write result.npz."""
    prepared, setting = prepare(stage), stage.params.setting
    own, split = stage.params.worth.separate, prepared.split
    system = AnchoredSystem.load(stage.inputs["train"], prepared)
    how = LikelihoodParams(**stage.params.anchored.training.model_dump())
    how = replace(how, learning_rate=own.learning_rate)
    before, after = _judged_by_validation(stage, prepared, how)
    epochs = max(row.epoch for row in after if row.best) - 1  # the first row is where it began
    if epochs:
        tune_for_cost(
            system.exits,
            decisions(prepared, trained_on(split), system.exits.reaches),
            system.allocator,
            prepared.cost,
            replace(how, max_epochs=epochs),
            own.surrogate,
            setting.w,
            setting.seed,
            stage.arithmetic,
            checkpoint=stage.scratch / "all.safetensors",
        )
    days = system.days(split.test)
    served = system.decide(days, prepared.cost)
    assert isinstance(setting.c_u, float)
    arrays = {
        cost_name(f"separate_{name}", setting.c_u): cost_of_served(
            prepared.cost, y, days.demand, prepared
        )
        for name, y in zip(("local", "remote"), served, strict=True)
    }
    facts = {
        "validation_by_likelihood": min(row.joint for row in before),
        "validation_tuned": min(row.joint for row in after),
        "tuned_epochs": epochs,
    }
    write(stage, arrays, window_facts(prepared) | facts)


def _judged_by_validation(
    stage: Stage, prepared: Prepared, tuning: LikelihoodParams
) -> tuple[LikelihoodHistory, LikelihoodHistory]:
    """Train for this price on training days, and tell how long it paid to tune."""
    setting, own, split = stage.params.setting, stage.params.worth.separate, prepared.split
    training = stage.params.anchored.training.model_dump() | own.likelihood.model_dump()
    exits = fresh(prepared, stage.params)
    return train_for_cost(
        exits,
        decisions(prepared, split.train, exits.reaches),
        decisions(prepared, split.validation, exits.reaches),
        prepared.cost,
        LikelihoodParams(**training),
        replace(tuning, max_epochs=own.max_epochs, patience=own.patience),
        own.surrogate,
        setting.w,
        setting.seed,
        stage.arithmetic,
        checkpoints=stage.scratch,
    )
