"""Edge and cloud as processes, held against the bars of the serving design.

``python -m benchmarks.serving --model FOLDER --demand FILE`` writes metrics/serving.json and the
tables in docs/operations.md (between their markers). The demand is that of the model's training:
its newest ``--slots`` are the test days. Takes about half an hour and wants an idle machine;
``--quick`` runs all of it with small counts, to see that it works, and writes ``--out`` alone.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.page import show
from ddnn.arithmetic import Arithmetic
from ddnn.demand import Demand, history, load_matrix, read_demand
from ddnn.params import load_params
from ddnn.runtime.allocate import fit_demand
from ddnn.runtime.bundle import Bundle, load_bundle
from ddnn.runtime.ddnn_pb2 import Exit, Offload
from ddnn.runtime.manifest import verify, write_manifest
from ddnn.runtime.parity import compare
from ddnn.runtime.payload import Sender, Windows, decode
from ddnn.runtime.replay import Replayed, delayed_line, replay
from ddnn.runtime.served import CloudHalf, EdgeHalf
from ddnn.runtime.served_pair import Running, ServedPair, edge_client
from ddnn.serve_settings import ServeSettings, change_edge

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "operations.md"
METRICS = ROOT / "metrics" / "serving.json"
HEAVY = ("torch", "prefect", "mlflow", "dvc", "pandas", "scipy", "pydantic")
PAPER_RTT_MS = 42.46
LATE_MS = 5.0  # that an answer may come after the deadline


@dataclass(frozen=True)
class Setup:
    """What is measured, and how much of it."""

    folder: Path
    bundle: Bundle
    demand: Demand
    """In the order of the model's series."""
    targets: range
    """The slots of the test days."""
    settings: ServeSettings
    requests: int
    """Of the run with faults."""
    deadlines: int
    """Answers that are timed with a cloud that is dead, and with one that is slow."""
    l0s: tuple[float, ...]

    @property
    def windows(self) -> np.ndarray:
        """D (K, N, M), scaled, of the targets."""
        scaled = self.bundle.scaling.scale(self.demand.values)
        return history(scaled, self.targets, self.bundle.facts.N)

    @property
    def truth(self) -> np.ndarray:
        """Scaled demand (K, M) that the targets meet."""
        return self.bundle.scaling.scale(self.demand.values[self.targets.start : self.targets.stop])


def bar(words: str, value: float, target: float, unit: str = "", least: bool = False) -> Any:
    """Hold a value against its target: at most that, or at least."""
    met = value >= target if least else value <= target  # a NaN meets nothing
    return {
        "bar": words,
        "value": round(float(value), 7),
        "target": target,
        "relation": "at least" if least else "at most",
        "unit": unit,
        "met": bool(met),
    }


def parity(setup: Setup) -> dict[str, Any]:
    """Hold the exported halves against the trained network on the whole test period."""
    slots = np.array(setup.targets, dtype=np.int64)
    found = compare(setup.folder, setup.bundle, setup.windows, slots)
    return {
        "parity": asdict(found),
        "bars": [
            bar("ONNX halves, test period: equal decisions", found.equal_decisions, 1, "", True),
            bar(
                "ONNX halves, test period: largest difference of an exit",
                max(found.local, found.remote),
                1e-5,
                "of full scale",
            ),
        ],
    }


def table_iv(setup: Setup) -> dict[str, Any]:
    """Replay the test days through the processes, on loopback and 42.46 ms apart."""
    rule = setup.bundle.facts.rule
    cases = [("cloud", 0.0), *((rule, l0) for l0 in setup.l0s), ("edge", 1.0)]
    rows = replay(
        setup.folder,
        setup.demand,
        setup.settings,
        setup.targets,
        cases,
        (0.0, PAPER_RTT_MS),
        lambda row: print(f"{row.rule} {row.l0:g} {row.rtt_ms:g} ms: {row.mean_ms:.2f} ms"),
    )
    return {"table_iv": [asdict(row) for row in rows], "bars": table_iv_bars(rows)}


def table_iv_bars(rows: Sequence[Replayed]) -> list[Any]:
    """Judge the replays: what was decided, and when."""
    return [
        bar("served pair: exits equal to offline", min(r.equal_exits for r in rows), 1, "", True),
        bar(
            "served pair: largest difference of an allocation",
            max(r.difference for r in rows),
            1e-5,
            "of full scale",
        ),
        *(
            bar(
                f"Table IV, {r.rule} L0 {r.l0:g}, line {r.rtt_ms:g} ms: off the formula",
                abs(r.mean_ms - r.formula_ms),
                round(max(0.1 * r.formula_ms, 0.5), 3),
                "ms",
            )
            for r in rows
        ),
    ]


