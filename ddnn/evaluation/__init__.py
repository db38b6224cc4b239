"""What a rule or a system is worth: trade-off curves, intervals, latency, the table of costs."""

from ddnn.evaluation.bootstrap import Interval, Resampler
from ddnn.evaluation.curves import (
    Curve,
    EqualShare,
    at_equal_share,
    capture,
    local_share,
    oracle,
    pooled_capture,
    random_cost,
    sweep,
)
from ddnn.evaluation.latency import PAPER_TIMES, Times, expected_latency_ms
from ddnn.evaluation.outcome import Outcome
from ddnn.evaluation.points import Judge
from ddnn.evaluation.summary import cost_table, cost_table_markdown, summary
from ddnn.evaluation.systems import SYSTEMS, against, cheapest, judge_systems

__all__ = [
    "PAPER_TIMES",
    "SYSTEMS",
    "Curve",
    "EqualShare",
    "Interval",
    "Judge",
    "Outcome",
    "Resampler",
    "Times",
    "against",
    "at_equal_share",
    "capture",
    "cheapest",
    "cost_table",
    "cost_table_markdown",
    "expected_latency_ms",
    "judge_systems",
    "local_share",
    "oracle",
    "pooled_capture",
    "random_cost",
    "summary",
    "sweep",
]
