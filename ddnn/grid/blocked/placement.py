"""Thousands of VNFs in the plane, eq. (12): quasi-Newton from the classical scaling.

SMACOF needs up to a thousand passes over the distances from each start, L-BFGS about a hundred for
the same stress (docs/grid.md). Starts by chance are tried on a sample of the VNFs first.
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
_SAMPLE = 1000
_RANDOM_STARTS = 4
_BASIS = 8
_POWERS = 15


def place(distances: Distances, seed: int) -> tuple[Floats, float]:
    """Find positions that minimise eq. (12), as :func:`ddnn.grid.place` does.

    Starts from the classical scaling and, where random positions do better for a sample of
    :data:`_SAMPLE` VNFs, from these as well; keeps the lowest stress. A start ends when a step
    lowers the stress by less than 1e-7 of it. Same seed and threads, same bytes.

    Args:
        distances: q of eq. (12), (M, M), float32, symmetric with a zero diagonal.
        seed: Of the random starts, the sample, and the classical scaling's iteration.

    Returns:
        Positions (M, 2), centred, on their principal axes, and their stress, within 1e-5 of it.

    Raises:
        ValueError: A distance is not finite.
    """
    import torch

    if not np.isfinite(distances).all():
        raise ValueError("the placement needs distances that are all finite")
    if not distances.any():
        return np.zeros((len(distances), 2)), 0.0
    given, rng = torch.from_numpy(distances), np.random.default_rng(seed)
    starts = [_classical_scaling(given, rng), *_coarse_start(given, rng)]
    positions, lowest = min((_descend(start, given) for start in starts), key=lambda end: end[1])
    return to_principal_axes(positions), lowest


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


def _descend(start: Floats, distances: "Tensor") -> tuple[Floats, float]:
    """Give the positions of least stress that L-BFGS finds from a start, and the stress."""
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    # L-BFGS's own threads, of BLAS, wait by spinning: on the cores where torch's have the work.
    with threadpool_limits(1, user_api="blas"):
        # scipy's stubs know no options of one method alone.
        found: Any = minimize(  # type: ignore[call-overload]
            lambda flat: _stress(flat.reshape(start.shape), distances),
            start.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 1000, "ftol": 1e-7, "gtol": 0.0},
        )
    return found.x.reshape(start.shape), float(found.fun)


def _coarse_start(distances: "Tensor", rng: np.random.Generator) -> list[Floats]:
    """Place a sample from random positions; give each VNF the place of its nearest in there.

    Gives nothing where the sample does as well from its classical scaling.
    """
    chosen = np.sort(rng.permutation(len(distances))[:_SAMPLE])
    sample, size = distances[chosen][:, chosen], float(distances.max())
    starts = (rng.uniform(-size, size, (len(chosen), 2)) for _ in range(_RANDOM_STARTS))
    positions, lowest = min((_descend(start, sample) for start in starts), key=lambda end: end[1])
    if lowest >= _descend(_classical_scaling(sample, rng), sample)[1]:
        return []
    return [positions[distances[:, chosen].argmin(1).numpy()]]


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


def _classical_scaling(distances: "Tensor", rng: np.random.Generator) -> Floats:
    """Approximate the two leading axes of -J Q^2 J / 2 by subspace iteration: a start, no more."""
    import torch

    def product(vectors: "Tensor") -> "Tensor":
        centred = vectors - vectors.mean(0)
        rows = [distances[block].square() @ centred for block in _blocks(len(distances))]
        result = torch.cat(rows)
        return (result - result.mean(0)) / -2

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
