"""What every alternative learns from, and the one protocol that all of them have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.context import Clock

if TYPE_CHECKING:  # what a headroom needs at run time is numpy
    from ddnn.demand import Demand, Scaling, Split

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Past:
    """Demand up to the last validation day; what comes behind is cut off and cannot be seen.

    Raises:
        ValueError: The days are not in order, or reach beyond the demand.
    """

    values: Floats
    """(T, M), scaled."""
    train: range
    """Target slots that headrooms learn on; consecutive, each with a slot before it."""
    validation: range
    """Later target slots, for what is chosen on days that it was not learned on; consecutive."""
    clock: Clock
    zero: Floats
    """(M,), where a demand of 0 units lies on the scale."""
    N: int
    """Past slots that a decision sees beside those of a day and a week ago."""

    def __post_init__(self) -> None:
        """Check the days, and cut."""
        train, validation = self.train, self.validation
        in_order = 1 <= train.start < train.stop <= validation.start < validation.stop
        if not in_order or {train.step, validation.step} != {1}:
            raise ValueError(
                f"training slots {train} and validation slots {validation} must be consecutive, "
                "not empty, in this order, and each with a slot before it"
            )
        if validation.stop > len(self.values):
            raise ValueError(f"validation slots {validation} in {len(self.values)} slots of demand")
        values = np.array(self.values[: validation.stop], dtype=np.float64)
        object.__setattr__(self, "values", values)

    @classmethod
    def of(cls, demand: "Demand", split: "Split", scaling: "Scaling", N: int) -> Self:
        """Take the days of a split, scaled as the networks' are."""
        return cls(
            values=scaling.scale(demand.values),
            train=split.train,
            validation=split.validation,
            clock=Clock(demand.start, demand.slot_seconds, demand.timezone),
            zero=scaling.scale(np.zeros(demand.vnfs)),
            N=N,
        )

    @property
    def days(self) -> range:
        """All target slots, validation days too: predictors learn on them, and leave days out."""
        return range(self.train.start, self.validation.stop)

    def demand(self, targets: range) -> Floats:
        """Demand (K, M) that the targets meet."""
        return self.values[targets.start : targets.stop]


class Alternative(Protocol):
    """What an operator could use instead: it allocates from past demand alone.

    Each also has a ``fit``, which takes a :class:`Past` and the cost; ``roster`` knows them all.
    """

    def allocate(self, values: NDArray[np.floating], targets: range) -> Floats:
        """Allocate for the targets, each from the slots before it alone.

        Args:
            values: Demand (T, M), scaled, from slot 0 on: slots keep the numbers of the fit.
            targets: K consecutive slots, at most slot T, the first that is not known yet.

        Returns:
            y (K, M), scaled.

        Raises:
            ValueError: A target lacks the past that it needs, or the VNFs are others.
        """

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not such.
        """


def lagged(values: NDArray[np.floating], targets: range, lag: int) -> Floats:
    """Demand (K, M) so many slots before each target; NaN where it is not known then.

    That is before slot 0, and for a lag below 1: the target itself and what follows it.

    Raises:
        ValueError: A target lies behind the first slot that is not known yet.
    """
    if targets.step != 1 or targets.stop - 1 > len(values) or targets.start < 0:
        raise ValueError(f"targets {targets} need consecutive slots, up to {len(values)}")
    first, last = targets.start - lag, targets.stop - lag
    if first >= 0 and lag >= 1:
        return np.asarray(values[first:last], dtype=np.float64)
    found = np.full((len(targets), values.shape[1]), np.nan)
    if lag >= 1 and last > 0:
        found[-last:] = values[:last]
    return found


def known(values: NDArray[np.floating], targets: range, lag: int, vnfs: int) -> Floats:
    """Demand (K, M) so many slots before each target, all of it known.

    Raises:
        ValueError: It is not for some target, or ``values`` are of another number of VNFs.
    """
    if values.shape[1] != vnfs:
        raise ValueError(f"demand of {values.shape[1]} VNFs, fitted for {vnfs}")
    if targets.start < lag:
        raise ValueError(f"target slot {targets.start} has no demand {lag} slots before it")
    return lagged(values, targets, lag)
