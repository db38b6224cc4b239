"""The exported halves against the trained network, decision by decision."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ddnn.offload import decide
from ddnn.offload.samples import observe
from ddnn.runtime.bundle import Bundle
from ddnn.runtime.served import CloudHalf, EdgeHalf


@dataclass(frozen=True)
class Parity:
    """How far the halves are from torch, over some slots."""

    rule: str
    l0: float
    slots: int
    local: float
    """Largest difference of y_L, in full scales."""
    remote: float
    """The same of y_R."""
    score: float
    """Largest difference of the rule's score."""
    equal_decisions: float
    """Share of the slots that stay local in both, or in neither."""


def compare(
    folder: Path,
    bundle: Bundle,
    D: NDArray[np.float32],
    slots: NDArray[np.int64],
    rule: str | None = None,
    l0: float | None = None,
) -> Parity:
    """Run both on the same windows: the halves one slot at a time, as the processes do.

    Args:
        folder: The bundle.
        bundle: The same, loaded: the trained network in torch.
        D: (K, N, M), scaled.
        slots: (K,) numbers of the slots, from the start of the evaluated demand.
        rule: Offloading rule; None: the model's own.
        l0: Wanted share of local decisions; None: the model's own.
    """
    decider = bundle.decider(rule, l0)
    samples = observe(bundle.exits, D, slots)
    assert samples.latent is not None
    with torch.inference_mode():
        y_R = bundle.exits.remote(torch.from_numpy(samples.latent)).numpy()
    scores = decider.rule.score(samples)
    edge, cloud = EdgeHalf(folder, rule, l0), CloudHalf(folder)
    firsts = [
        edge.first(np.ascontiguousarray(D[row : row + 1]), int(slot))
        for row, slot in enumerate(slots)
    ]
    kept = np.array([edge.keeps(first.score) for first in firsts])
    return Parity(
        rule=edge.rule,
        l0=edge.l0,
        slots=len(slots),
        local=_apart([edge.local(first.latent)[0] for first in firsts], samples.local),
        remote=_apart([cloud.remote(first.latent)[0] for first in firsts], y_R),
        score=_apart([first.score for first in firsts], scores),
        equal_decisions=float((kept == decide(scores, decider.threshold)).mean()),
    )


def _apart(found: Any, expected: NDArray[Any]) -> float:
    return float(np.max(np.abs(np.asarray(found) - expected), initial=0.0))
