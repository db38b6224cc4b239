"""The trade-off between the local share L, eq. (14), and the cost C, eq. (13), of a rule."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddnn.errors import ModelError
from ddnn.evaluation.bootstrap import Interval, Resampler

Array = NDArray[np.float64]

COINCIDE = 1e-9
"""Random and Oracle closer than this share of the cost coincide: there is nothing to capture."""


@dataclass(frozen=True)
class Curve:
    """Points (L, C), from L = 0 to L = 1, one for every threshold that changes a decision."""

    thresholds: Array
    """(P,) a slot is local iff its score is at most this; the first is minus infinity."""
    local_share: Array
    """(P,) L, growing."""
    cost: Array
    """(P,) C."""

    def cost_at(self, share: ArrayLike) -> Array:
        """C at any L in [0, 1], linear between two points (a coin decides between the two)."""
        return np.asarray(np.interp(share, self.local_share, self.cost), dtype=np.float64)


def local_share(local: NDArray[np.bool_]) -> float:
    """L, eq. (14), of the decisions (K,)."""
    return float(np.mean(local))


def mixed_cost(local: NDArray[np.bool_], local_cost: Array, remote_cost: Array) -> float:
    """C, eq. (13), of the decisions (K,)."""
    return float(np.mean(np.where(local, local_cost, remote_cost)))


def sweep(scores: Array, local_cost: Array, remote_cost: Array) -> Curve:
    """All (L, C) that a threshold on the scores can reach.

    Args:
        scores: (K,) higher is harder.
        local_cost: (K,) C_L of each slot.
        remote_cost: (K,) C_R of each slot.

    Raises:
        ModelError: A score is not a finite number.
    """
    order, ends = _ranked(scores)
    gain = np.cumsum((local_cost - remote_cost)[order])[ends]
    slots = len(scores)
    return Curve(
        thresholds=np.concatenate([[-np.inf], scores[order][ends]]),
        local_share=np.concatenate([[0.0], (ends + 1) / slots]),
        cost=float(np.mean(remote_cost)) + np.concatenate([[0.0], gain / slots]),
    )


def oracle(local_cost: Array, remote_cost: Array) -> Curve:
    """The cheapest C at every L: the slots ranked by their true benefit (the literal Oracle)."""
    return sweep(local_cost - remote_cost, local_cost, remote_cost)


def random_cost(share: ArrayLike, local_cost: Array, remote_cost: Array) -> Array:
    """Expected C of the rule that decides by coin: the straight line between the exits."""
    remote = float(np.mean(remote_cost))
    return remote + np.asarray(share, dtype=np.float64) * (float(np.mean(local_cost)) - remote)


def capture(cost: float, share: float, local_cost: Array, remote_cost: Array) -> float | None:
    """Share of the way from Random to the Oracle, at equal L, that a rule has covered.

    0 is as good as a coin, 1 as good as the Oracle, below 0 worse than a coin.

    Returns:
        None where Random and the Oracle cost the same (at L = 0 and L = 1 they always do).
    """
    by_coin = float(random_cost(share, local_cost, remote_cost))
    way = by_coin - float(oracle(local_cost, remote_cost).cost_at(share))
    if way <= COINCIDE * max(abs(by_coin), COINCIDE):
        return None
    return (by_coin - cost) / way


@dataclass(frozen=True)
class EqualShare:
    """Rules compared at one L, each by its ranking of the test slots."""

    local_share: float
    cost: Interval
    to_random: Interval
    """Ratio to what a coin costs at this L."""
    capture: Interval | None


def at_equal_share(
    scores: Mapping[str, Array],
    local_cost: Array,
    remote_cost: Array,
    shares: Array,
    resampler: Resampler,
) -> dict[str, list[EqualShare]]:
    """Compare the rules at the same shares, with paired intervals.

    The thresholds are chosen on the very slots that are judged, in each draw anew: this compares
    rankings, not what a threshold that was fixed beforehand would have reached.
    """
    weights = resampler.weights()
    exits = (local_cost, remote_cost)
    best = _drawn_costs(local_cost - remote_cost, *exits, weights, shares)
    remote, local = resampler.means(remote_cost)[:, None], resampler.means(local_cost)[:, None]
    by_coin = remote + shares[None, :] * (local - remote)
    compared = {}
    for name, score in scores.items():
        draws = _drawn_costs(score, *exits, weights, shares)
        costs = sweep(score, *exits).cost_at(shares)
        compared[name] = [
            _compare(
                float(share), float(costs[i]), draws[:, i], by_coin[:, i], best[:, i], exits,
                resampler,
            )
            for i, share in enumerate(shares)
        ]  # fmt: skip
    return compared


def _compare(
    share: float,
    cost: float,
    draws: Array,
    by_coin: Array,
    best: Array,
    exits: tuple[Array, Array],
    resampler: Resampler,
) -> EqualShare:
    coin = float(random_cost(share, *exits))
    captured = capture(cost, share, *exits)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = draws / by_coin
        captures = (by_coin - draws) / (by_coin - best)
    return EqualShare(
        local_share=share,
        cost=resampler.interval(cost, draws),
        to_random=resampler.interval(cost / coin if coin > 0 else float("nan"), ratios),
        capture=None if captured is None else resampler.interval(captured, captures),
    )


def _drawn_costs(
    scores: Array, local_cost: Array, remote_cost: Array, weights: Array, shares: Array
) -> Array:
    """C at the shares in every draw: (samples, shares)."""
    order, ends = _ranked(scores)
    drawn = weights[:, order]
    total = drawn.sum(axis=1, keepdims=True)
    local = np.cumsum(drawn, axis=1)[:, ends] / total
    gain = np.cumsum(drawn * (local_cost - remote_cost)[order], axis=1)[:, ends] / total
    start = (weights @ remote_cost)[:, None] / total
    zero = np.zeros_like(start)
    local, gain = np.hstack([zero, local]), np.hstack([zero, gain])
    # A draw without the slots of some score gives the same L and gain twice: np.interp can do it.
    rows = [np.interp(shares, local[row], gain[row]) for row in range(len(weights))]
    return np.asarray(start + np.stack(rows), dtype=np.float64)


def _ranked(scores: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order by score, and the last place of each group of equal scores: ties stay together."""
    if not np.all(np.isfinite(scores)):
        raise ModelError("a rule gave a score that is not a finite number: its gate is unusable")
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    return order, ends
