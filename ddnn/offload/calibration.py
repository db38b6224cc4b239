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


def assured_statistic(
    scores: ArrayLike,
    l0: float,
    days: ArrayLike,
    ahead: int,
    probability: float,
    draws: int = 2000,
    seed: int = 0,
) -> float:
    """Give a threshold under which the next days keep ``l0`` with a stated probability.

    :func:`order_statistic` gives the share on the calibration days: on others it is missed about
    every second time. How far days differ is what decides, for slots of one day hang together (a
    binomial bound on slots would call a week of one calm day certain): so whole days are drawn
    with replacement, the order statistic is taken of each draw, and of those the one that is
    enough in a share ``probability`` of the draws. A draw has as many days as make its mean differ
    from the mean of the n calibration days as much as that of the ``ahead`` next days does from
    it: n * ahead / (n + ahead), rounded down, so that the few days known are reckoned with, too.

    It holds as far as days are exchangeable; a drift is the tracker's affair. With few days the
    hardest one bounds it: n days cannot vouch for more than about n / (n + 1) of one day.

    Args:
        scores: ``(K,)`` of the calibration days, higher = harder.
        l0: Wanted share of local decisions over the next days, in [0, 1].
        days: ``(K,)``, which day each score is of.
        ahead: Days over which the share is to hold, together.
        probability: With which, in (0, 1).
        draws: Of days.
        seed: Of the draws.

    Returns:
        The threshold for :func:`decide`: one of the scores, or ``-inf`` for ``l0 = 0``.

    Raises:
        ParamsError: ``l0``, ``ahead`` or ``probability`` is out of its range.
        ModelError: There are no scores, one is not a number, or there is not a day for each.
    """
    values, of_day = np.asarray(scores, dtype=np.float64), np.asarray(days)
    if values.shape != of_day.shape:
        raise ModelError(f"scores {values.shape}, but days {of_day.shape}: give one for each")
    if not 0 < probability < 1 or ahead < 1:
        raise ParamsError(
            f"a threshold for {ahead} days with probability {probability}: give one day or more, "
            "and a probability above 0 and below 1"
        )
    order_statistic(values, l0)  # refuses what is no set of scores
    blocks = [values[of_day == day] for day in np.unique(of_day)]
    size = max(1, len(blocks) * ahead // (len(blocks) + ahead))
    drawn = np.random.default_rng(seed).integers(len(blocks), size=(draws, size))
    enough = [order_statistic(np.concatenate([blocks[i] for i in row]), l0) for row in drawn]
    return order_statistic(enough, probability)


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
