"""The serving commands of the checkout: settings and models for the processes, replay, demo."""

import itertools
import json
import logging
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from ddnn.demand import load_matrix
from ddnn.errors import DdnnError
from ddnn.params import Params
from ddnn.runtime.manifest import read_origin
from ddnn.runtime.model_store import ModelStore
from ddnn.runtime.models import load_model
from ddnn.runtime.replay import Replayed, delayed_line, replay, table
from ddnn.runtime.served_pair import ServedPair, edge_client
from flows.models import champion_of, served_folder

log = logging.getLogger("ddnn")

_EXITS = {1: "local", 2: "remote", 3: "fallback", 4: "cold"}


def publish(bundle: Path, models: Path) -> str:
    """Make a bundle the current model of a folder that ``ddnn-cloud`` serves from."""
    model = ModelStore(models).publish(bundle)
    origin = read_origin(bundle)
    known = f" (version {origin['version']}, MLflow run {origin['run']})" if origin else ""
    return f"model {model}{known} is current in {models}"


def follow_champion(models: Path, params: Params, seconds: float, looks: int | None = None) -> None:
    """Keep the alias ``champion`` of the current demand and setting published.

    It runs where the cloud runs: what MLflow names champion is served there, within ``seconds``.
    While MLflow is away, or names none, the cloud goes on with what it has.

    Args:
        models: Folder that the cloud serves from.
        params: The settings.
        seconds: Between two looks.
        looks: How many; None: until Ctrl-C.
    """
    known, said = None, ""
    for look in itertools.count() if looks is None else range(looks):
        if look:
            time.sleep(seconds)
        try:
            found = champion_of(params)
            if found is None or found != known:
                with served_folder("champion", None, params) as folder:
                    log.info("%s", publish(folder, models))
            known, said = found, ""
        except DdnnError as error:
            if said != str(error):  # once, not at every look
                said = str(error)
                log.warning("%s; the cloud keeps the model that it has", said)


def replay_file(
    bundle: Path,
    demand: Path,
    params: Params,
    slots: int,
    l0s: list[float],
    rtts_ms: list[float],
    out: Path | None,
) -> None:
    """Replay the newest slots of a demand file, and print what was measured beside the formula."""
    model = load_model(bundle)
    facts = model.facts
    found, _ = load_matrix(
        demand, gaps=facts.gaps, name=str(demand), unit=facts.unit, timezone=facts.timezone
    )
    rule = params.serve.edge.rule or facts.rule
    trained = model.rules.trained_l0(rule)
    chosen = l0s or list(trained or (0.3, 0.5, 0.7))
    cases = [("cloud", 0.0), *((rule, l0) for l0 in chosen), ("edge", 1.0)]
    first = max(facts.N, found.slots - slots)

    def tell(result: Replayed) -> None:
        log.info("%s, L0 %g, %g ms: %.2f ms", result.rule, result.l0, result.rtt_ms, result.mean_ms)

    results = replay(bundle, found, params.serve, range(first, found.slots), cases, rtts_ms, tell)
    print(table(results))
    if out is not None:
        rows = [vars(result) for result in results]
        out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def demo(bundle: Path, params: Params, edges: int, slots: int, rtt_ms: float, pause: float) -> None:
    """Run one cloud and some edges on made demand of the model's own range; end by itself."""
    model = load_model(bundle)
    facts = model.facts
    with (
        tempfile.TemporaryDirectory(prefix="ddnn-demo-") as root,
        ServedPair(Path(root), params.serve, bundle) as pair,
    ):
        cloud = pair.cloud()
        line = delayed_line(cloud.port, rtt_ms) if rtt_ms else nullcontext((None, cloud.port))
        with line as (_, port):
            names = [f"edge{number + 1}" for number in range(edges)]
            wait = max(params.serve.edge.deadline_ms, 2 * rtt_ms + 50)
            running = [pair.edge(name, port, deadline_ms=wait) for name in names]
            print(f"cloud: model {pair.model}, port {cloud.port}, {rtt_ms:g} ms away")
            for name, edge in zip(names, running, strict=True):
                page = f"http://127.0.0.1:{edge.metrics_port}/metrics"
                print(f"{name}: port {edge.port}, metrics {page}")
            demand = made_demand(facts.series, model.scaling.minimum, model.scaling.span, slots)
            for slot in range(slots):
                told = []
                for name, edge in zip(names, running, strict=True):
                    with edge_client(edge) as decide:
                        start = facts.start + slot * facts.slot_seconds
                        answer = decide(start, demand[slot])
                    told.append(f"{name} {_EXITS[answer.exit]:8} {answer.milliseconds:6.1f} ms")
                print(f"slot {slot:3d}   " + "   ".join(told))
                time.sleep(pause)
            told_of_cloud = cloud.metrics()
        answered = told_of_cloud.get('ddnn_cloud_requests_total{result="answered"}', 0)
        print(f"cloud answered {answered:.0f} decisions; all processes end now")


def made_demand(
    series: tuple[str, ...],
    minimum: np.ndarray,
    span: np.ndarray,
    slots: int,
) -> np.ndarray:
    """Give smooth demand (slots, M) within the range of a model's training, for a demo."""
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 2 * np.pi, len(series))
    level = 0.4 + 0.25 * np.sin(2 * np.pi * np.arange(slots)[:, None] / 72 + phase)
    noise = rng.normal(0, 0.03, (slots, len(series)))
    return np.maximum(minimum + span * (level + noise), 0.0)
