"""Shape-based distance of thousands of series: all wanted lags by matrix products, in float32.

A pair at a time, 10,000 series take a quarter of an hour of transforms. Here the lags of many pairs
come out of two matrix products. Both series are cut into segments, the second one's reaching one
longest lag further on either side. With X and Y the segments' spectra at frequency f,

    S_f(i, j) = sum over segments of conj(X_f(i)) Y_f(j)

is a matrix product over the segments, and the correlation at lag +-m is C_m +- D_m, where

    C_m = sum over f of cos(2 pi m f / P) Re S_f,    D_m = sum over f of sin(2 pi m f / P) Im S_f

is another, over the frequencies. So the greatest of both lags is C_m + |D_m|. A segment of P slots
holds P - 2 max_lag of the first series, so that no wanted lag wraps around (overlap-save).
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ddnn.grid.distance import fast_length, normalise

if TYPE_CHECKING:  # at run time imported where it is used: an edge node reads a grid without torch
    from torch import Tensor

BLOCK = 64
"""Series on either side of a block of pairs: what is held of 64 x 64 pairs stays in the cache."""


def shape_based_distance(values: NDArray[np.floating], max_lag: int) -> NDArray[np.float32]:
    """Give :func:`ddnn.grid.shape_based_distance` in float32, within 5e-6 of it.

    The error is that of sums in float32; docs/grid.md shows what was measured. The same demand
    at the same number of torch's threads gives the same bytes. Besides the result (4 M^2 bytes)
    about 8 T M bytes are held.

    Args:
        values: Demand (T, M).
        max_lag: Longest shift, in slots, either way; no shift is longer than T - 1.

    Returns:
        (M, M), symmetric, in [0, 2], with a zero diagonal; a constant series is at 1 from others.

    Raises:
        ValueError: A value is not finite, there is no slot, or ``max_lag`` is negative.
    """
    import torch

    slots, vnfs = values.shape
    if slots == 0 or not np.isfinite(values).all():
        raise ValueError("the distance needs finite demand of one slot or more")
    if max_lag < 0:
        raise ValueError(f"the longest shift is at least 0 slots, not {max_lag}")
    lags = _Lags(slots, min(max_lag, slots - 1))
    blocks = [slice(start, min(start + BLOCK, vnfs)) for start in range(0, vnfs, BLOCK)]
    reaching = torch.empty(lags.frequencies, 2 * lags.segments, vnfs)
    for columns in blocks:
        reaching[:, :, columns] = lags.reaching_spectra(normalise(values[:, columns]))
    distances = np.empty((vnfs, vnfs), dtype=np.float32)
    for number, rows in enumerate(blocks):
        spectra = lags.spectra(normalise(values[:, rows]))
        for columns in blocks[number:]:
            best = lags.greatest_correlation(spectra, reaching[:, :, columns])
            block = (1.0 - best).clamp_(0.0, 2.0).numpy()
            if rows == columns:  # computed from both sides, which differ in their rounding
                block = np.triu(block, 1) + np.triu(block, 1).T
            distances[rows, columns] = block
            distances[columns, rows] = block.T
    return distances


class _Lags:
    """The segments' spectra, and the way back from their products to the wanted lags."""

    def __init__(self, slots: int, max_lag: int) -> None:
        import torch

        self.slots, self.max_lag = slots, max_lag
        # Longer ones make the second product dearer, shorter ones the first: 10/3 was quickest.
        self.length = fast_length(min(max(64, 10 * max_lag // 3), slots + 2 * max_lag))
        self.step = self.length - 2 * max_lag
        self.segments = -(-slots // self.step)
        self.frequencies = self.length // 2 + 1
        frequency = torch.arange(self.frequencies)
        turn = 2 * math.pi / self.length
        # The real transform leaves out each frequency's mirror image; 0 and P / 2 have none.
        mirrored = (frequency > 0) & (2 * frequency != self.length)
        weight = torch.where(mirrored, 2.0, 1.0).double() / self.length
        angle = (torch.arange(max_lag + 1)[:, None] * frequency % self.length).double() * turn
        self.cosines = (weight * angle.cos()).float()
        self.sines = (weight * angle.sin()).float()
        # The other series' segments begin max_lag slots earlier.
        self.delay = torch.exp(1j * turn * (frequency * max_lag % self.length).double())

    def spectra(self, series: NDArray[np.float64]) -> "tuple[Tensor, Tensor]":
        """Give the factors of Re S and Im S, each (frequency, series, 2 * segment)."""
        import torch

        padded = torch.zeros(len(series), self.segments * self.step, dtype=torch.float64)
        padded[:, : self.slots] = torch.from_numpy(series)
        found = torch.fft.rfft(padded.view(len(series), self.segments, self.step), self.length)
        turned = (found.conj() * self.delay).permute(2, 0, 1).to(torch.complex64)
        real, imaginary = turned.real, turned.imag
        return torch.cat([real, -imaginary], 2), torch.cat([imaginary, real], 2)

    def reaching_spectra(self, series: NDArray[np.float64]) -> "Tensor":
        """Give the other factor (frequency, 2 * segment, series): real parts, then imaginary."""
        import torch

        width = self.segments * self.step + 2 * self.max_lag
        padded = torch.zeros(len(series), width, dtype=torch.float64)
        padded[:, self.max_lag : self.max_lag + self.slots] = torch.from_numpy(series)
        found = torch.fft.rfft(padded.unfold(1, self.length, self.step)).permute(2, 1, 0)
        return torch.cat([found.real, found.imag], 1).float()

    def greatest_correlation(
        self, spectra: "tuple[Tensor, Tensor]", reaching: "Tensor"
    ) -> "Tensor":
        """Give the greatest correlation over the lags: (series, other series)."""
        import torch

        real, imaginary = (torch.bmm(factor, reaching) for factor in spectra)
        even = self.cosines @ real.flatten(1)
        odd = self.sines @ imaginary.flatten(1)
        return even.add_(odd.abs_()).amax(0).view(real.shape[1:])
