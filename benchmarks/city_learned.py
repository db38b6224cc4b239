"""How much a learned predictor gains over the last value, on any demand of 10-minute slots."""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from ddnn.alternatives.last_value import LastValueHeadroom
from ddnn.cost.hard import sla_cost
from ddnn.demand.windows import Scaling

Array = NDArray[np.float64]

DAY = 144
TEST_DAYS = 5
VALIDATION_DAYS = 5
N = 6
HEADROOMS = np.arange(-2.0, 8.0, 0.1)
BOOSTING = {
    "max_iter": 150,
    "learning_rate": 0.06,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 200,
    "early_stopping": False,
    "random_state": 0,
}


def scaled(values: Array) -> tuple[Array, range, range, range]:
    """Scale on the training days; give also the slots to learn, to validate and to test on."""
    test = range(len(values) - TEST_DAYS * DAY, len(values))
    validation = range(test.start - VALIDATION_DAYS * DAY, test.start)
    learn = range(DAY, validation.start)
    return Scaling.fit(values[: learn.stop]).scale(values), learn, validation, test


def last_value(values: Array, c_us: tuple[float, ...]) -> dict[float, float]:
    """Cost per square and slot, eq. (3), of the last value plus the best constant per square."""
    demand, learn, _, test = scaled(values)
    costs = {}
    for c_u in c_us:
        cost = sla_cost(c_u)
        model = LastValueHeadroom.fit(demand, range(N, learn.stop), cost)
        y = demand[test.start - 1 : test.stop - 1] + model.headroom
        costs[c_u] = float(cost.per_vnf(y, demand[test]).mean())
    return costs


def one_step(values: Array) -> tuple[float, float]:
    """Predictability one slot ahead on the last five days.

    Returns:
        R2 of the last value, median over squares; and the RMSE of a ridge on a square's last N
        slots over that of the last value, mean over squares.
    """
    demand, learn, _, test = scaled(values)
    truth = demand[test]
    error = truth - demand[test.start - 1 : test.stop - 1]
    ratios = []
    for square in range(demand.shape[1]):
        lags = np.lib.stride_tricks.sliding_window_view(demand[:, square], N)[:-1]
        rows = np.column_stack([lags, np.ones(len(lags))])  # row k predicts slot k + N
        fit = rows[: learn.stop - N]
        normal = fit.T @ fit + 1e-3 * np.eye(N + 1)
        weights = np.linalg.solve(normal, fit.T @ demand[N : learn.stop, square])
        miss = truth[:, square] - rows[test.start - N :] @ weights
        ratios.append(np.sqrt((miss**2).mean() / (error[:, square] ** 2).mean()))
    r2 = 1 - (error**2).mean(axis=0) / truth.var(axis=0)
    return float(np.median(r2)), float(np.mean(ratios))


def boosting_gain(values: Array, c_us: tuple[float, ...]) -> dict[float, float]:
    """Cost of boosting over the cost of the last value, both eq. (3) on the last five days.

    One boosting predicts the change to the next slot, another the size of its error; a square is
    given the prediction plus ``k`` times that size, with the ``k`` that was best on the validation
    days, one for all squares.
    """
    demand, learn, validation, test = scaled(values)
    rows, changes = _samples(demand, learn, learn)
    center = HistGradientBoostingRegressor(**BOOSTING).fit(rows, changes)
    missed = np.abs(changes - center.predict(rows))
    size = HistGradientBoostingRegressor(**BOOSTING).fit(rows, missed)
    known = []
    for part in (validation, test):
        rows, changes = _samples(demand, part, learn)
        known.append((center.predict(rows), np.maximum(size.predict(rows), 1e-4), changes))
    plain = last_value(values, c_us)
    gains = {}
    for c_u in c_us:
        best = min(HEADROOMS, key=lambda k, c_u=c_u: _paid(*known[0], k, c_u))
        gains[c_u] = _paid(*known[1], best, c_u) / plain[c_u]
    return gains


def _paid(center: Array, size: Array, changes: Array, k: float, c_u: float) -> float:
    return float(sla_cost(c_u).per_vnf(center + k * size, changes).mean())


def _samples(demand: Array, part: range, learn: range) -> tuple[Array, Array]:
    """Give one row a slot and square: its last N slots, the time, its own usual level then."""
    slots, squares = np.asarray(part), demand.shape[1]
    learned = demand[: learn.stop].reshape(-1, DAY, squares)
    usual = learned.mean(axis=0)
    lags = np.stack([demand[slots - lag] for lag in range(1, N + 1)], axis=-1)
    last, before = lags[..., 0], usual[(slots - 1) % DAY]
    clock = np.broadcast_to((slots % DAY)[:, None], last.shape)
    weekday = np.broadcast_to((slots // DAY % 7)[:, None], last.shape)
    level = np.broadcast_to(usual.mean(axis=0), last.shape)
    facts = [last, lags.std(axis=-1), lags.mean(axis=-1) - last, clock, weekday, level]
    facts += [usual[slots % DAY] - before, last - before]
    facts += [lags[..., lag] - last for lag in range(1, N)]
    rows = np.stack(facts, axis=-1).reshape(slots.size * squares, -1)
    return rows, (demand[slots] - last).ravel()
