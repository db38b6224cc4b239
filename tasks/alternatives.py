"""Stage ``alternatives``: what an operator would use without a DDNN, fitted on the same demand."""

import json

from ddnn.alternatives import LastValueHeadroom
from tasks.prepared import prepare
from tasks.stage import Stage


def run(stage: Stage) -> None:
    """Write last_value_headroom.json: the headroom of each VNF, in full scales."""
    prepared = prepare(stage)
    # The training days, as for the exits. One constant per VNF has nothing to be chosen on the
    # validation days; fitting on them too moved the cost of the 25 real squares by under 1 %.
    targets = prepared.split.train
    headroom = LastValueHeadroom.fit(prepared.values_scaled, targets, prepared.cost)
    facts = headroom.to_json() | {
        "series": list(prepared.demand.series),
        "fitted_on": {"first_slot": targets.start, "last_slot": targets.stop - 1},
    }
    text = json.dumps(facts, sort_keys=True, indent=2, allow_nan=False)
    (stage.out / "last_value_headroom.json").write_text(text + "\n", encoding="utf-8")
