"""Time and memory of the grid from 49 to 10,000 squares, and what others take for the same.

``python -m benchmarks.grid_scale`` writes metrics/grid_scale.json and the table in docs/grid.md
(between its markers). Takes half an hour and wants an idle machine; ``--aeon PYTHON`` names the
interpreter of an environment that has aeon (it wants another pandas than this project). A row that
is there is not measured again, so a run that was stopped goes on (``--again`` begins anew).

Every row is a process of its own, on 25 training days of the synthetic city. Each step's memory is
the process's peak resident set while it runs, demand and libraries included.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.page import show
from ddnn import grid as plain
from ddnn.arithmetic import Arithmetic
from ddnn.grid import Grid, blocked, fit_to_grid, grid_shape
from ddnn.grid.distance import normalise

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "grid.md"
METRICS = ROOT / "metrics" / "grid_scale.json"
SIZES = (49, 400, 2500, 10_000)
OTHERS_UP_TO = 400  # beyond, SMACOF and pairwise distances take more than the rest together
THREADS = (2, 1)  # the machine that is asked for, and what a stage is given
TARGET = {"vnfs": 10_000, "threads": 2, "seconds": 15 * 60, "gibibytes": 6}
DAYS, MAX_LAG, SEED = 25, 144, 2013
FITTED_FROM = 400  # VNFs; below, fixed costs hide the growth
STEPS = ("distances", "placement", "assignment", "quality")
PROBED = 46  # series, whose 1,035 pairs are compared with the exact distance

WORDS = {
    ("originals", "distances"): "distances, a transform per pair (`ddnn.grid`)",
    ("originals", "placement"): "placement, scikit-learn's SMACOF, five starts (`ddnn.grid`)",
    ("originals", "assignment"): "assignment (`ddnn.grid`)",
    ("products", "distances"): "distances, a matrix product per lag in float32",
    ("products_bf16", "distances"): "distances, the same in bf16 where the CPU has it",
    ("aeon", "distances"): "distances, aeon, at any lag",
}

# Run by the interpreter that has aeon, which does not have this project's requirements.
AEON = """
import json, sys, time
import numpy as np
from aeon.distances import sbd_pairwise_distance
series = np.load(sys.argv[1]).T[:, None, :]
sbd_pairwise_distance(series[:2])  # compiles
begin = time.perf_counter()
distances = sbd_pairwise_distance(series)
seconds = time.perf_counter() - begin
np.save(sys.argv[2], distances)
lines = open("/proc/self/status").read().splitlines()
peak = int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
print(json.dumps({"seconds": seconds, "peak_megabytes": peak / 1e3}))
"""


class Steps:
    """Times steps of one process, and notes the peak memory of each."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}

    def __call__(self, name: str, step: Callable[[], Any]) -> Any:
        """Run a step; give what it gives."""
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
        begin = time.perf_counter()
        result = step()
        self.found[name] = {"seconds": time.perf_counter() - begin, "peak_megabytes": _peak()}
        return result


def measure_ours(values: np.ndarray) -> dict[str, Any]:
    """Time each step of the way from demand to a judged grid, in blocks."""
    rows, columns = grid_shape(values.shape[1])
    rng = np.random.default_rng(0)
    run = Steps()
    distances = run("distances", lambda: blocked.shape_based_distance(values, MAX_LAG))
    positions, stress = run("placement", lambda: blocked.place(distances, 0))
    on_grid = fit_to_grid(positions, rows, columns)
    cells = run("assignment", lambda: blocked.assign(on_grid, rows, columns))
    grid = Grid(rows, columns, cells)
    judged, chance = run(
        "quality",
        lambda: (blocked.quality(grid, distances), blocked.random_quality(distances, rng)),
    )
    return {
        "steps": run.found,
        "largest_error": _largest_error(distances, values, MAX_LAG),
        "stress": stress,
        "normalised_stress": blocked.normalised_stress(positions, distances),
        "on_grid": judged.to_json(),
        "random": chance.to_json(),
    }


def measure_originals(values: np.ndarray) -> dict[str, Any]:
    """Time pairwise transforms, scikit-learn's SMACOF from five starts, and the assignment."""
    rows, columns = grid_shape(values.shape[1])
    run = Steps()
    distances = run("distances", lambda: plain.shape_based_distance(values, MAX_LAG))
    positions, stress = run("placement", lambda: plain.place(distances, 0))
    on_grid = fit_to_grid(positions, rows, columns)
    run("assignment", lambda: plain.assign(on_grid, rows, columns))
    return {"steps": run.found, "stress": stress}


def measure_products(values: np.ndarray, precision: str = "highest") -> dict[str, Any]:
    """Time the distances by a matrix product for each lag, the plainest way in blocks."""
    import torch

    series = torch.from_numpy(normalise(values)).float()
    slots = series.shape[1]

    def distances() -> np.ndarray:
        best = series @ series.T
        for lag in range(1, MAX_LAG + 1):
            torch.maximum(best, series[:, lag:] @ series[:, : slots - lag].T, out=best)
        return 1.0 - torch.maximum(best, best.T).numpy()

    torch.set_float32_matmul_precision(precision)
    run = Steps()
    found = run("distances", distances)
    torch.set_float32_matmul_precision("highest")
    return {"steps": run.found, "largest_error": _largest_error(found, values, MAX_LAG)}


