"""Paired block bootstrap over days: how far another sample of days might move a mean or a ratio.

Slots of one day hang together (a burst lasts hours), so whole blocks of days are drawn, and every
compared thing is averaged over the same draw: that pairing takes out what all share.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ddnn.params import BootstrapParams

Array = NDArray[np.float64]

_CHUNK = 2_000_000  # numbers at a time: bounds the memory where slots are short


@dataclass(frozen=True)
class Interval:
    """A value with the limits that the bootstrap gives it: None when there is only one block."""

    value: float
    low: float | None
    high: float | None

    @property
    def above_one(self) -> bool:
        """Whether a ratio's whole interval lies above 1."""
        return self.low is not None and self.low > 1.0

    @property
    def below_one(self) -> bool:
        """Whether a ratio's whole interval lies below 1."""
        return self.high is not None and self.high < 1.0

    def to_json(self) -> dict[str, float | None]:
        """Give value, low and high."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Resampler:
    """Draws of whole blocks, with replacement; the same draws for all that is compared."""

    block: NDArray[np.int64]
    """(K,) index of the block that a slot belongs to, 0 the oldest."""
    counts: NDArray[np.int64]
    """(samples, blocks) how often a draw holds a block."""
    level: float

    @classmethod
    def over_days(
        cls, slots: int, slots_per_day: float, params: BootstrapParams, seed: int
    ) -> Self:
        """Cut the slots into blocks of days, counted back from the newest, and draw.

        Args:
            slots: Number K of slots in a row.
            slots_per_day: Slots of one day.
            params: Days of a block, number of draws, level of the intervals.
            seed: Of the draws.
        """
        length = slots_per_day * params.block_days
        from_end = np.floor(np.arange(slots)[::-1] / length).astype(np.int64)
        block = from_end[0] - from_end if slots else from_end
        blocks = int(block[-1]) + 1 if slots else 0
        rng = np.random.default_rng([seed, 0xB007])
        drawn = rng.integers(0, max(blocks, 1), size=(params.samples, blocks))
        counts = np.stack([(drawn == index).sum(axis=1) for index in range(blocks)], axis=1)
        return cls(block, counts.astype(np.int64), params.level)

    @property
    def blocks(self) -> int:
        """Number of blocks that are drawn from."""
        return int(self.counts.shape[1])

    def weights(self) -> Iterator[Array]:
        """Give how often each draw holds each slot, (some draws, K) at a time."""
        step = max(1, _CHUNK // max(len(self.block), 1))
        for start in range(0, len(self.counts), step):
            yield self.counts[start : start + step, self.block].astype(np.float64)

    def means(self, values: Array) -> Array:
        """Average values (K,) over the slots of each draw: (samples,)."""
        sums = np.bincount(self.block, weights=values, minlength=self.blocks)
        sizes = np.bincount(self.block, minlength=self.blocks)
        means: Array = (self.counts @ sums) / (self.counts @ sizes)
        return means

    def mean(self, values: Array) -> Interval:
        """Mean of values (K,) with its interval."""
        return self.interval(float(np.mean(values)), self.means(values))

    def ratio(self, values: Array, reference: Array) -> Interval:
        """Ratio of two means over the same slots, with its interval.

        A reference that costs nothing gives no ratio: infinite or undefined values become NaN.
        """
        below = float(np.mean(reference))
        value = float(np.mean(values)) / below if below > 0 else float("nan")
        drawn = self.means(reference)
        with np.errstate(divide="ignore", invalid="ignore"):
            draws = np.where(drawn > 0, self.means(values) / drawn, np.nan)
        return self.interval(value, draws)

    def interval(self, value: float, draws: Array) -> Interval:
        """Percentile interval of the draws (samples,); draws that are NaN are left out."""
        draws = draws[np.isfinite(draws)]
        if self.blocks < 2 or draws.size == 0:
            return Interval(value, None, None)
        tail = (1.0 - self.level) / 2.0
        low, high = np.quantile(draws, [tail, 1.0 - tail])
        return Interval(value, float(low), float(high))
