"""Stage ``worth.exits``: the paper's exits and DeepCog, trained for one price, on one window.

Leaves the costs ``paper_local``, ``paper_remote`` and ``deepcog``, each ``@c_u=<c_u>`` (K,).
"""

import numpy as np
import torch
from numpy.typing import NDArray

from ddnn.nets import Exits, load_exits
from ddnn.offload.samples import gather
from tasks.prepared import prepare
from tasks.stage import Stage
from tasks.worth.judged import cost_name, cost_of_served, window_facts, write


def run(stage: Stage) -> None:
    """Write result.npz."""
    prepared, c_u = prepare(stage), stage.params.setting.c_u
    targets = prepared.split.test
    D, d = prepared.windows(targets)
    samples = gather(
        load_exits(stage.inputs["train"]), D, d, np.asarray(targets), prepared.cost, False
    )
    served = {
        "paper_local": samples.local,
        "paper_remote": samples.remote,
        "deepcog": _remote_only(load_exits(stage.inputs["deepcog"]), D),
    }
    assert isinstance(c_u, float)
    arrays = {
        cost_name(name, c_u): cost_of_served(prepared.cost, y, d, prepared)
        for name, y in served.items()
    }
    write(stage, arrays, window_facts(prepared))


def _remote_only(exits: Exits, D: NDArray[np.float32]) -> NDArray[np.float32]:
    """Allocate y (K, M) with the remote exit alone."""
    with torch.inference_mode():
        parts = [
            exits.remote(exits.latent(torch.from_numpy(np.array(D[start : start + 256]))))
            for start in range(0, len(D), 256)
        ]
    return np.asarray(torch.cat(parts).numpy())
