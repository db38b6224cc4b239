"""Where demand comes from, its checks and repairs, and the windows that are cut from it."""

from ddnn.demand.series import Demand, read_demand, write_demand
from ddnn.demand.windows import Scaling, Split, history, split_by_days, windows

__all__ = [
    "Demand",
    "Scaling",
    "Split",
    "history",
    "read_demand",
    "split_by_days",
    "windows",
    "write_demand",
]
