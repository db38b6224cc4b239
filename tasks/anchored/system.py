"""The trained exits that predict a distribution, with the cost of the setting."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ddnn.nets.anchored import Allocator, AnchoredExits, load_allocator, load_anchored
from ddnn.offload.anchored import JudgedSamples, KnownSamples, Price, judged, observe
from tasks.anchored.past import contexts, met
from tasks.prepared import Prepared


@dataclass(frozen=True, eq=False)
class AnchoredSystem:
    """Exits and the shapes of their errors: what the stage ``train`` gave."""

    exits: AnchoredExits
    allocator: Allocator
    prepared: Prepared

    @classmethod
    def load(cls, trained: Path, prepared: Prepared) -> Self:
        """Read it.

        Raises:
            ArtefactError: A file is missing or damaged.
        """
        return cls(load_anchored(trained), load_allocator(trained), prepared)

    def observe(self, targets: range) -> tuple[KnownSamples, NDArray[np.float64]]:
        """Give what the edge knows of the targets, and y_R (K, M), which it does not."""
        context = contexts(self.prepared, targets, self.exits.reaches)
        return observe(self.exits, self.allocator, self.prepared.cost, context, targets)

    def judge(self, targets: range, price: Price) -> JudgedSamples:
        """Give the targets with their outcome, priced."""
        return judged(*self.observe(targets), met(self.prepared, targets), price)
