"""Writes the edge half and the cloud half of a model, and holds them against torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ddnn.errors import ModelError
from ddnn.nets import Exits
from ddnn.offload import l0_key, threshold_to_json
from ddnn.offload.optimized import OptimizedRule
from ddnn.offload.rules import RuleSet, gate_file
from ddnn.offload.samples import EdgeSamples, observe
from ddnn.runtime.onnx_graph import (
    latent_shape,
    write_gate,
    write_latent,
    write_local,
    write_masked,
    write_remote,
)
from ddnn.runtime.onnx_model import TOLERANCE
from ddnn.runtime.onnx_run import Part
from ddnn.runtime.served import EDGE, EDGE_FACTS, INT8, PARTS

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Windows of the calibration days: what scores an edge may expect before it has its own."""

    demand: Floats
    """D (K, N, M), scaled."""
    slots: NDArray[np.int64]
    """(K,)."""


def write_parts(folder: Path, exits: Exits, rules: RuleSet, calibration: Calibration) -> float:
    """Write ``edge/`` and ``cloud/``.

    Returns:
        The largest difference from torch on the calibration days, of any exit (in full scales)
        and of any gate's probability.

    Raises:
        ModelError: It is above the tolerance, or an Uncertainty Rule's variance is 0.
    """
    for name in (EDGE, f"{EDGE}/gates", INT8, f"{INT8}/gates", "cloud"):
        (folder / name).mkdir()
    write_latent(exits, folder / PARTS["latent"])
    write_local(exits, folder / PARTS["local"])
    write_local(exits, folder / INT8 / "local.onnx", "int8")
    write_remote(exits, folder / PARTS["remote"])
    samples = observe(exits, calibration.demand, calibration.slots)
    worst = _check_exits(folder, exits, samples)
    table: dict[str, Any] = {}
    if exits.mask_shapes and exits.dropout > 0:
        write_masked(exits, folder / PARTS["masked"])
    for name, rule in rules.uncertainty.items():
        table[name] = {
            "passes": int(name.removeprefix("uncertainty_b")),
            "ddof": rules.variance_ddof,
            "scores": _in_order(rules.scores[name], rule.score(samples)).tolist(),
        }
        if not min(table[name]["scores"]) > 0:
            raise ModelError(
                f"{name}: a calibration slot has no variance; the masks have no effect"
            )
    for name, gates in rules.gates.items():
        files = {}
        for l0, gate in gates.items():
            file = f"{gate_file(name, l0)}.onnx"
            write_gate(gate.gate, exits, folder / EDGE / "gates" / file)
            write_gate(gate.gate, exits, folder / INT8 / "gates" / file, "int8")
            scores = gate.score(samples)
            worst = max(worst, _check_gate(folder / EDGE / "gates" / file, gate, samples, scores))
            files[l0_key(l0)] = {
                "file": file,
                "threshold": threshold_to_json(rules.gate_thresholds[name][l0]),
                "scores": scores.tolist(),
            }
        feature = next(iter(gates.values())).gate.plan.feature
        table[name] = {"reads": "local" if feature == "local" else "demand", "gates": files}
    facts = {
        "latent_shape": list(latent_shape(exits)),
        "mask_shapes": [list(shape) for shape in exits.mask_shapes],
        "dropout": exits.dropout,
        "rules": table,
    }
    text = json.dumps(facts, sort_keys=True, allow_nan=False)
    (folder / EDGE_FACTS).write_text(text + "\n", encoding="utf-8")
    return _within(worst)


def _in_order(sorted_scores: NDArray[np.float64], anew: NDArray[np.float64]) -> Any:
    """Give the calibrated scores in the order of their slots, to the last bit.

    They were stored sorted. Computed anew they may round differently, and a threshold with them.
    """
    if len(anew) != len(sorted_scores):
        return sorted_scores
    return sorted_scores[np.argsort(np.argsort(anew, kind="stable"), kind="stable")]


def _check_exits(folder: Path, exits: Exits, samples: EdgeSamples) -> float:
    assert samples.latent is not None
    (z,) = Part(folder / PARTS["latent"], ["latent"])(demand=np.ascontiguousarray(samples.demand))
    (local,) = Part(folder / PARTS["local"], ["local"])(latent=z)
    (remote,) = Part(folder / PARTS["remote"], ["remote"])(latent=z)
    with torch.inference_mode():
        expected = exits.remote(torch.from_numpy(samples.latent)).numpy()
    return max(_difference(local, samples.local), _difference(remote, expected))


def _check_gate(
    path: Path, rule: OptimizedRule, samples: EdgeSamples, scores: NDArray[np.float64]
) -> float:
    part = Part(path, ["odds"])
    if rule.gate.plan.feature == "local":
        (odds,) = part(local=samples.local)
    else:
        (odds,) = part(demand=np.ascontiguousarray(samples.demand))
    return _difference(1 / (1 + np.exp(-odds.astype(np.float64))), scores)


def _difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.max(np.abs(found - expected), initial=0.0))


def _within(worst: float) -> float:
    if not worst <= TOLERANCE:  # a NaN too
        raise ModelError(
            f"the halves for edge and cloud differ from torch by {worst:.2g} of full scale, more "
            f"than {TOLERANCE:g}; try other releases of onnx and onnxruntime"
        )
    return worst
