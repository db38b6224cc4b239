"""What each alternative costs on the test days of the 25 squares, at four prices of a violation.

    python -m benchmarks.alternatives [--file FILE] [--closed]

Fitted on the training days and chosen on the validation days of params.yaml's split. With
``--closed`` the test days stay closed: the newer half of the validation days is judged instead, all
choices are made on the older half, and nothing is written. Else it writes
metrics/alternatives.json and its table in docs/alternatives.md.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from benchmarks import page
from ddnn.alternatives import Past
from ddnn.alternatives.roster import NAMES, Roster
from ddnn.cost import sla_cost
from ddnn.demand import Demand, Scaling, load_matrix, split_by_days
from ddnn.evaluation.bootstrap import Resampler
from ddnn.params import Params, change_params, load_params

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "alternatives.md"
METRICS = ROOT / "metrics" / "alternatives.json"
DEMAND = "milano25"
REFERENCE = "last_value_headroom"
C_U = (0.5, 1.0, 10.0, 20.0)

Costs = dict[str, NDArray[np.float64]]
"""Of each alternative, (prices, K): hard cost of every slot."""


def read(params: Params, file: Path | None) -> Demand:
    """Read the demand that params.yaml names, or its copy."""
    chosen = change_params(params, params.paper.demands[DEMAND], DEMAND).download
    path = file or ROOT / str(chosen.matrix.path)
    demand, _ = load_matrix(
        path, gaps=chosen.gaps, name=DEMAND, unit=chosen.unit, timezone=chosen.timezone
    )
    return demand


def days(demand: Demand, params: Params, closed: bool) -> tuple[Past, NDArray[np.float64], range]:
    """Give the past, all demand (T, M), scaled, and the slots to be judged."""
    how, N = params.split, params.setting.N
    split = split_by_days(
        demand.slots,
        demand.slot_seconds,
        N,
        how.test_days,
        how.validation_days,
        how.calibration_days,
        how.paper_test_slots,
    )
    scaling = Scaling.fit(demand.values[: split.train.stop])
    values, past = scaling.scale(demand.values), Past.of(demand, split, scaling, N)
    if not closed:
        return past, values, split.test
    first, last = split.validation.start, split.validation.stop
    half = (first + last) // 2
    older = Past(values, split.train, range(first, half), past.clock, past.zero, N)
    return older, past.values, range(half, last)


def judge(past: Past, values: NDArray[np.float64], targets: range) -> Costs:
    """Fit every alternative for every price, and give what its slots cost."""
    roster, demand = Roster(past), values[targets.start : targets.stop]

    def slots(name: str, c_u: float) -> NDArray[np.float64]:
        cost = sla_cost(c_u)
        y = roster.fit(name, cost).allocate(values, targets)
        return cost(np.maximum(y, past.zero), demand)  # nothing below 0 units is ever served

    return {name: np.stack([slots(name, c_u) for c_u in C_U]) for name in NAMES}


def summarise(costs: Costs, slots_per_day: float, params: Params) -> list[dict[str, Any]]:
    """Mean costs, and their ratio to the last value's, over the prices' geometric mean."""
    slots = costs[REFERENCE].shape[1]
    draws = Resampler.over_days(slots, slots_per_day, params.evaluate.bootstrap, 0)
    levels = {name: _over_prices(each, draws) for name, each in costs.items()}
    mean, drawn = levels[REFERENCE]
    return [
        {
            "alternative": name,
            "cost": [round(cost, 4) for cost in costs[name].mean(axis=1).tolist()],
            "to_last_value": {
                key: value and round(value, 4)
                for key, value in draws.interval(each / mean, some / drawn).to_json().items()
            },
        }
        for name, (each, some) in levels.items()
    ]


def _over_prices(costs: NDArray[np.float64], draws: Resampler) -> tuple[float, NDArray[np.float64]]:
    """Geometric mean over the prices of the mean costs: as measured, and of each draw of days."""
    drawn = np.mean([np.log(draws.means(each)) for each in costs], axis=0)
    return float(np.exp(np.log(costs.mean(axis=1)).mean())), np.exp(drawn)


def table(facts: dict[str, Any]) -> str:
    """Write the facts as they stand in docs/alternatives.md."""
    prices = " | ".join(f"c_u {price:g}" for price in facts["c_u"])
    lines = [
        f"| alternative | {prices} | to the last value |",
        "|---|" + "--:|" * len(facts["c_u"]) + "---|",
    ]
    for row in facts["rows"]:
        costs = " | ".join(f"{cost:.2f}" for cost in row["cost"])
        ratio = row["to_last_value"]
        told = f"{ratio['value']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}]"
        told = "1" if row["alternative"] == REFERENCE else told
        lines.append(f"| {row['alternative']} | {costs} | {told} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, help="of the 25 squares; else as params.yaml says")
    parser.add_argument("--closed", action="store_true", help="leave the test days closed")
    args = parser.parse_args()
    params = load_params(ROOT / "params.yaml")
    demand = read(params, args.file)
    past, values, targets = days(demand, params, args.closed)
    rows = summarise(judge(past, values, targets), demand.slots_per_day, params)
    facts = {
        "demand": DEMAND,
        "c_u": C_U,
        "N": past.N,
        "slots": len(targets),
        "lightgbm": lightgbm.__version__,
        "rows": rows,
    }
    print(table(facts))
    if not args.closed:
        METRICS.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        page.show(PAGE, "alternatives", table(facts))


if __name__ == "__main__":
    main()