def measure_aeon(python: str, demand: Path, scratch: Path) -> dict[str, Any]:
    """Time aeon's distances, and hold them against the exact ones. It shifts as far as can be."""
    out = scratch / "aeon.npy"
    run = [python, "-c", AEON, str(demand), str(out)]
    found = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    error = _largest_error(np.load(out), np.load(demand), None)
    return {"steps": {"distances": found}, "largest_error": error}


MEASURES: dict[str, Callable[[np.ndarray], dict[str, Any]]] = {
    "ours": measure_ours,
    "originals": measure_originals,
    "products": measure_products,
    "products_bf16": partial(measure_products, precision="medium"),
}


def work(what: str, demand: Path) -> None:
    """Warm up on a few series, then measure, and print."""
    values = np.load(demand)
    MEASURES[what](values[:, :8])
    print(json.dumps(MEASURES[what](values)))


def measure_alone(what: str, demand: Path, threads: int) -> dict[str, Any]:
    """Measure in a process of its own."""
    limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    command = [sys.executable, "-m", "benchmarks.grid_scale", "--worker", what, str(demand)]
    environment = os.environ | dict.fromkeys(limits, str(threads))
    answer = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def row(what: str, vnfs: int, threads: int, found: dict[str, Any]) -> dict[str, Any]:
    """Add up a measurement's steps."""
    steps = found["steps"].values()
    result = {
        "what": what,
        "vnfs": vnfs,
        "threads": threads,
        "seconds": sum(step["seconds"] for step in steps),
        "peak_megabytes": max(step["peak_megabytes"] for step in steps),
        **found,
    }
    said = " ".join(f"{name} {step['seconds']:.2f} s" for name, step in found["steps"].items())
    print(f"{what:10} M {vnfs:6} threads {threads}  {said}", flush=True)
    return result


@dataclass(frozen=True)
class Plan:
    """Which rows are wanted."""

    sizes: Sequence[int]
    threads: Sequence[int]
    days: int
    others_up_to: int
    aeon: str | None = None
    """Interpreter that has aeon."""

    def rows(self, vnfs: int) -> Iterator[tuple[str, int]]:
        """What is measured at a size, and with how many threads."""
        yield from (("ours", count) for count in self.threads)
        if vnfs <= self.others_up_to:
            yield from ((what, self.threads[0]) for what in MEASURES if what != "ours")
            if self.aeon:
                yield "aeon", 1


