"""From scores to decisions: the threshold that keeps a wanted share local (numpy only)."""

from math import ceil, inf, isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddnn.errors import ModelError, ParamsError


def order_statistic(scores: ArrayLike, l0: float) -> float:
    """Give the smallest threshold that leaves a share of at least ``l0`` local.

    It is the ``ceil(l0 * K)``-th smallest score. A percentile that interpolates, with a strict
    ``<`` behind it, misses the constraint (11b).

    Args:
        scores: ``(K,)``, higher = harder.
        l0: Wanted share of local decisions, in [0, 1].

    Returns:
        The threshold for :func:`decide`; ``-inf`` (none local) for ``l0 = 0``. All scores that
        tie with the threshold are local, so that a decision depends on its own score alone; with
        ties the share may then exceed what ``l0`` needs.

    Raises:
        ParamsError: ``l0`` is outside [0, 1].
        ModelError: There are no scores, or one is not a number.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or np.isnan(values).any():
        raise ModelError(
            f"a threshold needs one or more scores, none of them NaN; got shape {values.shape}"
        )
    wanted = local_count(values.size, l0)
    if wanted == 0:
        return -inf
    return float(np.partition(values, wanted - 1)[wanted - 1])


def local_count(samples: int, l0: float) -> int:
    """Give the smallest count n with ``n / samples >= l0``: ``ceil(l0 * samples)``, (11b).

    Raises:
        ParamsError: ``l0`` is outside [0, 1].
    """
    if not 0 <= l0 <= 1:
        raise ParamsError(f"L0 must lie in [0, 1], but is {l0}")
    count = ceil(l0 * samples)
    # In binary 0.55 * 100 is a hair above 55, whose ceiling is one too many; 55 / 100 is 0.55.
    if count > 0 and (count - 1) / samples >= l0:
        return count - 1
    return count if count / samples >= l0 else count + 1


def decide(scores: ArrayLike, threshold: float) -> NDArray[np.bool_]:
    """Say which decisions are taken locally: those that score at most ``threshold``.

    Args:
        scores: ``(K,)``, higher = harder.
        threshold: ``-inf`` sends all to the cloud, ``inf`` none.

    Returns:
        ``(K,)``, true = local.
    """
    values = np.asarray(scores, dtype=np.float64)
    if threshold == -inf:  # also of a score that is itself -inf
        return np.zeros(values.shape, dtype=np.bool_)
    return np.asarray(values <= threshold)


def l0_key(l0: float) -> str:
    """Spell an L0 as the tables and files of this project do (``0.5``)."""
    return repr(float(l0))


def threshold_to_json(threshold: float) -> float | str:
    """Spell a threshold for JSON, which has no infinity: ``"-inf"``; ``float()`` reads both."""
    return threshold if isfinite(threshold) else str(threshold)
