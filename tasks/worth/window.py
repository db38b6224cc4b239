"""Stage ``worth.window``: the demand up to the end of one test window; it stands for ``download``.

What comes after the window's test days is cut off before any other stage reads the demand, so that
each window's split is that of a demand that ends there.
"""

from dataclasses import replace

from ddnn.demand import read_demand, write_demand
from ddnn.demand.windows import slots_in_days
from ddnn.errors import DemandError
from tasks.stage import Stage


def run(stage: Stage) -> None:
    """Write demand.parquet and demand.json.

    Raises:
        DemandError: Nothing is left.
    """
    demand = read_demand(stage.inputs["download"])
    days = stage.params.worth.cut_days
    kept = demand.slots - slots_in_days(days, demand.slot_seconds)
    if kept < 1:
        raise DemandError(
            f"demand {demand.name}: {days} days cut from {demand.slots} slots leave nothing; "
            "lower worth.windows"
        )
    write_demand(replace(demand, values=demand.values[:kept]), stage.out)
