"""A decision at the edge against torch, what the payloads cost, and a run with faults.

    python -m benchmarks.serving --model FOLDER --demand FILE --slots 720 --soak 10000

CPU times are of the thread: they hold on a busy machine, too, where wall times do not.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ddnn.demand import Demand, history, load_matrix
from ddnn.params import load_params
from ddnn.runtime.bundle import Bundle, load_bundle
from ddnn.runtime.ddnn_pb2 import Offload
from ddnn.runtime.payload import Sender, Windows, decode
from ddnn.runtime.replay import delayed_line
from ddnn.runtime.served import CloudHalf, EdgeHalf
from ddnn.runtime.served_pair import ServedPair, edge_client
from ddnn.serve_settings import change_edge

_PARAMS = Path(__file__).parents[1] / "params.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--demand", type=Path, required=True)
    parser.add_argument("--slots", type=int, default=720)
    parser.add_argument("--soak", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    bundle = load_bundle(options.model)
    facts = bundle.facts
    demand, _ = load_matrix(
        options.demand, gaps=facts.gaps, name="demand", unit=facts.unit, timezone=facts.timezone
    )
    targets = range(demand.slots - options.slots, demand.slots)
    decisions(bundle, options.model, demand, targets)
    payloads(options.model, demand, targets)
    if options.soak:
        soak(options.model, demand, options.soak)


def decisions(bundle: Bundle, folder: Path, demand: Demand, targets: range) -> None:
    """Time gate, F0 and F1 of one decision in turn with torch, and price int8."""
    decider = bundle.decider()
    gate = decider.rule.gate  # type: ignore[attr-defined]
    D = history(bundle.scaling.scale(demand.values), targets, bundle.facts.N)
    halves = {kind: EdgeHalf(folder, precision=kind) for kind in ("fp32", "int8")}

    def eager(window: np.ndarray) -> None:
        with torch.inference_mode():
            x = torch.from_numpy(window)
            z = bundle.exits.latent(x)
            gate(x).double().sigmoid()
            bundle.exits.local(z)

    def served(kind: str) -> Callable[[np.ndarray], None]:
        def run(window: np.ndarray) -> None:
            half = halves[kind]
            half.local(half.first(window, 0).latent)

        return run

    ways = {"torch eager": eager, **{f"onnx {kind}": served(kind) for kind in halves}}
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for row in range(len(D)):
        window = np.ascontiguousarray(D[row : row + 1])
        for name, run in ways.items():
            run(window)  # warm: the others have taken the cache
            wall, cpu = time.perf_counter(), time.thread_time()
            run(window)
            spent[name].append((time.perf_counter() - wall, time.thread_time() - cpu))
    base = np.median(spent["torch eager"], axis=0)
    for name, values in spent.items():
        wall, cpu = 1000 * np.median(values, axis=0)
        p99 = 1000 * np.quantile(np.array(values)[:, 0], 0.99)
        ratio = np.median(values, axis=0) / base
        print(
            f"{name:12} wall p50 {wall:.3f} ms ({ratio[0]:.2f}), p99 {p99:.3f} ms; "
            f"CPU p50 {cpu:.3f} ms ({ratio[1]:.2f})"
        )
    facts = halves["fp32"].facts
    target = facts.scale(demand.values[targets.start : targets.stop])
    cost: dict[str, float] = {}
    exits: dict[str, np.ndarray] = {}
    cloud = CloudHalf(folder)
    for kind, half in halves.items():
        rows, kept = [], []
        for row, slot in enumerate(targets):
            first = half.first(np.ascontiguousarray(D[row : row + 1]), slot)
            kept.append(half.keeps(first.score))
            y = half.local(first.latent) if kept[-1] else cloud.remote(first.latent)
            rows.append(facts.scale(facts.serve(y[0])))
        cost[kind] = float(facts.cost(np.array(rows), target).mean())
        exits[kind] = np.array(kept)
    change = cost["int8"] / cost["fp32"] - 1
    same = (exits["int8"] == exits["fp32"]).mean()
    print(f"int8 at the edge: cost {change:+.3%}, equal exits {same:.2%}")


def payloads(folder: Path, demand: Demand, targets: range) -> None:
    """Send each slot, and those that the rule offloads, in each way; count bytes and cost."""
    edge, cloud = EdgeHalf(folder), CloudHalf(folder)
    facts = edge.facts
    D = history(facts.scale(demand.values), targets, facts.N)
    target = facts.scale(demand.values[targets.start : targets.stop])
    base: dict[str, tuple[float, float]] = {}
    for what in ("all", "gate"):
        for kind in ("latent", "latent_int8", "demand", "newest"):
            sender, windows = Sender(kind, 1), Windows(1)
            sizes, rows = [], []
            for row, slot in enumerate(targets):
                window = np.ascontiguousarray(D[row : row + 1])
                first = edge.first(window, slot)
                if what == "gate" and edge.keeps(first.score):
                    y = edge.local(first.latent)
                else:
                    message = Offload(edge="edge1", model=facts.model, slot=slot)
                    sender.fill(message, window, first.latent)
                    sizes.append(message.ByteSize())
                    z, window_there = decode(
                        message, cloud.latent_shape, facts.N, facts.vnfs, windows
                    )
                    sender.delivered(message)
                    if window_there is not None:
                        z = cloud.latent(window_there[None])[0]
                    assert z is not None
                    y = cloud.remote(z[None])
                rows.append(facts.scale(facts.serve(y[0])))
            cost = float(facts.cost(np.array(rows), target).mean())
            mean = float(np.mean(sizes))
            base.setdefault(what, (mean, cost))
            print(
                f"{what:5} {kind:12} {mean:8.0f} bytes ({mean / base[what][0]:.2%}), "
                f"cost {cost / base[what][1] - 1:+.4%}"
            )


def soak(folder: Path, demand: Demand, requests: int) -> None:
    """Send many slots while one in twenty meets a line that breaks, lags, or brings garbage."""
    settings = change_edge(load_params(_PARAMS).serve, rule="cloud")
    rng = np.random.default_rng(0)
    faults = rng.random(requests) < 0.05
    kinds = rng.integers(0, 3, requests)
    with tempfile.TemporaryDirectory() as root, ServedPair(Path(root), settings, folder) as pair:
        cloud = pair.cloud()
        with delayed_line(cloud.port, 1.0) as (proxy, port):
            edge = pair.edge("edge", port)
            exits: list[int] = []
            spent: list[float] = []
            began = memory = 0.0
            with edge_client(edge) as decide:
                for i in range(requests):
                    proxy.rtt_ms = 1.0
                    if faults[i] and kinds[i] == 0:
                        proxy.cut()
                    elif faults[i] and kinds[i] == 1:
                        proxy.rtt_ms = 4 * settings.edge.deadline_ms
                    elif faults[i]:
                        proxy.garble()
                    start = demand.start + i * demand.slot_seconds
                    answer = decide(start, demand.values[i % demand.slots])
                    exits.append(answer.exit)
                    spent.append(answer.milliseconds)
                    if i == requests // 10:
                        memory, began = edge.resident_mb(), time.monotonic()
            grown = edge.resident_mb() - memory
            told = edge.metrics()
    reasons = {
        name[name.index('"') + 1 : -2]: int(value)
        for name, value in told.items()
        if name.startswith("ddnn_edge_fallbacks_total{")
    }
    late = [ms for ms, exit_ in zip(spent, exits, strict=True) if exit_ == 3]
    print(
        f"{requests} requests, {int(faults.sum())} faults: {len(exits)} answers, fallbacks "
        f"{reasons}, p99 {np.quantile(spent, 0.99):.1f} ms, of fallbacks "
        f"{np.quantile(late or [0], 0.99):.1f} ms (deadline {settings.edge.deadline_ms:g}), memory "
        f"{memory:.0f} MB {grown:+.1f} MB in {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
