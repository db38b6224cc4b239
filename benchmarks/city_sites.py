"""A city of sites: side by side on Dask, started from the whole city's network, and as one batch.

``python -m benchmarks.city_sites`` writes metrics/city_sites.json, and its tables into
docs/city_of_sites.md. Every row is written when it is measured; a row that is there is not measured
again, so a run that was stopped goes on (``--again`` begins anew). On an idle machine of two cores:

- ``throughput``: `ddnn city` with a real Dask scheduler and worker processes, each row in a state
  folder of its own. Everything as in params.yaml, but fewer epochs (``--epochs``) of the exits.
- ``start``: some sites trained alone, and again from the weights of one network that was trained on
  windows of all sites; settings as in params.yaml.
- ``batch``: epochs of sites trained one by one, and of a batch of sites as one network.
"""

import argparse
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_model, save_model

from benchmarks.batched_sites import BatchedExits
from benchmarks.page import show
from ddnn.arithmetic import Arithmetic
from ddnn.cost.surrogate import make_surrogate
from ddnn.grid import Grid
from ddnn.nets import Exits, build_exits, find_preset
from ddnn.params import Params, load_params
from ddnn.training.joint_exit import EpochRecord, Windows, train_exits
from tasks.artefact import file_sha256
from tasks.city import city_params, site_runs
from tasks.prepared import Prepared, prepare
from tasks.runner import Workshop, run_stage, run_stages
from tasks.stage import Stage

ROOT = Path(__file__).parents[1]
METRICS = ROOT / "metrics" / "city_sites.json"
PAGE = ROOT / "docs" / "city_of_sites.md"
TARGETS = {"best": 1.2, "single": 1.7}
"""Sites an hour of two workers, against one at its best thread count and at one thread."""
_DATABASES = """
from flows.servers import prefect_server
from tasks import tracking

tracking.prepare()
with prefect_server():
    pass
"""
"""Makes MLflow's and Prefect's, once in a state folder's life: no part of a city's run."""
_MIXED = 2.0
"""Windows of the whole city's network, in those of one site."""


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    squares: int
    """Of the synthetic city; as many as fill the grids of its sites."""
    size: int
    days: int
    epochs: int
    """Of the exits, in the throughput rows."""
    started: int
    """Sites that are trained from the whole city's network."""
    batches: tuple[int, ...]
    """Sites in one batched network."""
    overrides: tuple[str, ...]
    """More settings, GROUP.KEY=VALUE, for all parts: tiny ones, in the tests."""
    scratch: Path

    @property
    def sets(self) -> list[str]:
        """Settings of the city, as ``--set`` takes them."""
        city = {"squares": self.squares, "days": self.days, "seed": 2013}
        demand = {"download.source": "city", "download.name": "bench", "download.city": city}
        return [
            "city.demand=bench",
            f"city.demands={json.dumps({'bench': demand})}",
            f"city.sites.size={self.size}",
            *self.overrides,
        ]

    def params(self) -> Params:
        """Give the settings of the city's run."""
        import yaml

        pairs = (text.partition("=") for text in self.sets)
        values = {dotted: yaml.safe_load(value) for dotted, _, value in pairs}
        return city_params(load_params(ROOT / "params.yaml", values))


@dataclass(frozen=True)
class Row:
    """One way to run the city."""

    name: str
    workers: int
    threads: int
    kill: bool = False


ROWS = (
    Row("single", 1, 1),
    Row("threads", 1, os.cpu_count() or 1),
    Row("two", 2, 1),
    Row("killed", 2, 1, kill=True),
)


def throughput(plan: Plan, row: Row) -> dict[str, Any]:
    """Run the whole city once, from an empty store, on a scheduler and its worker processes."""
    home = plan.scratch / row.name
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    how = replace(Arithmetic.detect(), threads=row.threads).to_dict()
    (home / "arithmetic.json").write_text(json.dumps(how))
    if _start(home, "databases", "-c", _DATABASES).wait() != 0:
        raise RuntimeError(f"the databases were not made; see {home / 'databases.log'}")
    with _cluster(home, row.workers) as (address, workers):
        sets = [*plan.sets, f"train.max_epochs={plan.epochs}", f"city.scheduler={address}"]
        command = ["city", *(word for text in sets for word in ("--set", text))]
        began = time.perf_counter()
        flow = _start(home, "flow", "-m", "flows", *command)
        killed_after = _kill_in_the_middle(plan, home, flow, workers) if row.kill else None
        code = flow.wait()
        seconds = time.perf_counter() - began
    facts = json.loads((ROOT / "reports" / "city" / "bench" / "city.json").read_text())
    if code != 0 or facts["failed"]:
        raise RuntimeError(f"{row.name}: the city ended with {code}; see {home / 'flow.log'}")
    return {
        "workers": row.workers,
        "threads": row.threads,
        "sites": facts["sites"],
        "finished": facts["sites"] - len(facts["failed"]),
        "seconds": seconds,
        "sites_an_hour": 3600 * facts["sites"] / seconds,
        "killed_after_sites": killed_after,
        "squares_sha256": file_sha256(ROOT / "reports" / "city" / "bench" / "squares.csv"),
        "load_before": os.getloadavg()[0],
    }


