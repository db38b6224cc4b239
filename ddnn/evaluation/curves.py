"""The trade-off between the local share L, eq. (14), and the cost C, eq. (13), of a rule."""

from collections.abc import Iterable, Mapping
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
        at = np.asarray(share, dtype=np.float64)
        return np.asarray(np.interp(at, self.local_share, self.cost), dtype=np.float64)


def local_share(local: NDArray[np.bool_]) -> float:
    """L, eq. (14), of the decisions (K,)."""
    return float(np.mean(local))


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


def pooled_capture(captured: Iterable[tuple[float, float, Array, Array]]) -> float | None:
    """Capture over several test windows, each with its own exits and its own L.

    The costs are pooled, not the shares: a window in which nearly nothing is to be gained from the
    right ranking says nearly nothing, whatever share of that a rule has covered.

    Args:
        captured: The arguments of :func:`capture` of each window.

    Returns:
        None where Random and the Oracle cost the same in all of them.
    """
    gained = way = level = 0.0
    for cost, share, local_cost, remote_cost in captured:
        slots, by_coin = len(local_cost), float(random_cost(share, local_cost, remote_cost))
        gained += slots * (by_coin - cost)
        way += slots * (by_coin - float(oracle(local_cost, remote_cost).cost_at(share)))
        level += slots * abs(by_coin)
    return None if way <= COINCIDE * max(level, COINCIDE) else gained / way


@dataclass(frozen=True)
class EqualShare:
    """Rules compared at one L, each by its ranking of the test slots."""

    local_share: float
    cost: Interval
    to_random: Interval
    """Ratio to what a coin costs at this L."""
    to_reference: Interval | None
    """Ratio to what the reference rule costs at this L."""
    capture: Interval | None


@dataclass(frozen=True)
class _Drawn:
    """Costs at the shares in every draw, (samples, shares), of what all rules are held against."""

    coin: Array
    oracle: Array
    reference: Array | None
    reference_cost: Array | None


def at_equal_share(
    scores: Mapping[str, Array],
    local_cost: Array,
    remote_cost: Array,
    shares: Array,
    resampler: Resampler,
    reference: str | None = None,
) -> dict[str, list[EqualShare]]:
    """Compare the rules at the same shares, with paired intervals.

    The thresholds are chosen on the very slots that are judged, in each draw anew: this compares
    rankings, not what a threshold that was fixed beforehand would have reached.

    Args:
        scores: (K,) scores of each rule.
        local_cost: (K,) C_L.
        remote_cost: (K,) C_R.
        shares: The L at which to compare.
        resampler: Draws of days.
        reference: The rule whose cost the others are related to, if any.
    """
    exits = (local_cost, remote_cost)
    draws = {name: _drawn_costs(score, *exits, resampler, shares) for name, score in scores.items()}
    costs = {name: sweep(score, *exits).cost_at(shares) for name, score in scores.items()}
    remote, local = resampler.means(remote_cost)[:, None], resampler.means(local_cost)[:, None]
    drawn = _Drawn(
        coin=remote + shares[None, :] * (local - remote),
        oracle=_drawn_costs(local_cost - remote_cost, *exits, resampler, shares),
        reference=draws[reference] if reference else None,
        reference_cost=costs[reference] if reference else None,
    )
    return {
        name: [
            _compare(i, float(share), float(costs[name][i]), draws[name], drawn, exits, resampler)
            for i, share in enumerate(shares)
        ]
        for name in scores
    }


def _compare(
    i: int,
    share: float,
    cost: float,
    draws: Array,
    drawn: _Drawn,
    exits: tuple[Array, Array],
    resampler: Resampler,
) -> EqualShare:
    to_reference = None
    if drawn.reference is not None and drawn.reference_cost is not None:
        to_reference = _ratio(
            cost, float(drawn.reference_cost[i]), draws[:, i], drawn.reference[:, i], resampler
        )
    coin = float(random_cost(share, *exits))
    captured = capture(cost, share, *exits)
    with np.errstate(divide="ignore", invalid="ignore"):
        captures = (drawn.coin[:, i] - draws[:, i]) / (drawn.coin[:, i] - drawn.oracle[:, i])
    return EqualShare(
        local_share=share,
        cost=resampler.interval(cost, draws[:, i]),
        to_random=_ratio(cost, coin, draws[:, i], drawn.coin[:, i], resampler),
        to_reference=to_reference,
        capture=None if captured is None else resampler.interval(captured, captures),
    )


def _ratio(
    cost: float, reference: float, draws: Array, reference_draws: Array, resampler: Resampler
) -> Interval:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = draws / reference_draws
    return resampler.interval(cost / reference if reference > 0 else float("nan"), ratios)


def _drawn_costs(
    scores: Array, local_cost: Array, remote_cost: Array, resampler: Resampler, shares: Array
) -> Array:
    """C at the shares in every draw: (samples, shares)."""
    order, ends = _ranked(scores)
    benefit = (local_cost - remote_cost)[order]
    costs = []
    for weights in resampler.weights():
        drawn = weights[:, order]
        total = drawn.sum(axis=1, keepdims=True)
        zero = np.zeros_like(total)
        local = np.hstack([zero, np.cumsum(drawn, axis=1)[:, ends] / total])
        gain = np.hstack([zero, np.cumsum(drawn * benefit, axis=1)[:, ends] / total])
        start = (weights @ remote_cost)[:, None] / total
        # A draw that lacks the slots of a score repeats an L, with the same gain: no harm.
        rows = [np.interp(shares, *row) for row in zip(local, gain, strict=True)]
        costs.append(start + np.stack(rows))
    return np.concatenate(costs)


def _ranked(scores: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order by score, and the last place of each group of equal scores: ties stay together."""
    if not np.all(np.isfinite(scores)):
        raise ModelError("a rule gave a score that is not a finite number: its gate is unusable")
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    return order, ends
