"""Shape-based distance between demand series (Paparrizos and Gravano, k-Shape, SIGMOD 2015)."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BLOCK = 2**22
"""Correlations held at once: 32 MB of float64, however many pairs there are."""


def shape_based_distance(values: NDArray[np.floating], max_lag: int | None = None) -> Floats:
    """Distance 1 - max NCC_c over the lags, for every pair of series.

    NCC_c is the cross-correlation over the product of both norms, of series that are normalised
    as in the source (zero mean; the norm takes care of the variance). The paper's min-max
    normalisation comes first and does not change the result: without the mean's removal, series
    that are nowhere negative would all look alike.

    Args:
        values: Demand (T, M).
        max_lag: Longest shift, in slots, either way; None for all T - 1 of the source.

    Returns:
        (M, M), symmetric, in [0, 2], with a zero diagonal; 0: the same shape, 1: no correlation.
        A constant series has no shape: its distance to all others is 1.

    Raises:
        ValueError: A value is not finite, or there is no slot.
    """
    slots, vnfs = values.shape
    if slots == 0 or not np.isfinite(values).all():
        raise ValueError("the distance needs finite demand of one slot or more")
    lag = slots - 1 if max_lag is None else min(max_lag, slots - 1)
    padded = fast_length(slots + lag)  # enough that no wanted lag meets the wrapped-around end
    spectra = np.fft.rfft(normalise(values), padded, axis=1)
    block = max(1, _BLOCK // padded)
    correlation = np.zeros((vnfs, vnfs))
    for row in range(vnfs):
        for start in range(row + 1, vnfs, block):
            pairs = slice(start, min(start + block, vnfs))
            by_lag = np.fft.irfft(spectra[row] * np.conj(spectra[pairs]), padded, axis=1)
            best = by_lag[:, : lag + 1].max(axis=1)
            if lag:
                best = np.maximum(best, by_lag[:, -lag:].max(axis=1))
            correlation[row, pairs] = best
    distance = np.clip(1.0 - correlation - correlation.T, 0.0, 2.0)
    np.fill_diagonal(distance, 0.0)
    return distance


def normalise(values: NDArray[np.floating]) -> Floats:
    """Series (M, T) of zero mean and norm 1; 0 throughout where a series is constant."""
    series = np.asarray(values, dtype=np.float64).T
    minimum = series.min(axis=1, keepdims=True)
    span = series.max(axis=1, keepdims=True) - minimum
    scaled = (series - minimum) / np.where(span > 0, span, 1.0)
    centred = scaled - scaled.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    # By the span, not by the norm: a mean's rounding must not pass for the shape of a constant.
    return np.where(span > 0, centred / np.where(norm > 0, norm, 1.0), 0.0)


def fast_length(least: int) -> int:
    """The smallest 2^a 3^b 5^c from ``least`` on: lengths that the FFT is quick at."""
    length = least
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1