def decisions(setup: Setup) -> dict[str, Any]:
    """Time gate, F0 and F1 of one decision in turn with torch eager; price int8."""
    bundle, D = setup.bundle, setup.windows
    gate = bundle.decider().rule.gate  # type: ignore[attr-defined]
    halves = {kind: EdgeHalf(setup.folder, precision=kind) for kind in ("fp32", "int8")}

    def eager(window: np.ndarray) -> None:
        with torch.inference_mode():
            x = torch.from_numpy(window)
            z = bundle.exits.latent(x)
            gate(x).double().sigmoid()
            bundle.exits.local(z)

    def served(half: EdgeHalf) -> Callable[[np.ndarray], None]:
        def run(window: np.ndarray) -> None:
            half.local(half.first(window, 0).latent)

        return run

    ways = {"eager": eager, **{kind: served(half) for kind, half in halves.items()}}
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for row in range(len(D)):
        window = np.ascontiguousarray(D[row : row + 1])
        for name, run in ways.items():
            run(window)  # warm: the others have taken the cache
            began = time.perf_counter()
            run(window)
            spent[name].append(1000 * (time.perf_counter() - began))
    p50, p99 = (
        {name: float(np.quantile(values, q)) for name, values in spent.items()} for q in (0.5, 0.99)
    )
    outcomes = {kind: _decide_all(setup, half) for kind, half in halves.items()}
    change = outcomes["int8"][0] / outcomes["fp32"][0] - 1
    same = float((outcomes["int8"][1] == outcomes["fp32"][1]).mean())
    targets = {"fp32": 0.75, "int8": 0.4}
    return {
        "decision": {
            "p50_ms": p50,
            "p99_ms": p99,
            "int8_cost_change": change,
            "int8_equal_exits": same,
        },
        "bars": [
            bar(f"edge decision, {kind}: p50 / torch eager", p50[kind] / p50["eager"], target)
            for kind, target in targets.items()
        ]
        + [
            bar(f"edge decision, {kind}: p99 / torch eager", p99[kind] / p99["eager"], 1.0)
            for kind in targets
        ],
    }


def _decide_all(setup: Setup, half: EdgeHalf) -> tuple[float, np.ndarray]:
    """Give the mean cost of the test days, and what stayed local."""
    D, cloud, rows, kept = setup.windows, CloudHalf(setup.folder), [], []
    for row, slot in enumerate(setup.targets):
        first = half.first(np.ascontiguousarray(D[row : row + 1]), slot)
        kept.append(half.keeps(first.score))
        rows.append(half.local(first.latent) if kept[-1] else cloud.remote(first.latent))
    return _cost(setup, half, rows), np.array(kept)


def _cost(setup: Setup, half: EdgeHalf, rows: Sequence[np.ndarray]) -> float:
    facts = half.facts
    y = facts.scale(facts.serve(np.concatenate(rows)))
    return float(facts.cost(y, setup.truth).mean())


def payloads(setup: Setup) -> dict[str, Any]:
    """Count what each way of offloading sends where all slots are offloaded, and price it."""
    edge, cloud, D = EdgeHalf(setup.folder), CloudHalf(setup.folder), setup.windows
    facts, found = edge.facts, {}
    for kind in ("latent", "latent_int8", "demand", "newest"):
        sender, windows = Sender(kind, 1), Windows(1)
        sizes, rows = [], []
        for row, slot in enumerate(setup.targets):
            window = np.ascontiguousarray(D[row : row + 1])
            message = Offload(edge="edge1", model=facts.model, slot=slot)
            sender.fill(message, window, edge.first(window, slot).latent)
            sizes.append(message.ByteSize())
            z, rest = decode(message, cloud.latent_shape, facts.N, facts.vnfs, windows)
            sender.delivered(message)
            if rest is not None:
                z = cloud.latent(rest[None])[0]
            assert z is not None
            rows.append(cloud.remote(z[None]))
        found[kind] = {"bytes": float(np.mean(sizes)), "cost": _cost(setup, edge, rows)}
    base = found["latent"]
    for values in found.values():
        values["share"] = values["bytes"] / base["bytes"]
        values["cost_change"] = values["cost"] / base["cost"] - 1
    return {
        "payloads": found,
        "bars": [
            bar("bytes of latent_int8 / latent", found["latent_int8"]["share"], 0.27),
            bar("bytes of newest / latent", found["newest"]["share"], 0.01),
        ],
    }


