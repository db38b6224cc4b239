"""One decision at the edge, preset `anchored`, against `boosting_best` predicting the same slot.

    python -m benchmarks.anchored_edge [--file FILE] [--vnfs 25] [--vnfs 49] [--slots 300]

All of a decision: the demand is taken into the history, the view cut, the ONNX graph run, the rule
scored, the allocation of least expected cost brought to units. Both sides see the same slots of the
synthetic city (FILE: of 25 squares), in one process with one thread: 40 slots in a row each, and
once more slot by slot in turns, where each finds the caches as the others left them. The exits are
not trained, which changes no time. Writes metrics/anchored_edge.json.
"""

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ddnn.alternatives import Past
from ddnn.alternatives.roster import Roster
from ddnn.context import build_context
from ddnn.cost import sla_cost
from ddnn.demand import Demand, Scaling, load_matrix, split_by_days
from ddnn.demand.city import make_city
from ddnn.grid import Grid
from ddnn.nets.anchored import (
    Allocator,
    HeldOut,
    SeriesStatistics,
    build_anchored,
    find_anchored,
    predict,
    save_allocator,
    save_anchored,
    save_held_out,
)
from ddnn.offload.anchored import observe, save_known_rules
from ddnn.offload.expected_benefit import ExpectedBenefit
from ddnn.offload.expected_cost import ExpectedCost
from ddnn.params import Params, change_params, load_params
from ddnn.runtime.anchored_bundle import write_anchored_bundle
from ddnn.runtime.anchored_served import AnchoredEdge
from ddnn.runtime.bundle import BundleFacts
from tasks.worth.times import edge_decider

ROOT = Path(__file__).parents[1]
METRICS = ROOT / "metrics" / "anchored_edge.json"
RULES = ("edge", "expected_cost", "expected_benefit")
WARM_UP = 40
BLOCK = 40
TARGET = 10.0


def measure(demand: Demand, params: Params, slots: int) -> dict[str, Any]:
    """Give the median and the 99th percentile of both, in ms, and their ratio."""
    split = split_by_days(demand.slots, demand.slot_seconds, params.setting.N, 5, 6, 2, False)
    scaling = Scaling.fit(demand.values[: split.train.stop])
    past = Past.of(demand, split, scaling, params.setting.N)
    boosting = Roster(past).fit("boosting_best", sla_cost(1.0))
    values = scaling.scale(demand.values)
    with tempfile.TemporaryDirectory() as folder:
        edges = _edges(demand, params, scaling, past, values, Path(folder))
        return _race(demand, values, edges, boosting, split.test[: slots + WARM_UP])


def _edges(
    demand: Demand, params: Params, scaling: Scaling, past: Past, values: Any, folder: Path
) -> dict[str, AnchoredEdge]:
    side = Grid.in_order(demand.vnfs)
    places = np.random.default_rng(0).permutation(demand.vnfs)
    grid, N, cost = Grid(side.rows, side.columns, places), params.setting.N, sla_cost(1.0)
    usual = SeriesStatistics.fit(values[: past.train.stop])
    exits = build_anchored(find_anchored("anchored"), grid, N, past.clock, usual, seed=0).eval()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for head in (exits.F1, exits.F2_head):
            head.last.weight.normal_(0, 0.1, generator=draw)
    days = past.validation
    context = build_context(values, days, past.clock, exits.reaches)
    allocator = Allocator.fit(exits, context, values[days.start : days.stop])
    save_anchored(exits, folder)
    save_allocator(allocator, folder)
    save_held_out(HeldOut(days.start, *predict(exits, context)), folder)
    seen, _ = observe(exits, allocator, cost, context, days)
    benefit = ExpectedBenefit.fit(seen.known, predict(exits, context)[1], allocator.remote, cost)
    gates = {"expected_cost": ExpectedCost(allocator.rules(cost)[0]), "expected_benefit": benefit}
    save_known_rules(folder, gates, seen, [0.5])
    out = folder / "bundle"
    out.mkdir()
    facts = BundleFacts.collect(params, demand, scaling, grid, "anchored")
    write_anchored_bundle(out, facts, folder, folder, context.part(slice(64)))
    return {rule: AnchoredEdge(out, rule, 0.5) for rule in RULES}


def _race(
    demand: Demand, values: Any, edges: dict[str, AnchoredEdge], boosting: Any, targets: range
) -> dict[str, Any]:
    """Time all on the same slots, twice: many slots in a row each, and slot by slot in turns."""
    found = {}
    for how, size in (("in a row", BLOCK), ("in turns", 1)):
        callers: dict[str, Callable[[int], object]] = {
            rule: _at_once(edge_decider(edge, demand, targets.start))
            for rule, edge in edges.items()
        }
        callers["boosting_best"] = lambda target: boosting.allocate(
            values[:target], range(target, target + 1)
        )
        spent: dict[str, list[float]] = {name: [] for name in callers}
        for first in range(targets.start, targets.stop, size):
            for name, caller in callers.items():
                for target in range(first, min(first + size, targets.stop)):
                    spent[name].append(_ms(caller, target))
        found[how] = {name: np.array(each[WARM_UP:]) for name, each in spent.items()}
    return {
        "vnfs": demand.vnfs,
        "slots": len(targets) - WARM_UP,
        "target": TARGET,
        "rows": [
            {"how": how, "who": name, **_row(each, by_name["boosting_best"])}
            for how, by_name in found.items()
            for name, each in by_name.items()
        ],
    }


def _row(each: Any, slow: Any) -> dict[str, float]:
    p50, p99 = float(np.median(each)), float(np.quantile(each, 0.99))
    ratio = float(np.median(slow)) / p50
    return {"p50_ms": round(p50, 4), "p99_ms": round(p99, 4), "times_faster": round(ratio, 2)}


def _at_once(decider: Callable[[int], Callable[[], object]]) -> Callable[[int], object]:
    return lambda target: decider(target)()


def _ms(call: Callable[[int], object], target: int) -> float:
    began = time.perf_counter()
    call(target)
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, help="demand of 25 squares, instead of the city's")
    parser.add_argument("--vnfs", type=int, action="append")
    parser.add_argument("--slots", type=int, default=300)
    args = parser.parse_args()
    torch.set_num_threads(1)
    params = load_params(ROOT / "params.yaml")
    asked = {"train.preset": "anchored", "evaluate.rule": "expected_benefit"}
    params = change_params(params, asked, "benchmark")
    found = []
    for vnfs in args.vnfs or [25, 49]:
        demand = _demand(params, vnfs, args.file)
        found.append({"demand": demand.name, **measure(demand, params, args.slots)})
        print(json.dumps(found[-1], indent=1))
    before = json.loads(METRICS.read_text()) if METRICS.exists() else {"runs": []}
    kept = [run for run in before["runs"] if run["vnfs"] not in {run["vnfs"] for run in found}]
    runs = sorted([*kept, *found], key=lambda run: run["vnfs"])
    facts = {"machine": platform.processor() or platform.machine(), "runs": runs}
    METRICS.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _demand(params: Params, vnfs: int, file: Path | None) -> Demand:
    if file is not None and vnfs == 25:
        how = params.download
        demand, _ = load_matrix(
            file, gaps=how.gaps, name="milano25", unit=how.unit, timezone="Europe/Rome"
        )
        return demand
    return replace(make_city(vnfs, 30, 2013), name=f"city{vnfs}")


if __name__ == "__main__":
    main()
