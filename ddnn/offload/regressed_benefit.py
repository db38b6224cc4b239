"""Rank decisions by a regression of the benefit that past ones had (numpy only)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ArtefactError
from ddnn.offload.known import Floats, Known
from ddnn.offload.line import Line
from ddnn.offload.student import signals, usual_step

_PENALTY = 100.0
"""Validation days are few: a slot counts little against the next one, which is nearly its copy."""


@dataclass(frozen=True, eq=False)
class RegressedBenefit:
    """Score = a line through the realised benefits, on means and maxima over the VNFs.

    It learns from outcomes, of which a slot gives one; the expected benefit needs none.
    """

    step: Floats
    """(M,): root mean square change of the demand from slot to slot."""
    line: Line

    name = "regressed_benefit"

    @classmethod
    def fit(cls, known: Known, benefit: NDArray[np.floating[Any]]) -> Self:
        """Fit on decisions whose outcome is known, on days that the exits were not trained on.

        Args:
            known: K past decisions of validation days.
            benefit: (K,) cost of the local exit minus cost of the remote exit.

        Raises:
            ValueError: There are fewer than two decisions, or not one finite benefit each.
        """
        wanted = np.asarray(benefit, dtype=np.float64)
        if len(known) < 2 or wanted.shape != (len(known),) or not np.isfinite(wanted).all():
            raise ValueError(
                f"need two decisions or more, and one finite benefit for each, but have "
                f"{len(known)} and {wanted.shape}"
            )
        step = usual_step(known)
        return cls(step, Line.fit(_pooled(known, step), wanted[:, None], _PENALTY))

    def score(self, known: Known) -> Floats:
        """Give the predicted benefit (K,) of K decisions, in units of cost: higher is harder.

        Raises:
            ValueError: The decisions are of other VNFs or another N than those of the fit.
        """
        known.refuse_others(self.step.size)
        return np.asarray(self.line(_pooled(known, self.step))[:, 0])

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        return {"step": self.step.tolist(), "line": self.line.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of such a gate.
        """
        try:
            step = np.array(values["step"], dtype=np.float64)
            line = Line.from_json(values["line"], outputs=1)
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(
                f"not a gate by regressed benefit ({error!r}); fit again"
            ) from error
        if step.ndim != 1 or not step.size or not (np.isfinite(step) & (step > 0)).all():
            raise ArtefactError(
                "not a gate by regressed benefit (not a step per VNF); fit it again"
            )
        return cls(step, line)


def _pooled(known: Known, step: Floats) -> Floats:
    """Means and maxima over the VNFs, and the calendar, (K, P)."""
    own = signals(known, step)
    return np.concatenate([own.mean(axis=1), own.max(axis=1), known.calendar], axis=-1)
