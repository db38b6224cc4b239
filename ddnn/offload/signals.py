"""What is known of each VNF at a decision, in units that all VNFs share (numpy only)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ddnn.errors import ArtefactError
from ddnn.offload.known import Floats, Known

_LEAST = 1e-4
"""Full scales; a VNF that hardly moves has no smaller step."""


def usual_step(known: Known) -> Floats:
    """Root mean square change (M,) of the demand from slot to slot, in the newest of each D."""
    last, before = known.recent[:, -1], known.recent[:, -2:][:, 0]
    squares = np.square(last - before, dtype=np.float64)
    return np.asarray(np.maximum(np.sqrt(squares.mean(axis=0)), _LEAST))


def signals(known: Known, step: Floats) -> Floats:
    """Give what is known of each VNF, and the sizes of all that, (K, M, 2 (N + 4)).

    How demand has just moved and where it stands, where the edge's location and y_L lie, how sure
    the edge is.
    """
    last = known.recent[:, -1]
    location, spread = known.predicted.location, known.predicted.spread
    N = known.recent.shape[1]
    own = np.empty((*last.shape, 2 * (N + 4)))
    changes = known.recent[:, 1:] - known.recent[:, :-1]
    own[..., : N - 1] = changes.transpose(0, 2, 1) / step[:, None]
    own[..., N - 1] = last
    own[..., N] = (known.local - last) / step
    own[..., N + 1] = (location - last) / step
    own[..., N + 2] = (known.local - location) / spread
    own[..., N + 3] = np.log(spread / step)
    np.abs(own[..., : N + 4], out=own[..., N + 4 :])
    return own


def step_from_json(values: Mapping[str, Any]) -> Floats:
    """Read the steps (M,) of a stored gate.

    Raises:
        ArtefactError: They are none.
    """
    try:
        step = np.array(values["step"], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(f"not a gate ({error!r}); fit it again") from error
    if step.ndim != 1 or not step.size or not (np.isfinite(step) & (step > 0)).all():
        raise ArtefactError("not a gate (not a positive step for each VNF); fit it again")
    return step
