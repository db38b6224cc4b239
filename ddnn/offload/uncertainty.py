"""The Uncertainty Rule: how much the local exit wavers when its neurons drop out."""

import numpy as np
import torch
from numpy.typing import NDArray

from ddnn.errors import ModelError
from ddnn.nets.exits import Exits
from ddnn.offload.draws import keep_masks
from ddnn.offload.samples import EdgeSamples

_ROWS = 512  # slots x passes that run at once; bounds the memory of the masks (20 MB on 49 VNFs)


class UncertaintyRule:
    """Score = eq. (10): the largest variance, over VNFs, of B local allocations under dropout.

    The masks are drawn for (seed, slot, pass): a slot's score does not depend on the batch it came
    in (but for the rounding of the matrix products), and the passes of a rule with a smaller B are
    the first of one with a larger. Dropout acts in F0 and F1 and only here; the allocation that a
    local decision uses is the unperturbed one.
    """

    def __init__(self, exits: Exits, passes: int, ddof: int, seed: int) -> None:
        """Set up the rule.

        Args:
            exits: The trained network.
            passes: B, at least 2.
            ddof: 1 divides the squared deviations by B - 1, 0 by B. This scales all scores of a
                rule alike: it matters for a threshold that is given, not for a calibrated one.
            seed: Of the masks.

        Raises:
            ModelError: The network has no local exit or no dropout at the edge, where every
                variance would be zero and all decisions alike; or B is below 2.
        """
        if exits.remote_only:
            raise ModelError("the Uncertainty Rule needs a local exit; this network has none")
        if exits.dropout <= 0 or not exits.mask_shapes:
            raise ModelError(
                "the Uncertainty Rule needs dropout in F0 and F1; train with train.dropout above 0"
            )
        if passes < 2:
            raise ModelError(f"a variance needs two passes or more, but offloader B is {passes}")
        self.name = f"uncertainty_b{passes}"
        self._exits = exits
        self._passes = passes
        self._ddof = ddof
        self._seed = seed

    def score(self, samples: EdgeSamples) -> NDArray[np.float64]:
        """Give the uncertainty U of each sample.

        Args:
            samples: ``(K, N, M)`` demand with its slots.

        Returns:
            ``(K,)``, in squared units of a VNF's full scale.
        """
        self._exits.eval()
        scores = np.empty(len(samples))
        step = max(1, _ROWS // self._passes)
        for start in range(0, len(samples), step):
            part = slice(start, start + step)
            scores[part] = self._chunk(samples.demand[part], samples.slots[part])
        return scores

    def _chunk(self, demand: NDArray[np.float32], slots: NDArray[np.int64]) -> NDArray[np.float64]:
        repeated = torch.from_numpy(np.repeat(demand, self._passes, axis=0))
        with torch.no_grad():
            rows = self._exits.edge_masked(repeated, self.masks(slots))
        allocations = rows.double().numpy().reshape(len(slots), self._passes, -1)
        # Eq. (10): U = max over m of Var(y_L^m)
        worst: NDArray[np.float64] = allocations.var(axis=1, ddof=self._ddof).max(axis=-1)
        return worst

    def masks(self, slots: NDArray[np.int64]) -> list[torch.Tensor]:
        """Draw the 0/1 keep masks of the B passes of some slots.

        Args:
            slots: ``(K,)``.

        Returns:
            For each place of dropout a tensor ``(K * B, *shape)``; the passes of a slot follow
            one another.
        """
        exits = self._exits
        drawn = keep_masks(self._seed, slots, self._passes, exits.mask_shapes, exits.dropout)
        return [torch.from_numpy(np.ascontiguousarray(mask)) for mask in drawn]
