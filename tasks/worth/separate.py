"""Stage ``worth.separate``: anchored exits trained for one price alone, on one window.

Leaves the costs ``separate_local@c_u=<c_u>`` and ``separate_remote@c_u=<c_u>`` (K,).
"""

from dataclasses import replace

from ddnn.anchored_training import LikelihoodParams
from ddnn.cost_tuning import train_for_cost
from ddnn.nets.anchored import Allocator
from tasks.anchored.past import contexts, decisions
from tasks.anchored.train import fresh
from tasks.prepared import prepare
from tasks.stage import Stage
from tasks.worth.judged import cost_name, cost_of_served, demand_on, window_facts, write


def run(stage: Stage) -> None:
    """Write result.npz."""
    prepared, setting = prepare(stage), stage.params.setting
    split, own = prepared.split, stage.params.worth.separate
    how = stage.params.anchored.training.model_dump() | own.likelihood.model_dump()
    by_likelihood = LikelihoodParams(**how)
    exits = fresh(prepared, stage.params)
    histories = train_for_cost(
        exits,
        decisions(prepared, split.train, exits.reaches),
        decisions(prepared, split.validation_fit, exits.reaches),
        prepared.cost,
        by_likelihood,
        replace(
            by_likelihood,
            learning_rate=own.learning_rate,
            max_epochs=own.max_epochs,
            patience=own.patience,
        ),
        own.surrogate,
        setting.w,
        setting.seed,
        stage.arithmetic,
        checkpoints=stage.scratch,
    )
    allocator = Allocator.fit(exits, *decisions(prepared, split.validation, exits.reaches))
    served = allocator.allocate(exits, contexts(prepared, split.test, exits.reaches), prepared.cost)
    assert isinstance(setting.c_u, float)
    d = demand_on(prepared, split.test)
    arrays = {
        cost_name(f"separate_{name}", setting.c_u): cost_of_served(prepared.cost, y, d, prepared)
        for name, y in zip(("local", "remote"), served, strict=True)
    }
    before, after = (min(row.joint for row in history) for history in histories)
    facts = {"validation_by_likelihood": before, "validation_tuned": after}
    write(stage, arrays, window_facts(prepared) | facts)
