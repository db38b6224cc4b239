"""The rules that score what the edge knows with numpy alone: by name, to JSON and back."""

from collections.abc import Mapping
from typing import Any, Protocol

from ddnn.decision import DecisionRule
from ddnn.errors import ArtefactError
from ddnn.offload.expected_benefit import ExpectedBenefit
from ddnn.offload.expected_cost import ExpectedCost
from ddnn.offload.known import Floats, Known

KNOWN_GATES = (ExpectedCost.name, ExpectedBenefit.name)
"""Their names, as in params.yaml."""


class KnownGate(Protocol):
    """Scores what the edge knows; it serves every L0."""

    @property
    def name(self) -> str:
        """As in params.yaml."""

    def score(self, known: Known) -> Floats:
        """Give (K,) scores: the higher, the harder."""


def gate_to_json(gate: KnownGate) -> dict[str, Any]:
    """Give what was learned as plain values; the cost is not in it."""
    return gate.to_json() if isinstance(gate, ExpectedBenefit) else {}


def gate_from_json(name: str, values: Mapping[str, Any], local: DecisionRule) -> KnownGate:
    """Rebuild a gate, under the cost of the local exit's decision rule.

    Raises:
        ArtefactError: There is no such gate, or the values are not its.
    """
    if name == ExpectedCost.name:
        return ExpectedCost(local)
    if name == ExpectedBenefit.name:
        return ExpectedBenefit.from_json(values, local.cost)
    raise ArtefactError(f"{name}: this program knows no such rule; install the one that wrote it")