def measure(plan: Plan, known: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Measure every row of the plan that is not known yet; give all that are, after each."""
    from ddnn.demand.city import make_city

    have = {(row["what"], row["vnfs"], row["threads"]) for row in known}
    with tempfile.TemporaryDirectory() as folder:
        for vnfs in plan.sizes:
            missing = [each for each in plan.rows(vnfs) if (each[0], vnfs, each[1]) not in have]
            if not missing:
                continue
            demand = Path(folder) / f"{vnfs}.npy"
            np.save(demand, make_city(vnfs, plan.days, SEED).values)
            for what, count in missing:
                if what == "aeon":
                    assert plan.aeon
                    found = measure_aeon(plan.aeon, demand, Path(folder))
                else:
                    found = measure_alone(what, demand, count)
                known = [*known, row(what, vnfs, count, found)]
                yield known
            demand.unlink()


def summarise(plan: Plan, measured: list[dict[str, Any]]) -> dict[str, Any]:
    """Sort rows into ours and others', and add what follows from them."""
    measured = sorted(measured, key=lambda r: (r["vnfs"], -r["threads"]))
    rows = [r for r in measured if r["what"] == "ours"]
    threads = sorted({r["threads"] for r in rows}, reverse=True)
    return {
        "cpu": Arithmetic.detect().cpu,
        "cores": os.cpu_count(),
        "days": plan.days,
        "rows": rows,
        "others": [r for r in measured if r["what"] != "ours"],
        "exponents": [{"threads": count, **exponents(rows, count)} for count in threads],
        "target": TARGET | {"met": meets(rows)},
    }


def read_known(path: Path, plan: Plan) -> list[dict[str, Any]]:
    """Read the rows that an earlier run of the same machine kind wrote."""
    if not path.exists():
        return []
    facts = json.loads(path.read_text(encoding="utf-8"))
    if (facts["cpu"], facts["days"]) != (Arithmetic.detect().cpu, plan.days):
        raise SystemExit(f"{path} is of another machine or other days: --again begins anew")
    return [*facts["rows"], *facts["others"]]


def exponents(rows: list[dict[str, Any]], threads: int) -> dict[str, float | None]:
    """Fit seconds ~ M^a by least squares on the logarithms, for each step and for all."""
    kept = [r for r in rows if r["threads"] == threads and r["vnfs"] >= FITTED_FROM]
    if len(kept) < 2:
        return dict.fromkeys((*STEPS, "in_sum"))
    sizes = np.log([r["vnfs"] for r in kept])
    times = {name: [r["steps"][name]["seconds"] for r in kept] for name in STEPS}
    times["in_sum"] = [r["seconds"] for r in kept]
    return {name: float(np.polyfit(sizes, np.log(each), 1)[0]) for name, each in times.items()}


def meets(rows: list[dict[str, Any]]) -> bool | None:
    """Say whether the largest size is done within time and memory; None if it was left out."""
    asked = [r for r in rows if (r["vnfs"], r["threads"]) == (TARGET["vnfs"], TARGET["threads"])]
    if not asked:
        return None
    return all(
        r["seconds"] <= TARGET["seconds"]
        and r["peak_megabytes"] * 1e6 <= TARGET["gibibytes"] * 2**30
        for r in asked
    )


def table(facts: dict[str, Any]) -> str:
    """Write the facts as they stand in docs/grid.md."""
    slots = facts["days"] * 144
    met = {True: "met", False: "**not met**", None: "not measured"}[facts["target"]["met"]]
    lines = [
        f"{facts['cores']} cores; synthetic city, T = {slots} slots, lags up to {MAX_LAG} slots "
        "either way; seconds, and the peak resident set:",
        "",
        "| M | threads | distances | placement | assignment | quality | in sum | peak, MB "
        "| largest error | normalised stress |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for r in facts["rows"]:
        times = " | ".join(f"{r['steps'][name]['seconds']:.2f}" for name in STEPS)
        lines.append(
            f"| {r['vnfs']:,} | {r['threads']} | {times} | {r['seconds']:.2f} "
            f"| {r['peak_megabytes']:,.0f} | {r['largest_error']:.1e} "
            f"| {r['normalised_stress']:.4f} |"
        )
    for fit in facts["exponents"]:
        powers = [fit[name] for name in (*STEPS, "in_sum")]
        if None not in powers:
            shown = " | ".join(f"M^{power:.2f}" for power in powers)
            lines.append(f"| growth from {FITTED_FROM} on | {fit['threads']} | {shown} | | | |")
    target = facts["target"]
    lines += [
        "",
        f"Asked for: {target['vnfs']:,} squares at {target['threads']} threads within "
        f"{target['seconds'] // 60} minutes and {target['gibibytes']} GiB: {met}.",
        "",
        "| M | the same by others | threads | seconds | peak, MB | ours: seconds | outcome |",
        "|--:|---|--:|--:|--:|--:|---|",
    ]
    for other in facts["others"]:
        ours = next(r for r in facts["rows"] if r["vnfs"] == other["vnfs"])
        for name, step in other["steps"].items():
            outcome = (
                f"largest error {other['largest_error']:.0e}" if "largest_error" in other else ""
            )
            if name == "placement":
                outcome = f"our stress is {ours['stress'] / other['stress']:.5f} of its"
            lines.append(
                f"| {other['vnfs']:,} | {WORDS[other['what'], name]} | {other['threads']} "
                f"| {step['seconds']:.2f} | {step['peak_megabytes']:,.0f} "
                f"| {ours['steps'][name]['seconds']:.2f} | {outcome} |"
            )
    return "\n".join(lines)


def _largest_error(distances: np.ndarray, values: np.ndarray, max_lag: int | None) -> float:
    """Hold some series' distances against the exact ones."""
    probed = np.random.default_rng(1).permutation(values.shape[1])[:PROBED]
    exact = plain.shape_based_distance(values[:, probed], max_lag)
    return float(
        np.abs(distances[np.ix_(probed, probed)] - exact)[np.triu_indices(len(probed), 1)].max()
    )


def _peak() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1e3


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="VNFs")
    parser.add_argument("--threads", type=int, nargs="+", default=THREADS)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--others-up-to", type=int, default=OTHERS_UP_TO, help="VNFs")
    parser.add_argument("--aeon", metavar="PYTHON", help="interpreter that has aeon")
    parser.add_argument("--out", type=Path, help="write the JSON here alone, and no page")
    parser.add_argument("--again", action="store_true", help="forget the rows that are there")
    parser.add_argument("--worker", nargs=2, metavar=("WHAT", "DEMAND"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.worker:
        work(args.worker[0], Path(args.worker[1]))
        return
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is busy (load {load:.1f}): the times that follow are too long")
    plan = Plan(args.sizes, args.threads, args.days, args.others_up_to, args.aeon)
    out = args.out or METRICS
    known = [] if args.again else read_known(out, plan)
    facts = summarise(plan, known)
    for measured in measure(plan, known):
        facts = summarise(plan, measured)
        out.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if not args.out:
        show(PAGE, "scale", table(facts))
    print(table(facts))


if __name__ == "__main__":
    main()
