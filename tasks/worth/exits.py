"""Stage ``worth.exits``: the paper's exits and DeepCog, trained for one price, on one window.

Leaves the costs ``paper_local``, ``paper_remote`` and ``deepcog``, each ``@c_u=<c_u>`` (K,).
"""

import numpy as np

from ddnn.nets import load_exits
from ddnn.offload.samples import gather
from tasks.prepared import prepare
from tasks.stage import Stage
from tasks.systems import _remote_only
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
