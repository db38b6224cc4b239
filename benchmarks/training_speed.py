"""Training windows per second of the whole machine, against plain torch as anyone would write it.

``python -m benchmarks.training_speed`` writes metrics/training_speed.json, by kind of CPU, and the
tables in docs/training.md (between their markers). Takes eight to ten minutes and wants an idle
machine.

- *plain*: one process with torch's own choice of threads, torch's layers and Adam, fp32.
- *ours*: a process for each core, each training through ``train_exits`` with the environment and
  the arithmetic that the pipeline gives its stages. Their windows are counted over one interval.

Both take turns, and each round gives one ratio. The other variants are for information: they tell
what of it comes from training side by side, from the number format and from the layers.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.page import show
from ddnn.arithmetic import Arithmetic
from ddnn.cost import sla_cost
from ddnn.cost.surrogate import Surrogate, make_surrogate
from ddnn.grid import Grid
from ddnn.nets import build_exits, find_preset
from ddnn.params import TrainParams, load_params
from ddnn.training.joint_exit import Windows, train_exits
from tasks.runner import KEEP_MEMORY

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "training.md"
METRICS = ROOT / "metrics" / "training_speed.json"
TARGETS = {6: 3.0, 25: 2.5}  # ours / plain, by N, on a CPU with AMX
TARGET_WITHOUT_AMX = 1.0
BATCHES = 8  # of an epoch
W, COST = 0.2, sla_cost(1.0)
THREAD_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Variant:
    """A way to train."""

    ours: bool
    """Through ``train_exits``; else plain torch."""
    dtype: str
    """Number format of the matrix products."""
    pipeline: bool
    """In the environment that the pipeline gives its stages; else with torch's own threads."""
    side_by_side: bool
    """A process for each core; else one process."""
    words: str


def variants() -> dict[str, Variant]:
    """List what is measured: the two that are compared come first."""
    own = Arithmetic.detect().dtype
    return {
        "plain": Variant(False, "float32", False, False, "plain torch"),
        "ours": Variant(True, own, True, True, "**as the pipeline trains**"),
        "ours_float32": Variant(True, "float32", True, True, "the same in fp32"),
        "ours_alone": Variant(True, own, True, False, "the same, one process"),
        "plain_side_by_side": Variant(False, "float32", True, True, "plain torch side by side"),
        "plain_bfloat16": Variant(False, "bfloat16", False, False, "plain torch with autocast"),
    }


def measured() -> dict[str, Variant]:
    """Leave out what says nothing on this machine: where the pipeline trains in fp32, bf16."""
    ways = variants()
    if ways["ours"].dtype == "float32":
        del ways["ours_float32"], ways["plain_bfloat16"]
    return ways


class PlainExits(nn.Module):
    """The layers of the preset `paper` in torch's own words."""

    def __init__(self, N: int, rows: int, columns: int, dropout: float) -> None:
        super().__init__()
        self.shape = 1, N, rows, columns
        volume, vnfs = N * rows * columns, rows * columns
        self.f0 = nn.Sequential(nn.Conv3d(1, 32, 3, padding=1), nn.ReLU(), nn.Dropout(dropout))
        self.f1 = nn.Sequential(
            nn.Flatten(),
            nn.Linear(32 * volume, 64),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(64, vnfs),
        )
        self.f2 = nn.Sequential(
            nn.Conv3d(32, 16, 5, padding=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * volume, 128),
            nn.ReLU(),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, vnfs),
        )

    def forward(self, D: Tensor) -> tuple[Tensor, Tensor]:
        """Give y_L and y_R, each (batch, M), of demand (batch, N, M) in the order of the cells."""
        z = self.f0(D.reshape(-1, *self.shape))
        return self.f1(z), self.f2(z)


def check_same(plain: nn.Module, exits: nn.Module, D: Tensor) -> None:
    """Make sure that both networks are one: they get equal weights.

    Raises:
        ValueError: They differ in parameters, in dropout, or in what they give for ``D``.
    """
    pairs = list(zip(plain.parameters(), exits.parameters(), strict=False))
    sizes = [sum(p.numel() for p in net.parameters()) for net in (plain, exits)]
    if sizes[0] != sizes[1] or any(a.shape != b.shape for a, b in pairs):
        raise ValueError(f"the networks have other parameters: {sizes[0]} and {sizes[1]}")
    rates = [[m.p for m in net.modules() if isinstance(m, nn.Dropout)] for net in (plain, exits)]
    if rates[0] != rates[1]:
        raise ValueError(f"the networks have other dropout layers: {rates[0]} and {rates[1]}")
    with torch.no_grad():
        for mine, other in pairs:
            mine.copy_(other)
        outputs = zip(plain.eval()(D), exits.eval()(D), strict=True)
    if not all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in outputs):
        raise ValueError("the networks have equal weights and give other allocations")


class _OverError(Exception):
    """The interval has passed."""