class Driver:
    """Gives an edge slot after slot, and times the answers as the caller sees them."""

    def __init__(self, setup: Setup, edge: Running) -> None:
        self._setup = setup
        self._line = edge_client(edge)
        self._decide = self._line.__enter__()
        self._slot = 0
        self.answers: list[Any] = []
        self.milliseconds: list[float] = []
        self.failed = 0
        for _ in range(setup.bundle.facts.N):
            self.step()

    def step(self) -> None:
        """Ask once."""
        demand, slot = self._setup.demand, self._slot
        self._slot += 1
        began = time.perf_counter()
        try:
            answer = self._decide(
                demand.start + slot * demand.slot_seconds, demand.values[slot % demand.slots]
            )
        except Exception as error:  # an answer that did not come is what is counted
            print(f"slot {slot}: {error!r:.200}")
            self.failed += 1
            return
        self.milliseconds.append(1000 * (time.perf_counter() - began))
        self.answers.append(answer)

    def clear(self) -> None:
        """Forget what was seen up to now."""
        self.answers.clear()
        self.milliseconds.clear()

    def close(self) -> None:
        """Hang up."""
        self._line.__exit__(None, None, None)


def deadlines(setup: Setup) -> dict[str, Any]:
    """Time the answers while the cloud is too slow, stopped, and dead."""
    settings = change_edge(setup.settings, rule="cloud")
    deadline = settings.edge.deadline_ms
    found: dict[str, Any] = {}
    with _pair(setup, settings) as pair:
        cloud = pair.cloud()
        with delayed_line(cloud.port, 0.0) as (proxy, port):
            driver = Driver(setup, pair.edge("edge", port))

            def time_it(what: str) -> None:
                driver.clear()
                for _ in range(setup.deadlines):
                    driver.step()
                exits = [answer.exit for answer in driver.answers]
                found[what] = {
                    "p50_ms": float(np.median(driver.milliseconds)),
                    "p99_ms": float(np.quantile(driver.milliseconds, 0.99)),
                    "largest_ms": max(driver.milliseconds),
                    "fallbacks": exits.count(Exit.EXIT_FALLBACK),
                    "answers": len(exits),
                }

            proxy.rtt_ms = 4 * deadline
            time_it("slow")
            proxy.rtt_ms = 0.0
            cloud.popen.kill()
            cloud.popen.wait()
            time_it("dead")
            driver.close()
    words = {"slow": f"cloud slow ({4 * deadline:g} ms away)", "dead": "cloud dead"}
    return {
        "deadline": {"deadline_ms": deadline, **found},
        "bars": [
            bar(f"{words[what]}: p99 of the answer", row["p99_ms"], deadline + LATE_MS, "ms")
            for what, row in found.items()
        ]
        + [
            bar(
                "cloud slow or dead: answers that say so",
                min(row["fallbacks"] / setup.deadlines for row in found.values()),
                1,
                "",
                True,
            )
        ],
    }


def soak(setup: Setup) -> dict[str, Any]:
    """Ask often while one time in twenty the line breaks, lags, or brings garbage."""
    settings = change_edge(setup.settings, rule="cloud")
    rng = np.random.default_rng(0)
    faults = rng.random(setup.requests) < 0.05
    kinds = rng.integers(0, 3, setup.requests)
    with _pair(setup, settings) as pair:
        cloud = pair.cloud()
        with delayed_line(cloud.port, 1.0) as (proxy, port):
            edge = pair.edge("edge", port)
            driver = Driver(setup, edge)
            driver.clear()
            memory = 0.0
            for i in range(setup.requests):
                proxy.rtt_ms = 1.0
                if faults[i] and kinds[i] == 0:
                    proxy.cut()
                elif faults[i] and kinds[i] == 1:
                    proxy.rtt_ms = 4 * settings.edge.deadline_ms
                elif faults[i]:
                    proxy.garble()
                driver.step()
                if i == setup.requests // 10:
                    memory = edge.resident_mb()
            grown = edge.resident_mb() - memory
            told = edge.metrics()
            driver.close()
    reasons = {
        name.split('"')[1]: int(value)
        for name, value in told.items()
        if name.startswith("ddnn_edge_fallbacks_total{")
    }
    count = f"{setup.requests} requests, 5 % faults"
    return {
        "soak": {
            "requests": setup.requests,
            "faults": int(faults.sum()),
            "fallbacks": reasons,
            "p99_ms": float(np.quantile(driver.milliseconds, 0.99)),
            "edge_mb": memory,
        },
        "bars": [
            bar(f"{count}: without an answer", setup.requests - len(driver.answers), 0),
            bar(f"{count}: growth of the edge's memory", grown, 20, "MB"),
        ],
    }


