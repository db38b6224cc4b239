"""Stage ``snapshots``: a gate on the training days, after its first epoch and late (Fig. 5a, b)."""

import json

import numpy as np
import pandas as pd

from ddnn.nets import load_exits
from ddnn.offload import algorithm_1, hard_labels
from ddnn.offload.optimized import GatePlan, Labelled, gate_snapshots
from ddnn.offload.samples import gather
from tasks.prepared import prepare
from tasks.stage import Stage

FEATURE = "volume"
"""The paper's gate: a 3D-CNN on D."""


def run(stage: Stage) -> None:
    """Write snapshots.parquet (slot, benefit, first, late) and snapshots.json (l0, b*, epoch)."""
    params, look = stage.params, stage.params.paper.gate_snapshots
    prepared = prepare(stage)
    targets = prepared.split.train
    D, d = prepared.windows(targets)
    exits = load_exits(stage.inputs["train"])
    samples = gather(exits, D, d, targets, prepared.cost, keep_latent=False)
    critical = algorithm_1(samples.local_cost, samples.remote_cost, look.l0, "literal")
    plan = GatePlan(
        FEATURE, D.shape[1:], params.offloader.hidden, params.offloader.dropout, prepared.grid
    )
    seen = gate_snapshots(
        plan,
        Labelled(np.array(D), hard_labels(samples.benefit, critical)),
        params.offloader,
        params.setting.seed,
        (1, look.late_epoch),
    )
    table = pd.DataFrame(
        {
            "slot": samples.slots,
            "benefit": samples.benefit,
            "first": seen[1],
            "late": seen[look.late_epoch],
        }
    )
    table.to_parquet(stage.out / "snapshots.parquet", index=False)
    facts = {"l0": look.l0, "critical_benefit": critical, "late_epoch": look.late_epoch}
    text = json.dumps(facts, sort_keys=True, indent=2, allow_nan=False)
    (stage.out / "snapshots.json").write_text(text + "\n", encoding="utf-8")
