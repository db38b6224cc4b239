"""This machine's times of a decision, taken once for a trained network and kept beside the store.

    python -m tasks.times OUT.json < ORDER

A process of its own: torch's threads belong to the process. Times cannot be identical from run to
run, so they stay outside what is hashed.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from ddnn.errors import ArtefactError
from ddnn.evaluation.latency import PAPER_TIMES, Times
from ddnn.evaluation.measured import MeasuredTimes
from ddnn.nets import load_exits
from ddnn.offload.rules import load_rules
from ddnn.offload.samples import EdgeSamples
from ddnn.params import Params, parse_params
from tasks.home import PROJECT_ROOT, ddnn_home
from tasks.run_record import read_json

_DECISIONS = 400
_WARM_UP = 40
_GATE = "optimized_volume"


def measured_times(params: Params, folders: Mapping[str, Path], key: str) -> MeasuredTimes:
    """Give the times of one decision on this machine, measured if they were not yet.

    Args:
        params: The settings that the network and its rules were made with.
        folders: Outputs of the stages ``train`` and ``offloader``.
        key: Names network and rules, so that they are measured once.

    Raises:
        ArtefactError: The measuring process failed.
    """
    place = ddnn_home() / "times" / f"{key}.json"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        order = {
            "params": params.model_dump(mode="json"),
            "folders": {name: str(folder) for name, folder in folders.items()},
        }
        draft = place.with_suffix(".draft")
        one = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        done = subprocess.run(
            [sys.executable, "-m", "tasks.times", str(draft)],
            input=json.dumps(order),
            text=True,
            env=os.environ | one,
            cwd=PROJECT_ROOT,
            check=False,
        )
        if done.returncode != 0:
            raise ArtefactError("the times of a decision could not be measured; see above")
        draft.replace(place)
    facts = read_json(place)
    return MeasuredTimes(Times(**facts["layers"]), facts["rules"], facts["machine"])


def main() -> None:
    """Measure what standard input names, and write the file that the first argument names."""
    order = json.load(sys.stdin)
    torch.set_num_threads(1)
    facts = take(parse_params(order["params"]), {k: Path(v) for k, v in order["folders"].items()})
    Path(sys.argv[1]).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def take(params: Params, folders: Mapping[str, Path]) -> dict[str, Any]:
    """Measure the median time, in ms, of each layer block and each rule for one sample."""
    exits = load_exits(folders["train"])
    rules = load_rules(folders["offloader"], exits, params.setting.seed, params.offloader)
    rng = np.random.default_rng(0)
    demand = rng.random((_DECISIONS, exits.N, exits.vnfs), dtype=np.float32)
    windows = torch.from_numpy(demand).split(1)
    with torch.inference_mode():
        latents = [exits.latent(D) for D in windows]
        layers = {
            "f0_ms": _median_ms(lambda i: exits.latent(windows[i])),
            "f1_ms": _median_ms(lambda i: exits.local(latents[i])),
            "f2_ms": _median_ms(lambda i: exits.remote(latents[i])),
            "rtt_ms": PAPER_TIMES.rtt_ms,
        }
    samples = [
        EdgeSamples(np.array([i]), demand[i : i + 1], np.zeros((1, exits.vnfs), np.float32), None)
        for i in range(_DECISIONS)
    ]
    chosen = {name: rules.rule(name, 0.5) for name in rules.uncertainty}
    if _GATE in rules.gates:
        gates = rules.gates[_GATE]
        chosen[_GATE] = gates[min(gates, key=lambda l0: abs(l0 - 0.5))]
    return {
        "layers": layers,
        "rules": {
            name: _median_ms(lambda i, rule=rule: rule.score(samples[i]))
            for name, rule in chosen.items()
        },
        "machine": _machine(),
    }


def _median_ms(call: Callable[[int], object]) -> float:
    for i in range(_WARM_UP):
        call(i)
    seconds = []
    for i in range(_DECISIONS):
        started = time.perf_counter()
        call(i)
        seconds.append(time.perf_counter() - started)
    return 1000 * median(seconds)


def _machine() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'unnamed CPU'}, torch eager, one thread"


if __name__ == "__main__":
    main()
