"""The rules to compare with: Cloud, Edge, Random, and the Oracle that knows the outcome."""

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ModelError
from ddnn.offload.calibration import local_count
from ddnn.offload.draws import uniform_scores
from ddnn.offload.labelling import Critical, algorithm_1
from ddnn.offload.samples import EdgeSamples, Samples


@dataclass(frozen=True)
class CloudRule:
    """All decisions go to the cloud: L = 0."""

    name: str = "cloud"

    def score(self, samples: EdgeSamples) -> NDArray[np.float64]:
        """``(K,)``, all the same: no sample is easier than another."""
        return np.zeros(len(samples))

    def threshold(self, l0: float) -> float:
        """Give the threshold that no decision passes, whatever ``l0`` asks for."""
        return -inf


@dataclass(frozen=True)
class EdgeRule:
    """All decisions stay at the edge: L = 1."""

    name: str = "edge"

    def score(self, samples: EdgeSamples) -> NDArray[np.float64]:
        """``(K,)``, all the same: no sample is easier than another."""
        return np.zeros(len(samples))

    def threshold(self, l0: float) -> float:
        """Give the threshold that every decision passes, whatever ``l0`` asks for."""
        return inf


@dataclass(frozen=True)
class RandomRule:
    """A decision is local with probability L0, whatever the sample: i.i.d. Bernoulli (Table II)."""

    seed: int
    name: str = "random"

    def score(self, samples: EdgeSamples) -> NDArray[np.float64]:
        """``(K,)`` uniform in [0, 1); a slot's number depends on the seed and the slot alone."""
        return uniform_scores(self.seed, samples.slots)

    def threshold(self, l0: float) -> float:
        """Give L0 itself: the scores are uniform by construction, nothing is to be calibrated."""
        return float(l0) if local_count(1, l0) else -inf


@dataclass(frozen=True)
class OracleRule:
    """Algorithm 1 on the true costs of the very samples it decides on: a bound, no rule for use."""

    critical: Critical = "literal"
    name: str = "oracle"

    def score(self, samples: EdgeSamples) -> NDArray[np.float64]:
        """``(K,)`` true benefit of the remote exit.

        Raises:
            ModelError: The samples' outcome is not known.
        """
        return _with_outcome(samples).benefit

    def threshold(self, samples: EdgeSamples, l0: float) -> float:
        """Give b* of the samples themselves, as the ``critical`` of this Oracle says.

        Raises:
            ModelError: The samples' outcome is not known.
        """
        known = _with_outcome(samples)
        return algorithm_1(known.local_cost, known.remote_cost, l0, self.critical)


def _with_outcome(samples: EdgeSamples) -> Samples:
    if not isinstance(samples, Samples):
        raise ModelError("the Oracle needs the true costs: it judges past slots, and decides none")
    return samples