def swap(setup: Setup) -> dict[str, Any]:
    """Change the model back and forth while three edges ask as fast as they can."""
    with tempfile.TemporaryDirectory() as scratch, _pair(setup, setup.settings) as pair:
        other = shutil.copytree(setup.folder, Path(scratch) / "other")
        facts, _ = verify(other)
        (other / "bundle.json").unlink()
        write_manifest(other, {**facts, "seed": facts["seed"] + 1})  # another id, equal layers
        cloud = pair.cloud()
        edges = [pair.edge(f"edge{i}", cloud.port, poll_seconds=0.5) for i in range(3)]
        drivers = [Driver(setup, edge) for edge in edges]
        stop = threading.Event()

        def drive(driver: Driver) -> None:
            while not stop.is_set():
                driver.step()

        patience = 2 * setup.settings.cloud.poll_seconds + 2
        with ThreadPoolExecutor(len(drivers)) as pool:
            running = [pool.submit(drive, driver) for driver in drivers]
            for bundle in (other, setup.folder, other):
                pair.store.publish(bundle)
                time.sleep(patience)
            stop.set()
            for future in running:
                future.result()
        answers = [answer for driver in drivers for answer in driver.answers]
        failed = sum(driver.failed for driver in drivers)
        fallen = sum(answer.exit == Exit.EXIT_FALLBACK for answer in answers)
        versions = [len({answer.model for answer in driver.answers}) for driver in drivers]
        for driver in drivers:
            driver.close()
    return {
        "swap": {"requests": len(answers), "fallbacks": fallen, "swaps": 3, "versions": versions},
        "bars": [
            bar("hot swap under load: failed requests", failed, 0),
            bar("hot swap under load: versions that each edge saw", min(versions), 2, "", True),
        ],
    }


def footprint(setup: Setup) -> dict[str, Any]:
    """Install the extra ``edge`` into an environment of its own, and run an edge from there."""
    with tempfile.TemporaryDirectory() as root:
        place, source = Path(root) / "venv", Path(root) / "source"
        # From a copy: a build leaves its traces in the folder that it is given.
        names = ("pyproject.toml", "README.md", "LICENSE")
        shutil.copytree(ROOT / "ddnn", source / "ddnn")
        for name in names:
            shutil.copyfile(ROOT / name, source / name)
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        python = place / "bin" / "python"
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), f"{source}[edge]"], check=True)
        packages = next((place / "lib").glob("python*/site-packages"))
        own = [path for path in packages.rglob("*") if path.is_file() and not path.is_symlink()]
        pip_size = sum(
            p.stat().st_size for p in own if p.relative_to(packages).parts[0][:3] == "pip"
        )
        size = sum(path.stat().st_size for path in own) - pip_size
        look = f"import importlib.util as u; print(*[n for n in {HEAVY!r} if u.find_spec(n)])"
        told = subprocess.run(
            [python, "-I", "-c", look], check=True, capture_output=True, text=True
        )
        heavy = told.stdout.split()
        with _pair(setup, setup.settings, python) as pair:
            edge = pair.edge("edge", pair.cloud().port)
            driver = Driver(setup, edge)
            for _ in range(100):
                driver.step()
            resident = edge.resident_mb()
            answered = len(driver.answers)
            driver.close()
    return {
        "footprint": {
            "install_mb": size / 1e6,
            "resident_mb": resident,
            "answers": answered,
            "heavy": heavy,
        },
        "bars": [
            bar("edge install: torch and other heavy packages found", len(heavy), 0),
        ],
    }


PARTS: dict[str, Callable[[Setup], dict[str, Any]]] = {
    "parity": parity,
    "decisions": decisions,
    "payloads": payloads,
    "table_iv": table_iv,
    "deadlines": deadlines,
    "soak": soak,
    "swap": swap,
    "footprint": footprint,
}


def measure(setup: Setup, parts: Sequence[str]) -> dict[str, Any]:
    """Run the parts, and gather their bars in one list."""
    facts = setup.bundle.facts
    grid = facts.grid
    found: dict[str, Any] = {
        "cpu": Arithmetic.detect().cpu,
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "demand": facts.demand,
        "vnfs": len(facts.series),
        "N": facts.N,
        "grid": [grid["rows"], grid["columns"]],
        "preset": setup.bundle.exits.preset.name,
        "slots": len(setup.targets),
        "bars": [],
    }
    for name in parts:
        print(f"{name} ...", flush=True)
        part = PARTS[name](setup)
        found["bars"] += part.pop("bars")
        found |= part
    return found


