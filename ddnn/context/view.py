"""One side's view of the past at a decision: newest slots, slots days ago, what is missing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ddnn.context.clock import Clock
from ddnn.errors import DemandError

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Reach:
    """How far back a view goes.

    Raises:
        ValueError: A number is too small for a view.
    """

    recent: int
    """R: newest slots, those just before the target."""
    around: int
    """Slots on either side of the one that lies a lag before the target."""
    lags: tuple[int, ...]
    """L distances from the target, in slots: a day and a week, mostly."""

    def __post_init__(self) -> None:
        if self.recent < 1 or self.around < 1 or min(self.lags, default=1) < 1:
            raise ValueError(f"{self}: one recent slot, one around and lags of one slot at least")

    @property
    def width(self) -> int:
        """W, slots around one lag."""
        return 2 * self.around + 1


@dataclass(frozen=True, eq=False)
class View:
    """What one side sees at each of K decisions; what it cannot know is 0, and marked 0.

    ``recent`` is a view on one copy of the slots (a slot occurs in R decisions): read it, do not
    write to it.
    """

    recent: Float32
    """(K, R, M), scaled; the newest slot last."""
    recent_known: Float32
    """(K, R), 1 or 0: the history begins only with the first slot."""
    ago: Float32
    """(K, L, W, M), scaled; the slot a lag before the target in the middle."""
    ago_known: Float32
    """(K, L, W), 1 or 0."""
    calendar: Float32
    """(K, 4), of the target: see :meth:`Clock.calendar`."""

    def __len__(self) -> int:
        return len(self.recent)

    @property
    def arrays(self) -> tuple[Float32, ...]:
        """All five, in the order of their definition: what a network or a session takes."""
        return self.recent, self.recent_known, self.ago, self.ago_known, self.calendar

    def part(self, decisions: slice | NDArray[np.intp]) -> "View":
        """Give some of the decisions."""
        return View(*(array[decisions] for array in self.arrays))


def build_view(
    values: NDArray[np.floating[Any]], targets: range, clock: Clock, reach: Reach
) -> View:
    """Cut what one side sees when it decides on the targets; never a slot from its target on.

    Args:
        values: (T, M), scaled.
        targets: K consecutive target slots, from slot 1 on; the last may be T, the slot after.
        clock: Of the slots.
        reach: How far back.

    Raises:
        DemandError: A target has no slot before it, or lies beyond the slot after the last.
    """
    if targets.step != 1:
        raise ValueError("targets must be consecutive slots")
    if targets and (targets.start < 1 or targets.stop - 1 > len(values)):
        raise DemandError(
            f"decisions on slots {targets.start} to {targets.stop - 1} need the slots before them, "
            f"but there are {len(values)}; bring longer demand"
        )
    recent, recent_known = _around(values, targets, -reach.recent, reach.recent)
    pairs = [_around(values, targets, -lag - reach.around, reach.width) for lag in reach.lags]
    shape = (len(targets), 0, reach.width)
    return View(
        recent=recent,
        recent_known=recent_known.astype(np.float32),
        ago=_stack([p * known[..., None] for p, known in pairs], (*shape, values.shape[1])),
        ago_known=_stack([known for _, known in pairs], shape),
        calendar=clock.calendar(targets),
    )


def _stack(parts: list[NDArray[Any]], empty: tuple[int, ...]) -> Float32:
    stacked = np.stack(parts, axis=1) if parts else np.empty(empty)
    return stacked.astype(np.float32)


def _around(
    values: NDArray[np.floating[Any]], targets: range, first: int, count: int
) -> tuple[Float32, NDArray[np.bool_]]:
    """Give ``count`` slots from ``target + first`` on, (K, count, M), and which are known."""
    if not targets:
        return np.empty((0, count, values.shape[1]), np.float32), np.empty((0, count), np.bool_)
    begin, end = targets.start + first, targets.stop - 1 + first + count
    rows = np.zeros((end - begin, values.shape[1]), dtype=np.float32)
    inside = slice(min(max(begin, 0), len(values)), max(min(end, len(values)), 0))
    if inside.start < inside.stop:
        rows[inside.start - begin : inside.stop - begin] = values[inside]
    # Writeable only because torch.from_numpy warns of arrays that are not.
    cut = np.moveaxis(sliding_window_view(rows, count, axis=0, writeable=True), -1, 1)
    offsets = first + np.arange(count)
    slots = np.arange(targets.start, targets.stop)[:, None] + offsets
    return cut, (slots >= 0) & (offsets < 0)
