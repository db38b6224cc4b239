"""Stage ``label``: Algorithm 1 on days that the exits' weights were not fitted on."""

import json
from typing import Any

import pandas as pd

from ddnn.nets import load_exits
from ddnn.offload import algorithm_1, hard_labels, l0_key, threshold_to_json
from ddnn.offload.samples import Samples, gather
from ddnn.params import LabelParams
from tasks.prepared import Prepared, prepare
from tasks.stage import Stage


def run(stage: Stage) -> None:
    """Write labels.parquet (one row per labelled slot) and labels.json (b* for each L0)."""
    prepared = prepare(stage)
    targets = label_days(prepared, stage.params.label)
    demand, target = prepared.windows(targets)
    exits = load_exits(stage.inputs["train"])
    samples = gather(exits, demand, target, targets, prepared.cost, keep_latent=False)
    write_labels(stage, samples, targets)


def write_labels(stage: Stage, samples: Samples, targets: range) -> None:
    """Label the samples of the targets, and write both files."""
    params = stage.params.label
    rows = {l0_key(l0): _critical_benefits(samples, l0, params) for l0 in params.l0}
    table = label_table(samples, {key: float(row["used"]) for key, row in rows.items()})
    table.to_parquet(stage.out / "labels.parquet", index=False)
    facts = {
        "days": params.days,
        "slots": {"first": targets.start, "last": targets.stop - 1},
        "critical": params.critical,
        "local_is_better": float((samples.benefit < 0).mean()),
        "critical_benefit": rows,
    }
    text = json.dumps(facts, sort_keys=True, indent=2, allow_nan=False)
    (stage.out / "labels.json").write_text(text + "\n", encoding="utf-8")


def label_days(prepared: Prepared, params: LabelParams) -> range:
    """Give the slots that are labelled."""
    # The paper labels the training days, whose benefits the exits' overfit biases.
    split = prepared.split
    return split.validation_fit if params.days == "validation" else split.train


def _critical_benefits(samples: Samples, l0: float, params: LabelParams) -> dict[str, Any]:
    """Give b* both ways, and what share of the labels each makes hard."""
    row: dict[str, Any] = {}
    for critical in ("literal", "corrected"):
        value = algorithm_1(samples.local_cost, samples.remote_cost, l0, critical)
        row[critical] = threshold_to_json(value)
        row[f"hard_share_{critical}"] = float(hard_labels(samples.benefit, value).mean())
    row["used"] = row[params.critical]
    return row


def label_table(samples: Samples, critical_benefits: dict[str, float]) -> pd.DataFrame:
    """Tabulate both costs, the benefit and, for each critical benefit, Algorithm 1's labels."""
    table = pd.DataFrame(
        {
            "slot": samples.slots,
            "local_cost": samples.local_cost,
            "remote_cost": samples.remote_cost,
            "benefit": samples.benefit,
        }
    )
    for key, value in critical_benefits.items():
        table[f"hard_{key}"] = hard_labels(samples.benefit, value)
    return table
