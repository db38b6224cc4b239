"""Means over all windows and seeds, with draws of seeds and of whole days, the same for all."""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ddnn.evaluation.bootstrap import Interval, Resampler
from ddnn.params import BootstrapParams

Array = NDArray[np.float64]
Key = tuple[int, int | None]
"""Window, and seed; None of what knows no seed."""
Costs = Mapping[Key, Array]
"""Of a system, by window and seed: (K,) cost of each test slot."""


class Pool:
    """Test windows with the draws that all ratios share.

    Days are drawn within their window, since the scale of the cost moves with the training days:
    each draw has as many days of a window as there are. Seeds are drawn once for all windows.
    """

    def __init__(self, days: Mapping[int, Resampler], seeds: Sequence[int], samples: int) -> None:
        """Take the windows' draws, and draw seeds.

        Args:
            days: Of each window, draws of its days.
            seeds: Those that every compared system has in every window; may be empty.
            samples: Number of draws.
        """
        self.days = dict(days)
        self.seeds = tuple(seeds)
        rng = np.random.default_rng([len(self.seeds), 0x5EED])
        drawn = rng.integers(0, max(len(self.seeds), 1), size=(samples, len(self.seeds)))
        counts = [(drawn == index).sum(axis=1) for index in range(len(self.seeds))]
        self._counts = np.stack(counts, axis=1) if counts else np.zeros((samples, 0))

    @classmethod
    def of(
        cls,
        slots: Mapping[int, int],
        slots_per_day: float,
        params: BootstrapParams,
        seeds: Sequence[int],
    ) -> Self:
        """Cut windows of so many slots each into blocks of days, and draw from each."""
        days = {
            window: Resampler.over_days(count, slots_per_day, params, seed=window)
            for window, count in slots.items()
        }
        return cls(days, seeds, params.samples)

    def mean(self, costs: Costs) -> tuple[float, Array]:
        """Mean cost per slot over all windows and seeds, and of each draw (samples,)."""
        lengths = {window: len(days.block) for window, days in self.days.items()}
        total = sum(lengths.values())
        value, draws = 0.0, np.zeros(len(self._counts))
        for window, days in self.days.items():
            mean, drawn = self._window(costs, window, days)
            value += mean * lengths[window] / total
            draws += drawn * lengths[window] / total
        return value, draws

    def ratio(self, costs: Costs, reference: Costs) -> tuple[float, Array]:
        """Ratio of two means over the same slots, and of each draw."""
        mean, draws = self.mean(costs)
        below, drawn_below = self.mean(reference)
        return mean / below, draws / drawn_below

    def interval(self, value: float, draws: Array) -> Interval:
        """Give the percentile interval of the draws."""
        return next(iter(self.days.values())).interval(value, draws)

    def _window(self, costs: Costs, window: int, days: Resampler) -> tuple[float, Array]:
        if (window, None) in costs:
            alone = costs[window, None]
            return float(alone.mean()), days.means(alone)
        means = [float(costs[window, seed].mean()) for seed in self.seeds]
        drawn = np.stack([days.means(costs[window, seed]) for seed in self.seeds], axis=1)
        return float(np.mean(means)), (drawn * self._counts).sum(axis=1) / len(self.seeds)


def geometric_mean(parts: Sequence[tuple[float, Array]]) -> tuple[float, Array]:
    """Geometric mean of values, and of their draws."""
    values = np.exp(np.mean([np.log(value) for value, _ in parts]))
    draws = np.exp(np.mean([np.log(drawn) for _, drawn in parts], axis=0))
    return float(values), draws
