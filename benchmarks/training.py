"""Train variations of the exits and compare them on the validation days; the test stays closed.

    python benchmarks/training.py [--demand FILE] [GROUP.KEY=VALUE[,...] ...]
    python benchmarks/training.py --speed [BATCH ...]

Each argument is one variation of params.yaml, as `train.dropout=0.3,setting.c_u=10`; `""` is
params.yaml as it is.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from ddnn.alternatives.last_value import LastValueHeadroom
from ddnn.arithmetic import Arithmetic
from ddnn.cost import sla_cost
from ddnn.grid import Grid
from ddnn.nets import build_exits, find_preset
from ddnn.params import Params, load_params
from ddnn.training import train_exits
from tasks import download, grid
from tasks.prepared import Prepared, prepare
from tasks.progress import EpochProgress
from tasks.stage import Stage

PARAMS = Path(__file__).parents[1] / "params.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demand", type=Path, help="matrix file; without it the synthetic city")
    parser.add_argument("--speed", action="store_true", help="windows per second, by batch")
    parser.add_argument("variations", nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.speed:
        speed([int(batch) for batch in args.variations] or [16, 32, 64, 128, 256])
        return
    print("remote   local   best epochs seconds | headroom | variation", flush=True)
    for variation in args.variations or [""]:
        compare(args.demand, variation)


def compare(demand: Path | None, variation: str) -> None:
    """Print one line: both exits' hard cost on the validation days, and the headroom's."""
    overrides: dict[str, Any] = {}
    if demand is not None:
        overrides |= {"download.source": "matrix", "download.matrix.path": str(demand)}
    for setting in filter(None, variation.split(",")):
        key, value = setting.split("=")
        overrides[key] = yaml.safe_load(value)
    params = load_params(PARAMS, overrides)
    with tempfile.TemporaryDirectory() as folder:
        prepared = make_prepared(params, Path(folder))
    started = time.perf_counter()
    preset = find_preset(params.deepcog.preset or params.train.preset)
    exits = build_exits(
        preset, prepared.grid, prepared.N, params.train.dropout, params.setting.seed
    )
    with EpochProgress("training", params.train.max_epochs, params.train.patience) as progress:
        history = train_exits(
            exits,
            prepared.windows(prepared.split.train),
            prepared.windows(prepared.split.validation),
            prepared.cost,
            params.train,
            0.0 if exits.remote_only else params.setting.w,
            params.setting.seed,
            Arithmetic.detect(),
            on_epoch=progress,
        )
    seconds = time.perf_counter() - started
    best = [record for record in history if record.best][-1]
    local, remote = (cost or float("nan") for cost in (best.local_cost, best.remote_cost))
    print(
        f"{remote:6.3f}  {local:6.3f}  {best.epoch:5} {len(history):6} {seconds:7.0f} "
        f"| {headroom(prepared):8.3f} | {variation or 'params.yaml'}",
        flush=True,
    )


def make_prepared(params: Params, folder: Path) -> Prepared:
    """Run the stages before the training."""
    outputs: dict[str, Path] = {}
    for module, name in ((download, "download"), (grid, "grid")):
        out = folder / name
        out.mkdir()
        module.run(Stage(params, dict(outputs), out, folder, Arithmetic.detect()))
        outputs[name] = out
    return prepare(Stage(params, outputs, folder, folder, Arithmetic.detect()))


def headroom(prepared: Prepared) -> float:
    """Cost on the validation days of the last value plus the best constant, from training days."""
    model = LastValueHeadroom.fit(prepared.values_scaled, prepared.split.train, prepared.cost)
    D, d = prepared.windows(prepared.split.validation)
    return float(prepared.cost(model.allocate(D), d).mean())


def speed(batches: list[int], vnfs: int = 49, N: int = 6) -> None:
    """Print training windows per second of the preset `paper` at one thread."""
    rng = np.random.default_rng(0)
    D = rng.random((1024, N, vnfs), dtype=np.float32)
    windows = D, D[:, -1].copy()
    one_window = D[:1], D[:1, -1].copy()
    params = load_params(PARAMS)
    for batch in batches:
        for dtype, layout in (
            ("float32", "contiguous"),
            ("float32", "channels_last_3d"),
            ("bfloat16", "contiguous"),
            ("bfloat16", "channels_last_3d"),
        ):
            train = params.train.model_copy(update={"batch": batch, "max_epochs": 4})
            exits = build_exits(find_preset("paper"), Grid.in_order(vnfs), N, train.dropout, 0)
            stamps: list[float] = []
            train_exits(
                exits,
                windows,
                one_window,
                sla_cost(1.0),
                train,
                0.2,
                0,
                Arithmetic(1, dtype, layout, "here"),  # type: ignore[arg-type]
                on_epoch=lambda _, stamps=stamps: stamps.append(time.perf_counter()),
            )
            quickest = min(np.diff(stamps))
            print(f"batch {batch:4} {dtype:9} {layout:17} {len(D) / quickest:6.0f} windows/s")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