class Watch:
    """Counts a training's windows over the interval that the starting process names.

    It is called after each epoch. The first one warms up; then it waits for the interval.
    """

    def __init__(self, windows: int) -> None:
        self.windows = windows
        self.begin = self.end = 0.0
        self.stamps: list[float] = []

    def __call__(self, _: object = None) -> None:
        """Note that an epoch is done; end the training when the interval is over."""
        if not self.stamps:
            _say("warm")
            begin, seconds = json.loads(sys.stdin.readline())
            self.stamps.append(time.perf_counter())
            self.begin = max(begin, self.stamps[0])  # later only where the machine is busy
            self.end = self.begin + seconds
            return
        self.stamps.append(time.perf_counter())  # one clock for all processes of a machine
        if self.stamps[-1] >= self.end:
            raise _OverError

    def rate(self) -> float:
        """Give windows per second; an epoch over an edge of the interval counts by its share."""
        edges = self.begin, self.end
        done = np.interp(edges, self.stamps, self.windows * np.arange(len(self.stamps)))
        return float((done[1] - done[0]) / (edges[1] - edges[0]))


def work(vnfs: int) -> None:
    """Train as each line of standard input orders, and answer each with a rate."""
    params = load_params(ROOT / "params.yaml").train
    for line in sys.stdin:
        order = json.loads(line)
        variant = variants()[order["variant"]]
        windows = make_windows(params.batch * BATCHES, order["N"], vnfs)
        watch = Watch(len(windows[0]))
        train = train_ours if variant.ours else train_plain
        try:
            train(windows, params, variant.dtype, watch)
        except _OverError:
            _say({"rate": watch.rate(), "threads": torch.get_num_threads()})


def make_windows(count: int, N: int, vnfs: int) -> Windows:
    """Draw windows; what they hold does not matter to the speed."""
    D = np.random.default_rng(0).random((count, N, vnfs), dtype=np.float32)
    return D, D[:, -1].copy()


def train_ours(windows: Windows, params: TrainParams, dtype: str, watch: Watch) -> None:
    D, d = windows
    exits = build_exits(
        find_preset("paper"), Grid.in_order(D.shape[2]), D.shape[1], params.dropout, 0
    )
    train_exits(
        exits,
        windows,
        (D[:1], d[:1]),
        COST,
        params.model_copy(update={"max_epochs": sys.maxsize, "patience": sys.maxsize}),
        W,
        0,
        replace(Arithmetic.detect(), dtype=dtype),  # type: ignore[arg-type]
        on_epoch=watch,
    )


def train_plain(windows: Windows, params: TrainParams, dtype: str, watch: Watch) -> None:
    D, d = (torch.from_numpy(values) for values in windows)
    grid = Grid.in_order(D.shape[2])
    net = PlainExits(D.shape[1], grid.rows, grid.columns, params.dropout).train()
    optimizer = torch.optim.Adam(
        net.parameters(), params.learning_rate, weight_decay=params.weight_decay
    )
    surrogate: Surrogate = make_surrogate(COST, params.surrogate)
    while True:
        for chosen in torch.randperm(len(D)).split(params.batch):
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
                y_L, y_R = net(D[chosen])
            # Eq. (9).
            local = surrogate(y_L.float(), d[chosen]).mean()
            remote = surrogate(y_R.float(), d[chosen]).mean()
            loss = W * local + (1 - W) * remote
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        watch()


@contextmanager
def worker(vnfs: int, pipeline: bool) -> Iterator[subprocess.Popen[str]]:
    """Start a process that trains on order: in the pipeline's environment, or in torch's own."""
    limits = [*THREAD_LIMITS, *KEEP_MEMORY]
    environment = {key: value for key, value in os.environ.items() if key not in limits}
    if pipeline:
        threads = str(Arithmetic.detect().threads)
        environment |= dict.fromkeys(THREAD_LIMITS, threads) | KEEP_MEMORY
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.training_speed", "--worker", "--vnfs", str(vnfs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def measure_once(
    workers: Sequence[subprocess.Popen[str]], variant: str, N: int, seconds: float
) -> dict[str, Any]:
    """Let the processes train side by side and add up their windows per second."""
    for process in workers:
        _send(process, {"variant": variant, "N": N})
    for process in workers:
        _hear(process)  # that it is warm
    begin = time.perf_counter() + max(seconds / 10, 0.1)
    for process in workers:
        _send(process, [begin, seconds])
    answers = [_hear(process) for process in workers]
    return {
        "processes": len(workers),
        "threads": answers[0]["threads"],
        "rate": sum(answer["rate"] for answer in answers),
    }


