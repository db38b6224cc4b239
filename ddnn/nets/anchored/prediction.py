"""What both exits predict for a context, as numpy arrays."""

import numpy as np
import torch

from ddnn.context import Context, View
from ddnn.decision import Predicted
from ddnn.nets.anchored.exits import AnchoredExits, Distribution
from ddnn.nets.anchored.features import Seen

_AT_ONCE = 1024  # decisions


def tensors(view: View) -> Seen:
    """Give a view as tensors that share its memory."""
    return Seen(*(torch.from_numpy(array) for array in view.arrays))


def predict(exits: AnchoredExits, context: Context) -> tuple[Predicted, Predicted]:
    """Predict at both exits, in evaluation mode.

    Args:
        exits: Trained.
        context: K decisions, built with ``exits.reaches``.

    Returns:
        The local and the remote prediction, (K, M) each.

    Raises:
        ModelError: The context is not one of this network's reaches and VNFs.
    """
    exits.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, max(len(context), 1), _AT_ONCE):
            part = context.part(slice(start, start + _AT_ONCE))
            parts.append(exits(tensors(part.edge), tensors(part.cloud)))
    local, remote = (_joined([part[index] for part in parts]) for index in (0, 1))
    return local, remote


def _joined(parts: list[Distribution]) -> Predicted:
    location = torch.cat([part.location for part in parts]).double().numpy()
    spread = np.exp(torch.cat([part.log_spread for part in parts]).double().numpy())
    return Predicted(location, spread)