def _kill_in_the_middle(
    plan: Plan,
    home: Path,
    flow: "subprocess.Popen[bytes]",
    workers: "list[subprocess.Popen[bytes]]",
) -> int:
    """Kill a worker and its nanny once a third of the sites are done; say how many that were."""
    wanted = max(1, plan.squares // plan.size // 3)
    while (done := _done(home)) < wanted:
        if flow.poll() is not None:
            raise RuntimeError(f"the city ended before a worker was killed; see {home}")
        time.sleep(0.2)
    os.killpg(workers[0].pid, signal.SIGKILL)
    return done


def _done(home: Path) -> int:
    return sum(path.read_text().count("squares: done in") for path in home.glob("worker*.log"))


@contextmanager
def _cluster(home: Path, workers: int) -> Iterator[tuple[str, "list[subprocess.Popen[bytes]]"]]:
    """Start a scheduler and workers, each a session of its own; end them all afterwards."""
    scheduler = _start(
        home,
        "scheduler",
        *("-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
    )
    started = [scheduler]
    try:
        address = _wait_for(home / "scheduler.log", r"Scheduler at:\s+(tcp://\S+)")
        for number in range(workers):
            words = ("-m", "flows", "city-worker", address, "--workers", "1")
            started.append(_start(home, f"worker{number}", *words))
            _wait_for(home / f"worker{number}.log", r"(Registered to)")
        yield address, started[1:]
    finally:
        for child in started:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _start(home: Path, name: str, *words: str) -> "subprocess.Popen[bytes]":
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_"))}
    with (home / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            env=kept | {"DDNN_HOME": str(home), "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_for(log: Path, pattern: str, seconds: float = 300) -> str:
    deadline = time.monotonic() + seconds
    while not (found := re.search(pattern, log.read_text())):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{log}: no {pattern} in {seconds} s")
        time.sleep(0.1)
    return found[1]


@dataclass(frozen=True)
class Site:
    """A prepared site whose VNFs are in the order of their cells."""

    prepared: Prepared
    order: NDArray[np.int64]
    """VNFs by cell."""

    def windows(self, targets: range) -> Windows:
        """Cut windows whose VNF k lies in cell k."""
        D, d = self.prepared.windows(targets)
        return np.ascontiguousarray(D[:, :, self.order]), np.ascontiguousarray(d[:, self.order])


def prepare_sites(plan: Plan) -> tuple[Params, list[Site]]:
    """Cut the city and prepare those sites whose grids are full and of one shape."""
    params = plan.params()
    os.environ["DDNN_HOME"] = str(plan.scratch / "prepared")
    workshop = Workshop.open()
    cut = run_stage("sites", params, {}, workshop)
    sites = []
    for run in site_runs(params, cut.folder):
        done = run_stages(("download", "grid"), run.params, workshop)
        folders = {name: reference.folder for name, reference in done.items()}
        stage = Stage(run.params, folders, cut.folder, cut.folder, workshop.arithmetic)
        prepared = prepare(stage)
        if not prepared.grid.vnfs == prepared.grid.mask.size == plan.size:
            raise RuntimeError("the sites leave cells of their grids empty: choose other numbers")
        sites.append(Site(prepared, np.argsort(prepared.grid.cells)))
    return params, sites


def start(plan: Plan, known: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Train sites alone, then one network on windows of all, then the sites from its weights."""
    params, sites = prepare_sites(plan)
    chosen = [sites[place] for place in np.linspace(0, len(sites) - 1, plan.started).astype(int)]
    fresh, kept = _fresh(params, plan.size), plan.scratch / "whole_city.safetensors"
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:

        def trained(exits: Exits) -> list[Future[dict[str, Any]]]:
            return [pool.submit(_train_site, params, site, exits) for site in chosen]

        # The longest training first: what is trained alone fills the other cores meanwhile.
        mixed = None if "whole_city" in known else pool.submit(_train_whole, params, sites, fresh)
        alone = [] if "alone" in known else trained(fresh)
        if mixed:
            whole, facts = mixed.result()
            save_model(whole, str(kept))
            yield "whole_city", facts
        else:
            load_model(whole := _fresh(params, plan.size), kept)
        if alone:
            yield "alone", _mean_training([each.result() for each in alone])
        if "whole_city_unchanged" not in known:
            unchanged = [_test_cost(whole, site) for site in chosen]
            yield "whole_city_unchanged", {"sites": len(chosen), "test": _costs(unchanged)}
        if "started" not in known:
            yield "started", _mean_training([each.result() for each in trained(whole)])


def _train_site(params: Params, site: Site, exits: Exits) -> dict[str, Any]:
    """Train a copy of the exits on one site, as its stage ``train`` would."""
    own = build_exits(exits.preset, exits.grid, exits.N, exits.dropout, 0)
    own.load_state_dict(exits.state_dict())
    split = site.prepared.split
    seconds, history = _timed_training(
        params, own, site.windows(split.train), site.windows(split.validation_fit), site.prepared
    )
    best = [record.epoch for record in history if record.best][-1]
    return {
        "seconds": seconds,
        "epochs": len(history),
        "best_epoch": best,
        "test": _test_cost(own, site),
    }


def _train_whole(params: Params, sites: Sequence[Site], exits: Exits) -> tuple[Exits, Any]:
    """Train one network on windows of all sites: so many in all as some sites have."""
    rng = np.random.default_rng(0)
    share = _MIXED / len(sites)

    def mixed(days: str) -> Windows:
        parts = []
        for site in sites:
            D, d = site.windows(getattr(site.prepared.split, days))
            taken = np.sort(rng.permutation(len(D))[: max(1, round(share * len(D)))])
            parts.append((D[taken], d[taken]))
        return np.concatenate([D for D, _ in parts]), np.concatenate([d for _, d in parts])

    seconds, history = _timed_training(
        params, exits, mixed("train"), mixed("validation_fit"), sites[0].prepared
    )
    return exits, {"seconds": seconds, "epochs": len(history), "sites": len(sites)}


def _timed_training(
    params: Params, exits: Exits, train: Windows, held_out: Windows, prepared: Prepared
) -> tuple[float, list[EpochRecord]]:
    how = replace(Arithmetic.detect(), threads=1)
    torch.set_num_threads(1)
    began = time.perf_counter()
    setting = params.setting
    history = train_exits(
        exits, train, held_out, prepared.cost, params.train, setting.w, setting.seed, how
    )
    return time.perf_counter() - began, history


def _test_cost(exits: Exits, site: Site) -> dict[str, float]:
    D, d = site.windows(site.prepared.split.test)
    exits.eval()
    with torch.inference_mode():
        y_L, y_R = exits(torch.from_numpy(D))
    cost = site.prepared.cost
    return {
        "local": float(cost(y_L.numpy(), d).mean()),
        "remote": float(cost(y_R.numpy(), d).mean()),
    }


def _mean_training(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "sites": len(rows),
        "seconds_a_site": float(np.mean([row["seconds"] for row in rows])),
        "epochs": float(np.mean([row["epochs"] for row in rows])),
        "best_epoch": float(np.mean([row["best_epoch"] for row in rows])),
        "test": _costs([row["test"] for row in rows]),
    }


def _costs(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {exit_: float(np.mean([row[exit_] for row in rows])) for exit_ in ("local", "remote")}


def _fresh(params: Params, size: int) -> Exits:
    preset = find_preset(params.train.preset)
    grid = Grid.in_order(size)
    return build_exits(preset, grid, params.setting.N, params.train.dropout, params.setting.seed)


def batch(plan: Plan, known: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Time epochs of single sites and of batches; a row is the epochs of a site in a second."""
    params, sites = prepare_sites(plan)
    cores = os.cpu_count() or 1
    spawn = get_context("spawn")
    name = f"single, {cores} processes of 1 thread"
    if name not in known:
        with ProcessPoolExecutor(cores, spawn) as pool:
            side = list(pool.map(_single_speed, [params] * cores, sites[:cores]))
        yield name, {"site_epochs_a_second": sum(side)}
    for size, threads in itertools.product(plan.batches, dict.fromkeys((1, cores))):
        name = f"batch of {size}, 1 process of {threads} thread{'s' if threads > 1 else ''}"
        if name not in known:
            members = [sites[place % len(sites)] for place in range(size)]
            with ProcessPoolExecutor(1, spawn) as pool:
                speed = pool.submit(_batch_speed, params, members, threads).result()
            yield name, {"site_epochs_a_second": speed}


def _single_speed(params: Params, site: Site) -> float:
    ends: list[float] = []
    few = params.train.model_copy(update={"max_epochs": 4})
    split = site.prepared.split
    torch.set_num_threads(1)
    train_exits(
        _fresh(params, len(site.order)),
        site.windows(split.train),
        site.windows(split.validation_fit),
        site.prepared.cost,
        few,
        params.setting.w,
        0,
        replace(Arithmetic.detect(), threads=1),
        on_epoch=lambda _: ends.append(time.perf_counter()),
    )
    return 1 / median(np.diff(ends))


def _batch_speed(params: Params, sites: Sequence[Site], threads: int) -> float:
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    exits = [_fresh(params, len(site.order)) for site in sites]
    train = [site.windows(site.prepared.split.train) for site in sites]
    step = batched_step(BatchedExits(exits), params, sites[0].prepared)
    D, d = (torch.from_numpy(np.stack(parts)) for parts in zip(*train, strict=True))
    ends = []
    for _ in range(3):
        order = torch.randperm(D.shape[1])
        for start in range(0, len(order), params.train.batch):
            chosen = order[start : start + params.train.batch]
            step(D[:, chosen], d[:, chosen])
        ends.append(time.perf_counter())
    return len(sites) / median(np.diff(ends))


def batched_step(
    network: BatchedExits, params: Params, prepared: Prepared
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Give a step of Adam on eq. (9), summed over the sites: their gradients do not meet."""
    surrogate = make_surrogate(prepared.cost, params.train.surrogate)
    w, train = params.setting.w, params.train
    optimizer = torch.optim.Adam(
        network.parameters(), train.learning_rate, weight_decay=train.weight_decay, fused=True
    )
    low = Arithmetic.detect().dtype == "bfloat16"

    def step(D: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
        network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            y_L, y_R = network(D)
        losses = w * surrogate(y_L.float(), d) + (1 - w) * surrogate(y_R.float(), d)
        loss = losses.mean(dim=1).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    return step


def table(facts: Mapping[str, Any]) -> str:
    """Write the facts as they stand on the page."""
    lines = [f"{facts['cores']} cores (`{facts['cpu']}`), torch {facts['torch']}."]
    if "throughput" in facts:
        lines += ["", *_throughput_lines(facts["throughput"], facts["plan"])]
    if "start" in facts:
        lines += ["", *_start_lines(facts["start"], facts["plan"])]
    if "batch" in facts:
        lines += ["", *_batch_lines(facts["batch"])]
    return "\n".join(lines)


def _throughput_lines(rows: Mapping[str, Any], plan: Mapping[str, Any]) -> list[str]:
    lines = [
        f"Sites of {plan['size']} squares and {plan['days']} days, {plan['epochs']} epochs of the "
        "exits each, everything else as in params.yaml; the whole command, from an empty store:",
        "",
        "| Dask workers | threads a training | sites | lost | minutes | sites an hour |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows.values():
        killed = row["killed_after_sites"]
        note = f", one killed after {killed} sites" if killed is not None else ""
        lines.append(
            f"| {row['workers']}{note} | {row['threads']} | {row['sites']} "
            f"| {row['sites'] - row['finished']} | {row['seconds'] / 60:.1f} "
            f"| {row['sites_an_hour']:.0f} |"
        )
    if {"single", "threads", "two"} <= rows.keys():
        lines += ["", *_ratio_lines(rows)]
    if {"two", "killed"} <= rows.keys():
        same = rows["two"]["squares_sha256"] == rows["killed"]["squares_sha256"]
        lines += [
            "",
            "The killed run's figures of all squares are "
            + (
                "the undisturbed run's, byte for byte."
                if same
                else "**not** the undisturbed run's."
            ),
        ]
    return lines


def _ratio_lines(rows: Mapping[str, Any]) -> list[str]:
    two, single = rows["two"]["sites_an_hour"], rows["single"]["sites_an_hour"]
    best = max(single, rows["threads"]["sites_an_hour"])
    lines = ["| two workers against one | ratio | target | met |", "|---|--:|--:|---|"]
    for words, other, key in (
        ("at its best thread count", best, "best"),
        ("at one thread", single, "single"),
    ):
        met = "yes" if two / other >= TARGETS[key] else "**no**"
        lines.append(f"| {words} | {two / other:.2f} | {TARGETS[key]:g} | {met} |")
    return lines


def _start_lines(rows: Mapping[str, Any], plan: Mapping[str, Any]) -> list[str]:
    sites = plan["squares"] // plan["size"]
    lines = [
        f"{plan['started']} of {sites} sites, settings as in params.yaml; costs on the test days, "
        "mean over the sites:",
        "",
        "| start of a site | epochs | seconds a site | local exit | remote exit |",
        "|---|--:|--:|--:|--:|",
    ]
    for key, words in (
        ("alone", "alone"),
        ("started", "the whole city's network, then fine-tuned"),
        ("whole_city_unchanged", "the whole city's network as it is"),
    ):
        if key in rows:
            row = rows[key]
            numbers = (
                f"{row['epochs']:.0f} | {row['seconds_a_site']:.0f}" if "epochs" in row else "0 | 0"
            )
            cost = row["test"]
            lines.append(f"| {words} | {numbers} | {cost['local']:.3f} | {cost['remote']:.3f} |")
    if "whole_city" in rows:
        whole = rows["whole_city"]
        lines += [
            "",
            f"The whole city's network took {whole['seconds']:.0f} s, once: "
            f"{whole['seconds'] / sites:.0f} s for each of the {sites} sites.",
        ]
    return lines


def _batch_lines(rows: Mapping[str, Any]) -> list[str]:
    base = next(iter(rows.values()))["site_epochs_a_second"]
    lines = ["| training | epochs of a site in a minute | ratio |", "|---|--:|--:|"]
    for name, row in rows.items():
        speed = row["site_epochs_a_second"]
        lines.append(f"| {name} | {60 * speed:.0f} | {speed / base:.2f} |")
    return lines


def measure(plan: Plan, parts: Sequence[str], out: Path, again: bool) -> dict[str, Any]:
    """Measure the rows that are not there yet; write each as it comes."""
    own = {k: v for k, v in vars(plan).items() if k != "scratch"}
    facts: dict[str, Any] = {
        "cores": os.cpu_count(),
        "cpu": Arithmetic.detect().cpu,
        "torch": torch.__version__,
        "plan": json.loads(json.dumps(own)),
    }
    if out.exists() and not again:
        known = json.loads(out.read_text(encoding="utf-8"))
        if {key: known[key] for key in facts} != facts:
            raise SystemExit(f"{out} is of another plan or machine: --again begins anew")
        facts = known
    for part in parts:
        for name, row in _rows(plan, part, set(facts.get(part, {}))):
            facts.setdefault(part, {})[name] = row
            out.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            print(part, name, json.dumps(row), flush=True)
    return facts


def _rows(plan: Plan, part: str, known: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    if part == "throughput":
        for row in ROWS:
            if row.name not in known:
                yield row.name, throughput(plan, row)
    else:
        yield from {"start": start, "batch": batch}[part](plan, known)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("throughput", "start", "batch"), action="append")
    parser.add_argument("--squares", type=int, default=980)
    parser.add_argument("--size", type=int, default=49, help="squares of a site: a full grid")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=10, help="in the throughput rows")
    parser.add_argument("--started", type=int, default=4, help="sites in the part start")
    parser.add_argument("--batches", type=int, nargs="*", default=[2, 8])
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--scratch", type=Path, default=ROOT / ".ddnn" / "bench_city")
    parser.add_argument("--out", type=Path, help="write the JSON here alone, and no page")
    parser.add_argument("--again", action="store_true", help="forget the rows that are there")
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the cluster is ended on the way out
    plan = Plan(
        args.squares,
        args.size,
        args.days,
        args.epochs,
        args.started,
        tuple(args.batches),
        tuple(args.overrides),
        args.scratch.resolve(),
    )
    parts = args.part or ["batch", "start", "throughput"]
    facts = measure(plan, parts, args.out or METRICS, args.again)
    if not args.out:
        show(PAGE, "city_sites", table(facts))
    print(table(facts))


if __name__ == "__main__":
    main()
