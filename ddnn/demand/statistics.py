"""What makes demand hard, in numbers: levels, rhythm, noise, neighbours, bursts, predictability."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def log_levels(values: Array) -> Array:
    """Give the log of each square's mean: ``(T, M) -> (M,)``."""
    return np.asarray(np.log(values.mean(axis=0)))


def by_day(values: Array, slots_per_day: int) -> Array:
    """Split whole days off the first axis: ``(T, M) -> (days, slots_per_day, M)``."""
    return values.reshape(-1, slots_per_day, values.shape[1])


def hourly_profile(values: Array, slots_per_day: int, kinds: NDArray[np.int64]) -> Array:
    """Give activity by kind of day and hour, relative to each square's mean.

    Args:
        values: Demand, shape ``(T, M)``, whole days.
        slots_per_day: A multiple of 24.
        kinds: The kind of each day, ``(days,)``, 0 to 2.

    Returns:
        Shape ``(3, 24, M)``.
    """
    hours = by_day(values / values.mean(axis=0), slots_per_day)
    hours = hours.reshape(len(kinds), 24, -1, values.shape[1]).mean(axis=2)
    return np.stack([hours[kinds == kind].mean(axis=0) for kind in range(3)])


def departures(values: Array, slots_per_day: int, kinds: NDArray[np.int64]) -> Array:
    """Give log demand minus its own smooth rhythm (12 harmonics by kind of day): ``(T, M)``."""
    logs = by_day(np.log(values), slots_per_day)
    rest = np.empty_like(logs)
    for kind in range(3):
        spectrum = np.fft.rfft(logs[kinds == kind].mean(axis=0), axis=0)
        spectrum[13:] = 0
        rest[kinds == kind] = logs[kinds == kind] - np.fft.irfft(spectrum, slots_per_day, axis=0)
    return rest.reshape(values.shape)


def autocorrelation(series: Array, lag: int) -> float:
    """Give the mean over squares of the correlation with ``lag`` slots before."""
    return float(_correlate(series[lag:], series[:-lag]).mean())


def noise_power(values: Array) -> tuple[float, float]:
    """Fit the power law between one-step noise and level, over squares.

    A square's noise is the standard deviation of its one-step changes over the square root of 2, as
    if slots were independent.

    Returns:
        Exponent and factor of ``noise = factor * level ** exponent``.
    """
    noise = np.diff(values, axis=0).std(axis=0) / np.sqrt(2)
    exponent, constant = np.polyfit(log_levels(values), np.log(noise), 1)
    return float(exponent), float(np.exp(constant))


def noise_within(values: Array, parts: int = 8) -> Array:
    """Give each square's noise at its own low to high levels, both relative to its mean level.

    Returns:
        Shape ``(2, parts, M)``: level and noise in each part of the slots, ordered by level.
    """
    changes = np.diff(values, axis=0)
    middles = (values[1:] + values[:-1]) / 2
    order = np.argsort(middles, axis=0, kind="stable")
    sorted_middles = np.take_along_axis(middles, order, axis=0)
    sorted_changes = np.take_along_axis(changes, order, axis=0)
    mean = values.mean(axis=0)
    levels = [part.mean(axis=0) / mean for part in np.array_split(sorted_middles, parts)]
    noises = [
        part.std(axis=0) / np.sqrt(2) / mean for part in np.array_split(sorted_changes, parts)
    ]
    return np.stack([np.stack(levels), np.stack(noises)])


def correlation_by_distance(
    series: Array, positions: Array, edges: tuple[float, ...]
) -> list[float]:
    """Give the mean correlation of squares whose distance lies in ``[edges[k], edges[k + 1])``.

    Args:
        series: Shape ``(T, M)``.
        positions: Row and column of each square, ``(M, 2)``.
        edges: In squares, ascending.
    """
    correlation: Array = np.atleast_2d(np.corrcoef(series.T))
    apart = positions[:, None] - positions[None]
    distance = np.sqrt((apart**2).sum(axis=-1))
    upper = np.triu(np.ones_like(distance, dtype=bool), 1)
    bins = [upper & (distance >= low) & (distance < high) for low, high in pairwise(edges)]
    return [float(correlation[chosen].mean()) for chosen in bins]


def correlation_on_block(series: Array, rows: int, columns: int, lag: int) -> float:
    """Give the mean correlation of squares ``lag`` rows or columns apart, on a full block.

    Takes no matrix of squares x squares, so it serves 10,000 of them. ``series`` is ``(T, M)``.
    """
    volume = series.reshape(-1, rows, columns)
    down = _correlate(volume[:, lag:], volume[:, :-lag])
    right = _correlate(volume[:, :, lag:], volume[:, :, :-lag])
    return float((down.mean() + right.mean()) / 2)


def excess_kurtosis(series: Array) -> float:
    """Give the median over squares of the excess kurtosis of ``(T, M)``; 0 for a Gaussian."""
    rest = series - series.mean(axis=0)
    return float(np.median((rest**4).mean(axis=0) / (rest**2).mean(axis=0) ** 2 - 3))


def spike_rate(values: Array, slots_per_day: int, deviations: float = 5.0) -> float:
    """Give the spikes a day and square.

    A spike is a slot whose log demand is so many robust standard deviations over the running median
    of the 13 slots around it.
    """
    logs = np.log(values)
    around = np.lib.stride_tricks.sliding_window_view(logs, 13, axis=0)
    rest = logs[6:-6] - np.median(around, axis=-1)
    spread = 1.4826 * np.median(np.abs(rest), axis=0)
    return float((rest > deviations * spread).mean() * slots_per_day)


def _correlate(a: Array, b: Array) -> Array:
    """Correlation over the first axis, for each element of the others."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    # A constant square correlates with nothing.
    product = np.sqrt((a**2).mean(axis=0) * (b**2).mean(axis=0))
    return np.asarray((a * b).mean(axis=0) / np.where(product > 0, product, np.inf))
