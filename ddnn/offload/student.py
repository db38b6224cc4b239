"""A small student of the remote exit: what that would say, from what the edge knows (numpy only).

One line for all VNFs, so that it is small and needs few days; what differs from VNF to VNF in the
mean is kept for each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.decision import Predicted
from ddnn.errors import ArtefactError
from ddnn.offload.known import Floats, Known
from ddnn.offload.line import Line

_PENALTY = 10.0
_LEAST = 1e-4
"""Full scales; a VNF that hardly moves has no smaller step."""

_NODES = 5
"""Equally likely errors of the student that an expectation is taken over."""

_BOUND = 4.0
"""Logarithm of how much larger or smaller than the edge's spread a remote one can be."""


@dataclass(frozen=True, eq=False)
class Student:
    """Predicts the remote exit's allocations, or the distributions that it predicts."""

    step: Floats
    """(M,): root mean square change of the demand from slot to slot."""
    mean: Floats
    """(M, O): what the line is added to; O = 1 for allocations, 2 for distributions."""
    line: Line
    """Allocations: (y_R - y_L) / step. Distributions: how far the remote location is from the
    edge's, in spreads of the edge, and the logarithm of the ratio of the spreads."""
    errors: Floats
    """(Q,) of the remote location, in spreads of the edge; ``[0]`` for allocations."""

    @property
    def distributions(self) -> bool:
        """Whether the remote exit gives distributions."""
        return self.mean.shape[1] == 2

    @classmethod
    def fit(cls, known: Known, remote: NDArray[np.floating[Any]] | Predicted) -> Self:
        """Fit to what the remote exit gave, allocations (K, M) or predictions, in K decisions.

        Raises:
            ValueError: There are fewer than two decisions, or the arrays do not fit one another.
        """
        given = remote.location if isinstance(remote, Predicted) else np.asarray(remote)
        if len(known) < 2 or given.shape != known.local.shape:
            raise ValueError(
                f"a student needs two decisions or more and what the remote exit gave for each, "
                f"but there are {known.local.shape} and {given.shape}"
            )
        step = usual_step(known)
        wanted = _wanted(known, remote, step)
        mean = wanted.mean(axis=0)
        rows = regressors(known, step)
        line = Line.fit(rows, wanted - mean, _PENALTY)
        errors = np.zeros(1)
        if isinstance(remote, Predicted):
            errors = _nodes((wanted - mean - line(rows))[..., 0])
        return cls(step, mean, line, errors)

    def allocations(self, known: Known) -> Floats:
        """Predict y_R (K, M), scaled."""
        told = self._told(known)[..., 0]
        return np.asarray(known.local + self.step * told)

    def distribution(self, known: Known) -> Predicted:
        """Predict what the remote exit may say, (Q, K, M), each as likely as the others."""
        told = self._told(known)
        spread = known.predicted.spread
        moved = told[..., 0] + self.errors[:, None, None]
        ratio = np.exp(np.minimum(np.maximum(told[..., 1], -_BOUND), _BOUND))
        location = known.predicted.location + spread * moved
        return Predicted(location, np.broadcast_to(spread * ratio, location.shape))

    def _told(self, known: Known) -> Floats:
        known.refuse_others(self.step.size)
        return np.asarray(self.line(regressors(known, self.step)) + self.mean)

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
            ArtefactError: The values are not those of a student.
        """
        try:
            step, mean, errors = (
                np.array(values[name], dtype=np.float64) for name in ("step", "mean", "errors")
            )
            line = Line.from_json(values["line"], outputs=2 if mean.shape[1:] == (2,) else 1)
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not a student ({error!r}); fit it again") from error
        outputs = line.weights.shape[1]
        if step.ndim != 1 or not step.size or mean.shape != (step.size, outputs):
            raise ArtefactError("not a student (not a step and a mean per VNF); fit it again")
        if errors.ndim != 1 or not errors.size:
            raise ArtefactError("not a student (no errors); fit it again")
        if not all(np.isfinite(each).all() for each in (step, mean, errors)) or (step <= 0).any():
            raise ArtefactError("not a student (a number is out of range); fit it again")
        return cls(step, mean, line, errors)


def usual_step(known: Known) -> Floats:
    """Root mean square change (M,) of the demand from slot to slot, in the newest of each D."""
    last, before = known.recent[:, -1], known.recent[:, -2:][:, 0]
    squares = np.square(last - before, dtype=np.float64)
    return np.asarray(np.maximum(np.sqrt(squares.mean(axis=0)), _LEAST))


def regressors(known: Known, step: Floats) -> Floats:
    """Give what a line sees of each decision and VNF, (K, M, P), in usual steps of the VNF.

    What :func:`signals` gives, its means over the VNFs, and the calendar.
    """
    own = signals(known, step)
    shared = np.concatenate([own.mean(axis=1), known.calendar], axis=-1)[:, None]
    shared = np.broadcast_to(shared, (*own.shape[:2], shared.shape[-1]))
    return np.concatenate([own, shared], axis=-1)


def signals(known: Known, step: Floats) -> Floats:
    """Give what is known of each VNF, and the sizes of all that, (K, M, 2 (N + 4)).

    How demand has just moved and where it stands, where the edge's location and y_L lie, how sure
    the edge is.
    """
    last = known.recent[:, -1]
    location, spread = known.predicted.location, known.predicted.spread
    N = known.recent.shape[1]
    own = np.empty((*last.shape, 2 * (N + 4)))
    own[..., : N - 1] = np.moveaxis(np.diff(known.recent, axis=1), 1, -1) / step[:, None]
    own[..., N - 1] = last
    own[..., N] = (known.local - last) / step
    own[..., N + 1] = (location - last) / step
    own[..., N + 2] = (known.local - location) / spread
    own[..., N + 3] = np.log(spread / step)
    np.abs(own[..., : N + 4], out=own[..., N + 4 :])
    return own


def _wanted(known: Known, remote: NDArray[np.floating[Any]] | Predicted, step: Floats) -> Floats:
    """What the line is to give, (K, M, O)."""
    if not isinstance(remote, Predicted):
        return np.asarray((np.asarray(remote, dtype=np.float64) - known.local) / step)[..., None]
    edge = known.predicted
    moved = (remote.location - edge.location) / edge.spread
    return np.stack([moved, np.log(remote.spread / edge.spread)], axis=-1)


def _nodes(errors: Floats) -> Floats:
    """Means (Q,) of the Q equal parts of the sorted errors."""
    return np.array([part.mean() for part in np.array_split(np.sort(errors.ravel()), _NODES)])
