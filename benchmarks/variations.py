"""Train variations of the paper's settings and compare them on the validation days.

    python -m benchmarks.variations [--demand FILE] [--settings NAME ...] [--seeds 0 ...]

Each variation changes one thing of params.yaml; the test days stay closed. Two trainings run side
by side. What is done is kept in metrics/variations_<demand>.json and not done again.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from benchmarks import page
from ddnn.alternatives.last_value import LastValueHeadroom
from ddnn.arithmetic import Arithmetic
from ddnn.nets import build_exits, find_preset
from ddnn.params import Params, change_params, load_params
from ddnn.training.joint_exit import train_exits
from tasks import download, grid
from tasks.prepared import Prepared, prepare
from tasks.stage import Stage

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "training.md"
VARIATIONS: dict[str, dict[str, Any]] = {
    "params.yaml": {},
    "ramp 0.05": {"train.surrogate": {"name": "ramp", "width": 0.05, "pull": 1.0}},
    "ramp 0.2": {"train.surrogate": {"name": "ramp", "width": 0.2, "pull": 1.0}},
    "logistic 0.1": {"train.surrogate": {"name": "logistic", "width": 0.1, "pull": 1.0}},
    "rate 1e-3": {"train.learning_rate": 1e-3},
    "rate 1e-4": {"train.learning_rate": 1e-4},
    "patience 60": {"train.patience": 60},
    "dropout 0.3": {"train.dropout": 0.3},
    "w = 0": {"setting.w": 0.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demand", type=Path, help="matrix file; without it the synthetic city")
    parser.add_argument("--settings", nargs="*", help="of params.yaml's paper.settings; all")
    parser.add_argument("--variations", nargs="*", choices=VARIATIONS, default=list(VARIATIONS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--float32", action="store_true", help="plain number format")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(train(json.loads(args.one))))
        return
    paper = load_params(ROOT / "params.yaml").paper
    name = "milano25" if args.demand else "city49"
    place = ROOT / "metrics" / f"variations_{name}.json"
    rows = json.loads(place.read_text()) if place.exists() else []
    done = {(r["setting"], r["variation"], r["seed"], r["dtype"]) for r in rows}
    dtype = "float32" if args.float32 else Arithmetic.detect().dtype
    orders = [
        {"setting": s, "variation": v, "seed": seed, "dtype": dtype, "demand": str(args.demand)}
        for s in args.settings or paper.settings
        for v in args.variations
        for seed in args.seeds
        if (s, v, seed, dtype) not in done
    ]
    lock = Lock()

    def run(order: dict[str, Any]) -> None:
        said = subprocess.run(
            [sys.executable, "-m", "benchmarks.variations", "--one", json.dumps(order)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        row = json.loads(said.stdout.splitlines()[-1])
        with lock:
            rows.append(row)
            rows.sort(
                key=lambda r: (r["setting"], list(VARIATIONS).index(r["variation"]), r["seed"])
            )
            place.write_text(json.dumps(rows, indent=1) + "\n")
            print(row, flush=True)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(run, orders))
    if name == "milano25":
        page.show(PAGE, "variations", table(rows))


def table(rows: list[dict[str, Any]]) -> str:
    """Lay the joint costs out: a row for each variation, a column for each setting."""
    paper = load_params(ROOT / "params.yaml").paper.settings
    joint = {}
    for row in rows:
        if row["seed"] == 0 and row["dtype"] == "bfloat16" and row["local"] is not None:
            w = paper[row["setting"]]["setting.w"]
            cost = w * row["local"] + (1 - w) * row["remote"]
            joint[row["variation"], row["setting"]] = f"{cost:.2f}"
    settings = [name for name in paper if any(name == setting for _, setting in joint)]
    kinds = [kind for kind in VARIATIONS if any(kind == variation for variation, _ in joint)]
    lines = [
        ["variation", *(f"{n}, c_u {paper[n]['setting.c_u']}" for n in settings)],
        ["---"] * (len(settings) + 1),
        *([kind, *(joint.get((kind, setting), "") for setting in settings)] for kind in kinds),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def train(order: dict[str, Any]) -> dict[str, Any]:
    """Train one variation; costs are hard, per slot, at the epoch that the stage would keep."""
    torch.set_num_threads(1)
    params = load_params(ROOT / "params.yaml")
    demand = params.paper.demands["city49"]
    if order["demand"] != "None":
        demand = params.paper.demands["milano25"] | {"download.matrix.path": order["demand"]}
    # The defaults are varied, not what a setting trains with: that was chosen by this.
    named = params.paper.settings[order["setting"]].items()
    changes = {key: value for key, value in named if not key.startswith("train.")}
    changes |= VARIATIONS[order["variation"]]
    params = change_params(params, demand | changes | {"setting.seed": order["seed"]}, "variation")
    with tempfile.TemporaryDirectory() as folder:
        prepared = make_prepared(params, Path(folder))
    exits = build_exits(
        find_preset(params.train.preset),
        prepared.grid,
        prepared.N,
        params.train.dropout,
        order["seed"],
    )
    started = time.perf_counter()
    how = Arithmetic.detect()
    history = train_exits(
        exits,
        prepared.windows(prepared.split.train),
        prepared.windows(prepared.split.validation_fit),
        prepared.cost,
        params.train,
        params.setting.w,
        order["seed"],
        Arithmetic(1, order["dtype"], how.memory_format, how.cpu),
    )
    seconds = time.perf_counter() - started
    D, d = prepared.windows(prepared.split.validation)
    with torch.inference_mode():
        y_L, y_R = exits(torch.from_numpy(D))
    headroom = LastValueHeadroom.fit(prepared.values_scaled, prepared.split.train, prepared.cost)
    return {
        **{key: order[key] for key in ("setting", "variation", "seed", "dtype")},
        "demand": prepared.demand.name,
        "local": float(prepared.cost(y_L.numpy(), d).mean()) if params.setting.w > 0 else None,
        "remote": float(prepared.cost(y_R.numpy(), d).mean()),
        "last_value_headroom": float(prepared.cost(headroom.allocate(D), d).mean()),
        "best_epoch": [record.epoch for record in history if record.best][-1],
        "epochs": len(history),
        "seconds": round(seconds, 1),
    }


def make_prepared(params: Params, folder: Path) -> Prepared:
    """Run the stages before the training."""
    outputs: dict[str, Path] = {}
    for module, name in ((download, "download"), (grid, "grid")):
        out = folder / name
        out.mkdir()
        module.run(Stage(params, dict(outputs), out, folder, Arithmetic.detect()))
        outputs[name] = out
    return prepare(Stage(params, outputs, folder, folder, Arithmetic.detect()))


if __name__ == "__main__":
    main()
