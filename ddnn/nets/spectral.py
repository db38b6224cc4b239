"""3D convolution by the convolution theorem, for volumes no larger than a grid's.

Discrete Fourier transforms along three short axes are products with small matrices, whatever the
kernel; between them each frequency multiplies channels by channels. So a kernel of 5 x 5 x 5 costs
no more than one of 3 x 3 x 3, and forward, input's and weights' gradient share their transforms.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

Sizes = tuple[int, int, int]
"""Depth, rows and columns."""


def convolve(x: Tensor, weight: Tensor, bias: Tensor, padding: Sizes) -> Tensor:
    """Convolve as ``torch.nn.functional.conv3d`` does, with stride 1 and gradients.

    Args:
        x: (batch, inputs, depth, rows, columns).
        weight: (outputs, inputs, kernel depth, rows, columns).
        bias: (outputs,).
        padding: Zeros before and behind each axis.
    """
    y: Tensor = _Convolve.apply(x, weight, bias, padding)  # type: ignore[no-untyped-call]
    return y


@dataclass(frozen=True, eq=False)
class _Transform:
    """From a volume to its spectrum and back; of a real one, half of the columns' frequencies.

    Real and imaginary parts are rows of their own, so that all products are real ones.
    """

    plane: Tensor
    """(2 F, rows * columns), F frequencies."""
    depth: Tensor
    """(2 depths', 2 depths): depths' frequencies, of the complex plane's."""
    plane_back: Tensor
    """(rows * columns, 2 F)."""

    def spectrum(self, volumes: Tensor) -> Tensor:
        """(depth, rows * columns, n) to (2, frequencies, n)."""
        n, twice = volumes.shape[2], self.depth.shape[1]
        planes = self.plane @ volumes
        return (self.depth @ planes.reshape(twice, -1)).view(2, -1, n)

    def volumes(self, spectrum: Tensor) -> Tensor:
        """(2, frequencies, n) to (depth, rows * columns, n): the parts that are real."""
        n, both = spectrum.shape[2], self.plane_back.shape[1]
        planes = self.depth.T @ spectrum.reshape(self.depth.shape[0], -1)
        return self.plane_back @ planes.view(-1, both, n)


@dataclass(frozen=True, eq=False)
class _Plan:
    x: _Transform
    weight: _Transform
    y: _Transform
    sizes: Sizes
    """Of y."""


@lru_cache(maxsize=64)
def _plan(shape: Sizes, kernel: Sizes, padding: Sizes, dtype: torch.dtype) -> _Plan:
    # Circular, so long that what wraps around meets zeros: y[j] is the sum of w[k] x[j + k - p].
    lengths = _sizes(n + p for n, p in zip(shape, padding, strict=True))
    sizes = _sizes(n + 2 * p - k + 1 for n, p, k in zip(shape, padding, kernel, strict=True))
    return _Plan(
        _transform(shape, lengths, (0, 0, 0), -1, dtype),
        _transform(kernel, lengths, padding, 1, dtype),
        _transform(sizes, lengths, (0, 0, 0), -1, dtype),
        sizes,
    )


def _transform(
    shape: Sizes, lengths: Sizes, before: Sizes, sign: int, dtype: torch.dtype
) -> _Transform:
    """Tabulate exp(sign 2 pi i f (j - before) / length) of each axis."""
    depth, rows, columns = (
        _waves(n, length, first, sign)
        for n, length, first in zip(shape, lengths, before, strict=True)
    )
    half = lengths[2] // 2 + 1  # the others are conjugates of these
    plane = torch.einsum("ar,bc->abrc", rows, columns[:half]).reshape(lengths[1] * half, -1)
    # Real and imaginary part of a product with (real, imaginary).
    parts = torch.stack([depth.real, -depth.imag, depth.imag, depth.real])
    turned = parts.view(2, 2, *depth.shape).permute(0, 2, 3, 1)
    twice = torch.full((half,), 2.0, dtype=torch.float64)
    twice[0] = 1
    if lengths[2] % 2 == 0:
        twice[-1] = 1
    share = twice.repeat(lengths[1]) / math.prod(lengths)
    return _Transform(
        torch.cat([plane.real, plane.imag]).to(dtype),
        turned.reshape(2 * lengths[0], 2 * shape[0]).to(dtype),
        torch.cat([plane.real.T * share, plane.imag.T * share], dim=1).to(dtype),
    )


def _waves(n: int, length: int, before: int, sign: int) -> Tensor:
    """(length, n)."""
    f, j = (torch.arange(size, dtype=torch.float64) for size in (length, n))
    angle = sign * 2 * math.pi * f[:, None] * (j - before) / length
    return torch.complex(torch.cos(angle), torch.sin(angle))


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, padding: Sizes) -> Tensor:
        plan = _plan(_sizes(x.shape[2:]), _sizes(weight.shape[2:]), padding, x.dtype)
        X = _spectra(plan.x, x)
        W = _spectra(plan.weight, weight).transpose(2, 3)
        ctx.save_for_backward(X, W)
        ctx.plan, ctx.shape, ctx.kernel = plan, _sizes(x.shape[2:]), _sizes(weight.shape[2:])
        return _volumes(plan.y, _product(X, W), plan.sizes) + bias[:, None, None, None]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (grad,), (X, W), plan = grads, ctx.saved_tensors, ctx.plan
        G = _spectra(plan.y, grad)
        to_input = _product(G, W.transpose(2, 3), conjugate=1)
        to_weight = _product(X.transpose(2, 3), G, conjugate=0).transpose(2, 3)
        return (
            _volumes(plan.x, to_input, ctx.shape),
            _volumes(plan.weight, to_weight, ctx.kernel),
            grad.sum((0, 2, 3, 4)),
            None,
        )


def _spectra(transform: _Transform, volumes: Tensor) -> Tensor:
    """(a, b, depth, rows, columns) to (2, frequencies, a, b)."""
    a, b, depth = volumes.shape[:3]
    last = volumes.permute(2, 3, 4, 0, 1).reshape(depth, -1, a * b)
    return transform.spectrum(last).view(2, -1, a, b)


def _volumes(transform: _Transform, spectra: Tensor, sizes: Sizes) -> Tensor:
    """(2, frequencies, a, b) to (a, b, *sizes)."""
    a, b = spectra.shape[2:]
    found = transform.volumes(spectra.reshape(2, -1, a * b))
    return found.view(*sizes, a, b).permute(3, 4, 0, 1, 2).contiguous()


def _product(A: Tensor, B: Tensor, conjugate: int | None = None) -> Tensor:
    """Multiply (2, frequencies, a, b) by (2, frequencies, b, c), one of them conjugated, or none.

    Args:
        A: Left.
        B: Right.
        conjugate: 0: A; 1: B.
    """
    of_a, of_b = (-1 if conjugate == side else 1 for side in (0, 1))
    found = A.new_empty(2, A.shape[1], A.shape[2], B.shape[3])
    real, imaginary = found
    torch.bmm(A[0], B[0], out=real)
    real.baddbmm_(A[1], B[1], alpha=-of_a * of_b)
    torch.bmm(A[0], B[1] if of_b == 1 else -B[1], out=imaginary)
    imaginary.baddbmm_(A[1], B[0], alpha=of_a)
    return found


def _sizes(values: Iterable[int]) -> Sizes:
    depth, rows, columns = values
    return depth, rows, columns
