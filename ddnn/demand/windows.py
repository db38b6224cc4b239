"""Days for training, validation and test; scaling; windows of past demand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from ddnn.errors import ArtefactError, DemandError

DAY_SECONDS = 86400


@dataclass(frozen=True)
class Split:
    """Chronological ranges of TARGET slots: a window may reach back into an earlier range."""

    train: range
    """Starts at slot N, the first with a full window."""
    validation_fit: range
    """Validation days that the gates may learn on."""
    calibration: range
    """The newest validation days: thresholds only."""
    test: range

    @property
    def validation(self) -> range:
        """All validation days: fit, then calibration."""
        return range(self.validation_fit.start, self.calibration.stop)

    @property
    def learn_slots(self) -> range:
        """Slots that scaling and grid learn on: all before the validation days."""
        return range(0, self.train.stop)


def slots_in_days(days: int, slot_seconds: int) -> int:
    """Count the newest slots that start in the last ``days`` x 86400 s."""
    return -(-days * DAY_SECONDS // slot_seconds)


def split_by_days(
    slots: int,
    slot_seconds: int,
    N: int,
    test_days: int,
    validation_days: int,
    calibration_days: int,
    paper_test_slots: bool,
) -> Split:
    """Split by whole days (86400 s), counted back from the last slot.

    The test slots are the same for every N, unless ``paper_test_slots`` leaves out the first N of
    them, as the paper does (714 of 720 for N = 6).

    Args:
        slots: T.
        slot_seconds: Length of a slot; at least one slot must fit a day.
        N: Past slots that a decision sees.
        test_days: The newest days.
        validation_days: The days before them.
        calibration_days: The newest of the validation days.
        paper_test_slots: Leave out the first N test slots.

    Raises:
        DemandError: Slots are longer than a day, or too few for N and the days asked for.
    """
    if slot_seconds > DAY_SECONDS:
        raise DemandError(
            f"slots of {slot_seconds} s: days can only be split with slots of at most a day; "
            "bring demand with shorter slots"
        )
    held_out = slots_in_days(test_days + validation_days, slot_seconds)
    if slots < held_out + N + 1:
        raise DemandError(
            f"{slots} slots of {slot_seconds} s are too few: {test_days} test days and "
            f"{validation_days} validation days take {held_out}, and training needs at least "
            f"N + 1 = {N + 1} more; bring longer demand, or lower split.test_days, "
            "split.validation_days or setting.N"
        )
    test = slots - slots_in_days(test_days, slot_seconds)
    skipped = N if paper_test_slots else 0
    if test + skipped >= slots:
        raise DemandError(
            f"{test_days} test days are {slots - test} slots, and split.paper_test_slots leaves "
            f"out the first N = {N}: none remain; set it to false or raise split.test_days"
        )
    calibration = slots - slots_in_days(test_days + calibration_days, slot_seconds)
    if calibration - (slots - held_out) < 2:
        raise DemandError(
            "the gates need at least two labelled slots: raise split.validation_days, or lower "
            "split.calibration_days"
        )
    return Split(
        train=range(N, slots - held_out),
        validation_fit=range(slots - held_out, calibration),
        calibration=range(calibration, test),
        test=range(test + skipped, slots),
    )


@dataclass(frozen=True, eq=False)
class Scaling:
    """Min-max scaling per VNF, learned on training days: test demand may leave [0, 1]."""

    minimum: npt.NDArray[np.float64]
    """(M,), in the user's unit."""
    span: npt.NDArray[np.float64]
    """(M,), maximum - minimum; 1 for a series without any change."""
    constant: tuple[int, ...] = ()
    """Indices of the series whose span is 1 because they do not change."""

    @classmethod
    def fit(cls, values: npt.NDArray[np.floating[Any]]) -> Self:
        """Learn from ``values`` (slots, M): pass the training slots only."""
        minimum = values.min(axis=0).astype(np.float64)
        span = values.max(axis=0).astype(np.float64) - minimum
        still = span <= 0
        constant = tuple(int(index) for index in np.flatnonzero(still))
        return cls(minimum, np.where(still, 1.0, span), constant)

    def scale(self, values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        """Bring ``values`` (..., M) from the user's unit to full scales."""
        return (values - self.minimum) / self.span

    def unscale(self, values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        """Bring ``values`` (..., M) from full scales to the user's unit."""
        return values * self.span + self.minimum

    def to_json(self) -> dict[str, Any]:
        """Give plain values, for a JSON file."""
        return {
            "constant": list(self.constant),
            "minimum": self.minimum.tolist(),
            "span": self.span.tolist(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of a scaling.
        """
        try:
            minimum = np.asarray(values["minimum"], dtype=np.float64)
            span = np.asarray(values["span"], dtype=np.float64)
            constant = tuple(int(index) for index in values["constant"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"stored scaling: {error!r}; run the stage grid again") from error
        if minimum.ndim != 1 or span.shape != minimum.shape or not (span > 0).all():
            raise ArtefactError("stored scaling: not one positive span per VNF; run grid again")
        return cls(minimum, span, constant)


Float32 = npt.NDArray[np.float32]


def windows(
    values: npt.NDArray[np.floating[Any]], targets: range, N: int
) -> tuple[Float32, Float32]:
    """Cut the windows that decisions at the ``targets`` see, and the demand they meet.

    Args:
        values: (T, M).
        targets: K consecutive target slots, from slot N on.
        N: Past slots that a decision sees.

    Returns:
        D (K, N, M), ``D[:, -1]`` the newest slot, and d (K, M). D is a view on one copy of the
        slots (a slot occurs in N windows): read it, do not write to it.

    Raises:
        DemandError: A target has no full window, or lies after the last slot.
    """
    if targets and targets.stop > len(values):
        raise DemandError(f"target slot {targets.stop - 1} of {len(values)} slots has no demand")
    d = np.array(values[targets.start : targets.stop], dtype=np.float32)
    return history(values, targets, N), d


def history(values: npt.NDArray[np.floating[Any]], targets: range, N: int) -> Float32:
    """Cut only the windows D (K, N, M); a target may then be the slot after the last one.

    Raises:
        DemandError: A target has no full window.
    """
    if targets.step != 1:
        raise ValueError("targets must be consecutive slots")
    if not targets:
        return np.empty((0, N, values.shape[1]), dtype=np.float32)
    if targets.start < N or targets.stop - 1 > len(values):
        raise DemandError(
            f"no full window of N = {N} slots for each of the target slots {targets.start} to "
            f"{targets.stop - 1} in {len(values)} slots; bring longer demand or lower setting.N"
        )
    past = np.array(values[targets.start - N : targets.stop - 1], dtype=np.float32)
    # Writeable only because torch.from_numpy warns of arrays that are not.
    view = sliding_window_view(past, N, axis=0, writeable=True)
    return np.moveaxis(view, -1, 1)