def table(facts: dict[str, Any]) -> str:
    """Write the facts as they stand in docs/operations.md."""
    rows, columns = facts["grid"]
    lines = [
        f"{facts['cores']} cores (`{facts['cpu']}`), {rows} x {columns}, N = {facts['N']}, preset "
        f"`{facts['preset']}`, {facts['slots']} test slots of {facts['demand']}:",
        "",
        "| bar | value | target | met |",
        "|---|--:|--:|---|",
    ]
    for row in facts["bars"]:
        met = "yes" if row["met"] else "**no**"
        unit = f" {row['unit']}" if row["unit"] else ""
        value, target = f"{row['value']:.4g}{unit}", f"{row['relation']} {row['target']:g}{unit}"
        lines.append(f"| {row['bar']} | {value} | {target} | {met} |")
    if "table_iv" in facts:
        lines += [
            "",
            "| rule | L0 | L | line, ms | round trip | measured | formula | paper's times | p99 |",
            "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        ]
        for row in facts["table_iv"]:
            names = ("rtt_ms", "round_trip_ms", "mean_ms", "formula_ms", "paper_ms", "p99_ms")
            numbers = " | ".join(f"{row[name]:.2f}" for name in names)
            share = f"{100 * row['local_share']:.1f} %"
            lines.append(f"| {row['rule']} | {row['l0']:g} | {share} | {numbers} |")
    if "payloads" in facts:
        lines += ["", "| payload | bytes | of `latent` | cost |", "|---|--:|--:|--:|"]
        for name, row in facts["payloads"].items():
            share, change = 100 * row["share"], 100 * row["cost_change"]
            lines.append(f"| `{name}` | {row['bytes']:,.0f} | {share:.1f} % | {change:+.4f} % |")
    if "decision" in facts:
        told = facts["decision"]
        times = ", ".join(
            f"{name} {told['p50_ms'][name]:.3f} ms (p99 {told['p99_ms'][name]:.3f})"
            for name in told["p50_ms"]
        )
        lines += [
            "",
            f"One decision, one thread: {times}. int8 changes the cost by "
            f"{100 * told['int8_cost_change']:+.3f} %, with {100 * told['int8_equal_exits']:.1f} % "
            "equal exits.",
        ]
    if "footprint" in facts:
        told = facts["footprint"]
        lines += [
            "",
            f"An edge's packages take {told['install_mb']:.0f} MB, its process "
            f"{told['resident_mb']:.0f} MB of memory.",
        ]
    return "\n".join(lines)


def write(facts: dict[str, Any], metrics: Path, page: Path) -> None:
    """Write the facts, and their tables between the markers of the page."""
    metrics.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    show(page, "serving", table(facts))


@contextmanager
def _pair(
    setup: Setup, settings: ServeSettings, python: Path | None = None
) -> Iterator[ServedPair]:
    """Give a pair in a folder that goes with it."""
    with (
        tempfile.TemporaryDirectory(prefix="ddnn-bench-") as root,
        ServedPair(Path(root), settings, setup.folder, python) as pair,
    ):
        yield pair


def read_setup(model: Path, place: Path, slots: int, quick: bool) -> Setup:
    """Read the model and its demand: a file, or what the stage ``download`` wrote."""
    bundle = load_bundle(model)
    facts = bundle.facts
    if place.is_dir():
        demand = read_demand(place)
    else:
        demand, _ = load_matrix(
            place, gaps=facts.gaps, name=str(place), unit=facts.unit, timezone=facts.timezone
        )
    demand = fit_demand(bundle, demand)
    slots = 30 if quick else slots
    trained = bundle.rules.trained_l0(facts.rule) or (0.3, 0.5, 0.7)
    return Setup(
        folder=model,
        bundle=bundle,
        demand=demand,
        targets=range(demand.slots - slots, demand.slots),
        settings=load_params(ROOT / "params.yaml").serve,
        requests=200 if quick else 10_000,
        deadlines=10 if quick else 300,
        l0s=trained[:1] if quick else trained,
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=ROOT / "artefacts" / "export")
    parser.add_argument("--demand", type=Path, default=ROOT / "artefacts" / "download")
    parser.add_argument("--slots", type=int, default=720, help="of the test days")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this; repeat for more")
    parser.add_argument("--quick", action="store_true", help="small counts; writes no page")
    parser.add_argument("--out", type=Path, help="write the JSON here alone, and no page")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is busy (load {load:.1f}): times are too high, and may be unfair")
    setup = read_setup(args.model, args.demand, args.slots, args.quick)
    facts = measure(setup, args.part or list(PARTS))
    if args.out:
        args.out.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    elif not args.quick and not args.part:
        write(facts, METRICS, PAGE)
    print(table(facts))


if __name__ == "__main__":
    main()
