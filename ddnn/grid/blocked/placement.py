"""Thousands of VNFs in the plane, eq. (12): quasi-Newton from the classical scaling.

SMACOF needs up to a thousand passes over the distances, L-BFGS a hundred for the same stress
(docs/grid.md), which is why a single start is affordable and, from a good place, enough.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddnn.grid.placement import Floats, to_principal_axes

if TYPE_CHECKING:  # at run time imported where it is used, as in ddnn.grid.blocked.distance
    from torch import Tensor

Distances = NDArray[np.float32]

_BLOCK = 2**18
"""Pairs held at once: 1 MB of float32, so that a block's steps find it in the cache."""
_BASIS = 8
_POWERS = 15


def place(distances: Distances, seed: int) -> tuple[Floats, float]:
    """Find positions that minimise eq. (12), as :func:`ddnn.grid.place` does, from one start.

    Ends when a step lowers the stress by less than 1e-7 of it. Same seed and threads, same bytes.

    Args:
        distances: q of eq. (12), (M, M), float32, symmetric with a zero diagonal.
        seed: Of the vectors from which the classical scaling is iterated.

    Returns:
        Positions (M, 2), centred, on their principal axes, and their stress, within 1e-5 of it.

    Raises:
        ValueError: A distance is not finite.
    """
    import torch
    from scipy.optimize import minimize

    if not np.isfinite(distances).all():
        raise ValueError("the placement needs distances that are all finite")
    vnfs = len(distances)
    if not distances.any():
        return np.zeros((vnfs, 2)), 0.0
    given = torch.from_numpy(distances)
    # scipy's stubs know no options of one method alone.
    found: Any = minimize(  # type: ignore[call-overload]
        lambda flat: _stress(flat.reshape(vnfs, 2), given),
        _classical_scaling(given, seed).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 1000, "ftol": 1e-7, "gtol": 0.0},
    )
    return to_principal_axes(found.x.reshape(vnfs, 2)), float(found.fun)


def normalised_stress(positions: Floats, distances: Distances) -> float:
    """Give :func:`ddnn.grid.normalised_stress`, within 1e-5 of it where it is above 0.02."""
    import torch

    given = torch.from_numpy(distances)
    squares = products = total = 0.0
    for _, lengths, rows in _lengths(positions, given):
        squares += _sum(lengths * lengths)
        products += _sum(lengths * rows)
        total += _sum(rows * rows)
    if total == 0:
        return 0.0
    # The sum of (scale * lengths - distances)^2 at its least, over the scale.
    explained = products**2 / squares if squares > 0 else 0.0
    return float(np.sqrt(max(0.0, 1.0 - explained / total)))


def _stress(positions: Floats, distances: "Tensor") -> tuple[float, Floats]:
    """Give eq. (12) at positions (M, 2), each pair twice, and its gradient, flat."""
    import torch

    points = torch.from_numpy(positions).float()
    total, gradient = 0.0, torch.empty(len(points), 2)
    for block, lengths, rows in _lengths(positions, distances):
        excess = lengths - rows
        total += _sum(excess * excess)
        # Two VNFs in one point push each other in no direction; a VNF does not push itself.
        pull = excess.div_(lengths).nan_to_num_(0.0, 0.0, 0.0)
        gradient[block] = 4 * (pull.sum(1, keepdim=True) * points[block] - pull @ points)
    return total, gradient.double().numpy().ravel()


def _lengths(positions: Floats, distances: "Tensor") -> "Iterator[tuple[slice, Tensor, Tensor]]":
    """Give blocks of rows: which, the lengths between positions, and the distances."""
    import torch

    x, y = torch.from_numpy(positions).float().T.contiguous()
    for block in _blocks(len(x)):
        across, up = x[block, None] - x, y[block, None] - y
        yield block, across.square_().addcmul_(up, up).sqrt_(), distances[block]


def _classical_scaling(distances: "Tensor", seed: int) -> Floats:
    """Approximate the two leading axes of -J Q^2 J / 2 by subspace iteration: a start, no more."""
    import torch

    def product(vectors: "Tensor") -> "Tensor":
        centred = vectors - vectors.mean(0)
        rows = [distances[block].square() @ centred for block in _blocks(len(distances))]
        result = torch.cat(rows)
        return (result - result.mean(0)) / -2

    rng = np.random.default_rng(seed)
    basis = torch.from_numpy(rng.normal(size=(len(distances), min(_BASIS, len(distances))))).float()
    for _ in range(_POWERS):
        basis = torch.linalg.qr(product(basis)).Q
    values, vectors = torch.linalg.eigh(basis.T @ product(basis))
    axes = basis @ vectors[:, -2:] * values[-2:].clamp(min=0).sqrt()
    return np.asarray(axes.flip(1).double())


def _blocks(vnfs: int) -> Iterator[slice]:
    rows = max(1, _BLOCK // vnfs)
    return (slice(start, start + rows) for start in range(0, vnfs, rows))


def _sum(block: "Tensor") -> float:
    """Sum row by row in float32, then in float64."""
    return float(block.sum(1).double().sum())
