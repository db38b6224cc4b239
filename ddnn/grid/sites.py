"""Cuts a city's squares into sites of nearly equal size, by place or by the shape of their demand.

Both halve again and again. What lies on the two sides of a cut is decided by one number for each
square: its coordinate along the longer side of what is cut, or its coordinate along the principal
direction of the series (principal direction divisive partitioning: Boley, Data Mining and Knowledge
Discovery 2, 1998), here with parts of equal size.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Series32 = NDArray[np.float32]
Squares = NDArray[np.int64]

_POWER_STEPS = 50
_AT_ONCE = 256  # series that are normalised at once


def site_count(squares: int, size: int) -> int:
    """Say how many sites of about ``size`` squares there are: as many as come closest to it."""
    return max(1, round(squares / size))


def cut_by_place(positions: Floats, sites: int) -> list[Squares]:
    """Cut squares by where they lie, into compact parts.

    Args:
        positions: (M, 2), of all squares, in any unit.
        sites: 1 to M.

    Returns:
        For each site the indices of its squares, ascending. Every square is in exactly one, and
        sizes differ by at most one: nothing remains over.
    """

    def along(squares: Squares) -> list[Floats]:
        x, y = positions[squares].T
        return [x, y] if np.ptp(x) >= np.ptp(y) else [y, x]

    return _cut(np.arange(len(positions)), _sizes(len(positions), sites), along)


def cut_by_shape(shapes: Series32, sites: int, seed: int) -> list[Squares]:
    """Cut squares so that those whose demand moves together come together.

    Args:
        shapes: What :func:`unit_shapes` gives, (M, T).
        sites: 1 to M.
        seed: Of the starts of the power iterations.

    Returns:
        As :func:`cut_by_place`.
    """
    rng = np.random.default_rng(seed)

    def along(squares: Squares) -> list[Floats]:
        return [_principal(shapes[squares], rng)]

    return _cut(np.arange(len(shapes)), _sizes(len(shapes), sites), along)


def unit_shapes(values: NDArray[np.floating]) -> Series32:
    """Give the shapes of series (T, M): (M, T) of zero mean and norm 1, to correlate by products.

    What is missing or infinite counts as the series' mean; a series that never changes has no
    shape and is 0 throughout.
    """
    shapes = np.zeros(values.shape[::-1], dtype=np.float32)
    for start in range(0, len(shapes), _AT_ONCE):
        block = np.asarray(values[:, start : start + _AT_ONCE], dtype=np.float64).T
        known = np.isfinite(block)
        count = np.maximum(known.sum(axis=1, keepdims=True), 1)
        mean = np.where(known, block, 0.0).sum(axis=1, keepdims=True) / count
        centred = np.where(known, block - mean, 0.0)
        norm = np.linalg.norm(centred, axis=1, keepdims=True)
        # A mean's rounding must not pass for a shape.
        moves = np.abs(centred).max(axis=1, keepdims=True) > 1e-9 * np.abs(mean)
        shapes[start : start + _AT_ONCE] = np.where(moves, centred / np.where(moves, norm, 1), 0)
    return shapes


def mean_correlation(shapes: Series32, squares: Squares) -> float | None:
    """Mean correlation of two different squares of a site; None where there are no two."""
    if len(squares) < 2:
        return None
    total = shapes[squares].sum(axis=0, dtype=np.float64)
    alone = float((shapes[squares].astype(np.float64) ** 2).sum())
    return (float(total @ total) - alone) / (len(squares) * (len(squares) - 1))


def _sizes(squares: int, sites: int) -> list[int]:
    """Share the squares out: sizes differ by at most one, the larger ones spread evenly."""
    if not 1 <= sites <= squares:
        raise ValueError(f"{squares} squares cannot be cut into {sites} sites")
    ends = [squares * (site + 1) // sites for site in range(sites)]
    return [end - begin for begin, end in pairwise([0, *ends])]


def _cut(
    squares: Squares, sizes: Sequence[int], along: Callable[[Squares], list[Floats]]
) -> list[Squares]:
    if len(sizes) == 1:
        return [np.sort(squares)]
    half = len(sizes) // 2
    # By the first number, then the others, then the index: never by chance.
    order = squares[np.lexsort([squares, *along(squares)[::-1]])]
    first = sum(sizes[:half])
    return [*_cut(order[:first], sizes[:half], along), *_cut(order[first:], sizes[half:], along)]


def _principal(shapes: Series32, rng: np.random.Generator) -> Floats:
    """Coordinates (K,) of series (K, T) on their first principal direction.

    By power iteration on the series themselves: neither (K, K) nor (T, T) is ever made.
    """
    centred = shapes - shapes.mean(axis=0)
    scores = centred @ (rng.standard_normal(len(shapes)).astype(np.float32) @ centred)
    for _ in range(_POWER_STEPS):
        norm = float(np.linalg.norm(scores))
        if norm == 0:  # all alike: any order will do
            return np.zeros(len(shapes))
        scores = centred @ ((scores / norm) @ centred)
    found: Floats = scores.astype(np.float64)
    return found if found[np.argmax(np.abs(found))] > 0 else -found
