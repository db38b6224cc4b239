"""Small students of the remote exit: what that would say, from what the edge knows (numpy only)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.decision import Predicted
from ddnn.errors import ArtefactError
from ddnn.offload.known import Floats, Known
from ddnn.offload.line import Line
from ddnn.offload.signals import signals, step_from_json, usual_step

_PENALTY = 10.0

_NODES = 3
"""Equally likely errors of the student that an expectation is taken over."""

_BOUND = 4.0
"""Logarithm of how much larger or smaller than the edge's spread a remote one can be."""


@dataclass(frozen=True, eq=False)
class AllocationStudent:
    """Predicts the remote exit's allocations y_R: a line of its own for each VNF.

    Dense layers treat every VNF otherwise. A line that all VNFs share explains nothing of what
    such an exit does beyond the local one, lines on all past demand four fifths (docs/gates.md).
    """

    step: Floats
    """(M,): root mean square change of the demand from slot to slot."""
    line: Line
    """(y_R - y_L) / step of each VNF, on all of D, y_L and the calendar."""

    @classmethod
    def fit(cls, known: Known, remote: NDArray[np.floating[Any]]) -> Self:
        """Fit to what the remote exit gave, y_R (K, M), scaled, in K decisions.

        Raises:
            ValueError: There are fewer than two decisions, or the arrays do not fit one another.
        """
        _refuse(known, remote.shape)
        step = usual_step(known)
        wanted = (np.asarray(remote, dtype=np.float64) - known.local) / step
        return cls(step, Line.fit(_everything(known), wanted, _PENALTY))

    def predict(self, known: Known) -> Floats:
        """Predict y_R (K, M), scaled.

        Raises:
            ValueError: The decisions are of other VNFs or another N than those of the fit.
        """
        known.refuse_others(self.step.size)
        return np.asarray(known.local + self.step * self.line(_everything(known)))

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        return {"step": self.step.tolist(), "line": self.line.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of such a student.
        """
        step = step_from_json(values)
        return cls(step, Line.from_json(values.get("line"), outputs=step.size))


@dataclass(frozen=True, eq=False)
class DistributionStudent:
    """Predicts what the remote exit would predict: one line that all VNFs share.

    The exits that predict distributions treat all VNFs alike, too.
    """

    step: Floats
    """(M,): root mean square change of the demand from slot to slot."""
    mean: Floats
    """(M, 2): what the line is added to."""
    line: Line
    """How far the remote location is from the edge's, in spreads of the edge, and the logarithm of
    the ratio of the spreads."""
    errors: Floats
    """(Q,) of the remote location, in spreads of the edge, each as likely as the others."""

    @classmethod
    def fit(cls, known: Known, remote: Predicted) -> Self:
        """Fit to what the remote exit predicted, (K, M), in K decisions.

        Raises:
            ValueError: There are fewer than two decisions, or the arrays do not fit one another.
        """
        _refuse(known, remote.location.shape)
        edge, step = known.predicted, usual_step(known)
        moved = (remote.location - edge.location) / edge.spread
        wanted = np.stack([moved, np.log(remote.spread / edge.spread)], axis=-1)
        mean, rows = wanted.mean(axis=0), _each(known, step)
        line = Line.fit(rows, wanted - mean, _PENALTY)
        errors = np.sort((wanted - mean - line(rows))[..., 0], axis=None)
        nodes = np.array([part.mean() for part in np.array_split(errors, _NODES)])
        return cls(step, mean, line, nodes)

    def predict(self, known: Known) -> Predicted:
        """Predict what the remote exit may say, (Q, K, M), each as likely as the others.

        Raises:
            ValueError: The decisions are of other VNFs or another N than those of the fit.
        """
        known.refuse_others(self.step.size)
        told, edge = self.line(_each(known, self.step)) + self.mean, known.predicted
        location = edge.location + edge.spread * (told[..., 0] + self.errors[:, None, None])
        ratio = np.exp(np.minimum(np.maximum(told[..., 1], -_BOUND), _BOUND))
        spread = np.empty_like(location)
        spread[:] = edge.spread * ratio
        return Predicted(location, spread)

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        return {
            "step": self.step.tolist(),
            "mean": self.mean.tolist(),
            "line": self.line.to_json(),
            "errors": self.errors.tolist(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of such a student.
        """
        step = step_from_json(values)
        try:
            mean, errors = (np.array(values[name], dtype=np.float64) for name in ("mean", "errors"))
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not a student ({error!r}); fit it again") from error
        if mean.shape != (step.size, 2) or errors.ndim != 1 or not errors.size:
            raise ArtefactError("not a student (arrays that do not fit); fit it again")
        if not (np.isfinite(mean).all() and np.isfinite(errors).all()):
            raise ArtefactError("not a student (a number is not finite); fit it again")
        return cls(step, mean, Line.from_json(values.get("line"), outputs=2), errors)


def _everything(known: Known) -> Floats:
    """What all lines of a decision see, (K, N M + 5 M + 4).

    Past demand, y_L and the calendar; and bends, for an exit is no line: squares, how far y_L is
    from the last demand, and how far that is above its recent mean.
    """
    last, local = known.recent[:, -1], known.local
    above = np.maximum(last - known.recent.mean(axis=1), 0.0)
    bends = [np.abs(local - last), above, last**2, local**2]
    recent = known.recent.reshape(len(known), -1)
    return np.concatenate([recent, local, known.calendar, *bends], axis=-1, dtype=np.float64)


def _each(known: Known, step: Floats) -> Floats:
    """What the shared line sees of each VNF: its signals, their means, the calendar, (K, M, P)."""
    own = signals(known, step)
    count = own.shape[-1]
    rows = np.empty((*own.shape[:2], 2 * count + known.calendar.shape[1]))
    rows[..., :count] = own
    rows[..., count : 2 * count] = own.mean(axis=1)[:, None]
    rows[..., 2 * count :] = known.calendar[:, None]
    return rows


def _refuse(known: Known, given: tuple[int, ...]) -> None:
    if len(known) < 2 or given != known.local.shape:
        raise ValueError(
            f"a student needs two decisions or more and what the remote exit gave for each, but "
            f"there are {known.local.shape} and {given}"
        )