def measure(vnfs: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Measure the variants in turn, and compare ours with plain round by round."""
    ways = measured()
    how = Arithmetic.detect()
    batch = load_params(ROOT / "params.yaml").train.batch
    rows, ratios = [], []
    with ExitStack() as stack:
        crews = {
            pipeline: [stack.enter_context(worker(vnfs, pipeline)) for _ in range(processes)]
            for pipeline, processes in ((False, 1), (True, os.cpu_count() or 1))
        }
        for N in TARGETS:
            found: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
            for number in range(rounds):
                first, second, *others = ways
                # Turned about: what slows the machine by and by then favours neither.
                pair = (first, second) if number % 2 == 0 else (second, first)
                for name in (*pair, *others):
                    crew = crews[ways[name].pipeline]
                    crew = crew if ways[name].side_by_side else crew[:1]
                    found[name].append(measure_once(crew, name, N, seconds))
                    said = f"N {N:2}  round {number + 1}  {name:18}"
                    print(f"{said} {found[name][-1]['rate']:8.0f} windows/s", flush=True)
            shape = {"N": N, "vnfs": vnfs, "batch": batch}
            rows += [shape | summarise_rates(name, ways[name], found[name]) for name in ways]
            ratios.append(compare(N, found, amx=how.dtype == "bfloat16"))
    return {
        "cpu": how.cpu,
        "cores": os.cpu_count(),
        "threads": found["plain"][0]["threads"],
        "torch": torch.__version__,
        "rounds": rounds,
        "seconds": seconds,
        "rows": rows,
        "ratios": ratios,
    }


def summarise_rates(name: str, variant: Variant, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Give a variant's median over the rounds, and their range."""
    rates = [one["rate"] for one in found]
    return {
        "variant": name,
        "dtype": variant.dtype,
        "processes": found[0]["processes"],
        "threads": found[0]["threads"],
        "windows_per_second": round(float(np.median(rates)), 1),
        "low": round(min(rates), 1),
        "high": round(max(rates), 1),
    }


def compare(N: int, found: dict[str, list[dict[str, Any]]], amx: bool) -> dict[str, Any]:
    """Give ours / plain: the median of the rounds' ratios, their range, and whether it is met."""
    pairs = zip(found["ours"], found["plain"], strict=True)
    ratios = [ours["rate"] / plain["rate"] for ours, plain in pairs]
    ratio = float(np.median(ratios))
    target = TARGETS[N] if amx else TARGET_WITHOUT_AMX
    return {
        "N": N,
        "ratio": round(ratio, 3),
        "low": round(min(ratios), 3),
        "high": round(max(ratios), 3),
        "target": target,
        "met": ratio >= target,
    }


def table(facts: dict[str, Any]) -> str:
    """Write the facts as they stand in docs/training.md."""
    words = {name: variant.words for name, variant in variants().items()}
    vnfs, batch = facts["rows"][0]["vnfs"], facts["rows"][0]["batch"]
    lines = [
        f"{facts['cores']} cores (`{facts['cpu']}`), torch {facts['torch']}, {vnfs} VNFs, batch "
        f"{batch}; median and range of {facts['rounds']} rounds, {facts['seconds']:g} s each:",
        "",
        "| N | training | processes x threads | format | windows/s | range |",
        "|--:|---|---|---|--:|---|",
    ]
    for row in facts["rows"]:
        speed, low, high = (f"{row[key]:.0f}" for key in ("windows_per_second", "low", "high"))
        lines.append(
            f"| {row['N']} | {words[row['variant']]} | {row['processes']} x {row['threads']} "
            f"| {row['dtype']} | {speed} | {low} to {high} |"
        )
    lines += ["", "| N | pipeline / plain torch | range | target | met |", "|--:|--:|---|--:|---|"]
    for row in facts["ratios"]:
        met = "yes" if row["met"] else "**no**"
        ratio, low, high = (f"{row[key]:.2f}" for key in ("ratio", "low", "high"))
        lines.append(f"| {row['N']} | {ratio} | {low} to {high} | {row['target']:g} | {met} |")
    return "\n".join(lines)


def tables(machines: dict[str, Any]) -> str:
    """Write the facts of all kinds of machine, one after the other."""
    return "\n\n".join(table(facts) for facts in machines.values())


def write(facts: dict[str, Any], metrics: Path, page: Path) -> None:
    """Write the facts beside those of other kinds of CPU, and all tables into the page."""
    machines = json.loads(metrics.read_text(encoding="utf-8")) if metrics.exists() else {}
    machines[facts["cpu"]] = facts
    metrics.write_text(json.dumps(machines, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    show(page, "speed", tables(machines))


def _say(words: object) -> None:
    print(json.dumps(words), flush=True)


def _send(process: subprocess.Popen[str], words: object) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(words) + "\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("a training ended early; its own words are above")
    return json.loads(line)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vnfs", type=int, default=49, help="as many as a full grid has cells")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--out", type=Path, help="write the JSON here alone, and no page")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.worker:
        work(args.vnfs)
        return
    grid = Grid.in_order(args.vnfs)
    if grid.rows * grid.columns != args.vnfs:
        parser.error(f"{args.vnfs} VNFs leave cells of the {grid.rows} x {grid.columns} grid empty")
    dropout = load_params(ROOT / "params.yaml").train.dropout
    for N in TARGETS:
        exits = build_exits(find_preset("paper"), grid, N, dropout, 0)
        plain = PlainExits(N, grid.rows, grid.columns, dropout)
        check_same(plain, exits, torch.from_numpy(make_windows(5, N, args.vnfs)[0]))
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is busy (load {load:.1f}): what follows is too low, and may be unfair")
    facts = measure(args.vnfs, args.rounds, args.seconds) | {"load_before": round(load, 2)}
    if args.out:
        args.out.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    else:
        write(facts, METRICS, PAGE)
    print(table(facts))


if __name__ == "__main__":
    main()
