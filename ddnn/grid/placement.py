"""VNFs in the plane, at distances close to those of their demand, eq. (12)."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_RANDOM_STARTS = 4


def place(distances: Floats, seed: int) -> tuple[Floats, float]:
    """Find positions that minimise eq. (12), by SMACOF (scikit-learn).

    Starts from the classical scaling and from random positions, and keeps the lowest stress. What
    eq. (12) leaves free is fixed: the centre lies in 0, the first axis is the longest, and on
    each axis the VNF furthest out (the first of equals) has a positive coordinate.

    Args:
        distances: q of eq. (12), (M, M), symmetric with a zero diagonal.
        seed: Of the random starts.

    Returns:
        Positions (M, 2), and their :func:`stress`.
    """
    vnfs = len(distances)
    if vnfs == 1 or not distances.any():
        return np.zeros((vnfs, 2)), 0.0
    from sklearn.manifold import smacof  # here: an edge node reads a grid with numpy alone

    rng = np.random.default_rng(seed)
    size = distances.max()
    starts = [_classical_scaling(distances)]
    starts += [rng.uniform(-size, size, (vnfs, 2)) for _ in range(_RANDOM_STARTS)]
    best, lowest = starts[0], np.inf
    for start in starts:
        positions, _ = smacof(distances, init=start, n_init=1, max_iter=1000, eps=1e-9)
        if stress(positions, distances) < lowest:
            best, lowest = positions, stress(positions, distances)
    return to_principal_axes(best), lowest


def stress(positions: Floats, distances: Floats) -> float:
    """Eq. (12) at positions (M, 2): sum over all i != j, so that each pair counts twice."""
    return float(((pairwise(positions) - distances) ** 2).sum())


def normalised_stress(positions: Floats, distances: Floats) -> float:
    """Root of the stress over the sum of the squared distances, after the best scaling.

    Scaling makes positions in any unit comparable, so also cells of a grid: 0 is a perfect fit,
    1 that of positions which say nothing. Without distances it is 0.
    """
    lengths = pairwise(positions)
    total = float((distances**2).sum())
    if total == 0:
        return 0.0
    squares = float((lengths**2).sum())
    scale = float((lengths * distances).sum()) / squares if squares > 0 else 0.0
    return float(np.sqrt(((scale * lengths - distances) ** 2).sum() / total))


def pairwise(positions: Floats) -> Floats:
    """Euclidean distances (M, M) between positions (M, 2)."""
    return np.asarray(np.linalg.norm(positions[:, None, :] - positions[None, :, :], axis=-1))


def to_principal_axes(positions: Floats) -> Floats:
    """Move and turn positions (M, 2) to the centre and the axes that :func:`place` promises."""
    centred = positions - positions.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    turned = np.asarray(centred @ axes[:, ::-1])
    for axis in turned.T:
        size = np.abs(axis)
        furthest = int(np.argmax(size >= size.max() * (1 - 1e-9)))
        axis *= -1.0 if axis[furthest] < 0 else 1.0
    return turned


def _classical_scaling(distances: Floats) -> Floats:
    squared = distances**2
    centred = squared - squared.mean(axis=0) - squared.mean(axis=1, keepdims=True) + squared.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    positions = np.zeros((len(distances), 2))
    leading = vectors[:, :-3:-1] * np.sqrt(np.maximum(values[:-3:-1], 0.0))
    positions[:, : leading.shape[1]] = leading
    return positions
