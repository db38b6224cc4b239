"""From what the exits predict to allocations of least expected cost, for any cost."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.context import Context
from ddnn.cost import AllocationCost
from ddnn.decision import DecisionRule, ResidualShape
from ddnn.errors import ArtefactError
from ddnn.nets.anchored.exits import AnchoredExits
from ddnn.nets.anchored.prediction import predict

Floats = NDArray[np.float64]

_FILE = "allocator.json"


@dataclass(frozen=True)
class Allocator:
    """The calibrated shape of each exit's errors; no cost is in it."""

    local: ResidualShape
    remote: ResidualShape

    @classmethod
    def fit(cls, exits: AnchoredExits, context: Context, demand: NDArray[np.floating[Any]]) -> Self:
        """Calibrate both exits.

        Args:
            exits: Trained.
            context: K decisions of validation days, built with ``exits.reaches``.
            demand: (K, M), what these decisions met, scaled.
        """
        met = np.asarray(demand, dtype=np.float64)
        local, remote = predict(exits, context)
        return cls(ResidualShape.fit(local, met), ResidualShape.fit(remote, met))

    def rules(self, cost: AllocationCost) -> tuple[DecisionRule, DecisionRule]:
        """Give the local and the remote exit's decision rule under a cost."""
        return DecisionRule(self.local, cost), DecisionRule(self.remote, cost)

    def allocate(
        self, exits: AnchoredExits, context: Context, cost: AllocationCost
    ) -> tuple[Floats, Floats]:
        """Give y_L and y_R, each (K, M), of least expected cost under what each exit predicts."""
        local, remote = self.rules(cost)
        at_edge, at_cloud = predict(exits, context)
        return local.allocate(at_edge), remote.allocate(at_cloud)

    def to_json(self) -> dict[str, Any]:
        """Give plain values, for a JSON file."""
        return {"local": self.local.to_json(), "remote": self.remote.to_json()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of two shapes.
        """
        try:
            local, remote = values["local"], values["remote"]
        except (KeyError, TypeError) as error:
            raise ArtefactError(f"not an allocator ({error!r}); calibrate again") from error
        return cls(ResidualShape.from_json(local), ResidualShape.from_json(remote))


def save_allocator(allocator: Allocator, folder: Path) -> None:
    """Write ``allocator.json``; equal ones give equal bytes."""
    text = json.dumps(allocator.to_json(), sort_keys=True, allow_nan=False)
    (folder / _FILE).write_text(text + "\n", encoding="utf-8")


def load_allocator(folder: Path) -> Allocator:
    """Read what :func:`save_allocator` wrote.

    Raises:
        ArtefactError: The file is missing or damaged.
    """
    try:
        values = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{folder / _FILE}: cannot be read: {error}; train again") from error
    return Allocator.from_json(values)
