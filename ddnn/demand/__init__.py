"""Where demand comes from, its checks and repairs, and the windows that are cut from it."""

from ddnn.demand.series import Demand, read_demand, write_demand
from ddnn.demand.sources import DemandReport, load_demand, load_matrix, source_files
from ddnn.demand.windows import Scaling, Split, history, split_by_days, windows

__all__ = [
    "Demand",
    "DemandReport",
    "Scaling",
    "Split",
    "history",
    "load_demand",
    "load_matrix",
    "read_demand",
    "source_files",
    "split_by_days",
    "windows",
    "write_demand",
]
