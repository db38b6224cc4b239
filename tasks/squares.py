"""Stage ``squares``: what a site's deployed system serves on the test days, square by square.

Writes squares.parquet, a row for each square: ``square, demand`` (mean, in units), ``cost`` (mean
over slots of the hard cost, in full scales of the square), ``violation_rate``, ``overprovision``
(mean, in full scales), ``cost_<system>`` of the others; and site.json: ``squares, slots, L0``,
``local_share`` (L, of the site's decisions: they are taken for all squares at once) and, for each
system, the means that evaluation.json has.
"""

import json
from dataclasses import replace

import numpy as np
import pandas as pd

from tasks.prepared import prepare
from tasks.stage import Stage
from tasks.systems import Systems

SYSTEMS = ("system", "local", "remote", "last_value_headroom")


def run(stage: Stage) -> None:
    """Judge the deployed system for each square."""
    prepared = prepare(stage)
    # Systems knows a DeepCog too, which a city's sites do not train: the exits stand in, unread.
    stage = replace(stage, inputs={**stage.inputs, "deepcog": stage.inputs["train"]})
    systems = Systems(stage, prepared)
    days = systems.on(prepared.split.test)
    d = days.samples.target.astype(np.float64)
    y = days.allocations["system"]
    costs = {
        name: prepared.cost.per_vnf(days.allocations[name], d).mean(axis=0) for name in SYSTEMS
    }
    demand = prepared.demand.values[days.samples.slots].mean(axis=0)  # noqa: PD011 - no frame
    table = pd.DataFrame(
        {
            "square": prepared.demand.series,
            "demand": demand,
            "cost": costs.pop("system"),
            "violation_rate": (y < d).mean(axis=0),
            "overprovision": np.maximum(y - d, 0).mean(axis=0),
            **{f"cost_{name}": values for name, values in costs.items()},
        }
    )
    table.to_parquet(stage.out / "squares.parquet", index=False)
    facts = {
        "squares": prepared.demand.vnfs,
        "slots": len(d),
        "L0": systems.l0,
        "local_share": float(days.local.mean()),
        "systems": {name: days.outcomes[name].means() for name in SYSTEMS},
    }
    text = json.dumps(facts, sort_keys=True, indent=2, allow_nan=False)
    (stage.out / "site.json").write_text(text + "\n", encoding="utf-8")
