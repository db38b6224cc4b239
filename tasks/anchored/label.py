"""Stage ``label`` of the preset ``anchored``: Algorithm 1 on what its exits cost."""

from tasks.anchored.system import AnchoredSystem
from tasks.label import label_days, write_labels
from tasks.prepared import prepare
from tasks.stage import Stage


def run(stage: Stage) -> None:
    """Write labels.parquet (one row per labelled slot) and labels.json (b* for each L0).

    No gate of this family learns from them; the report shows them, and they are the days on which
    a regressed benefit may learn.
    """
    prepared = prepare(stage)
    targets = label_days(prepared, stage.params.label)
    system = AnchoredSystem.load(stage.inputs["train"], prepared)
    write_labels(stage, system.judge(targets, prepared.cost), targets)
