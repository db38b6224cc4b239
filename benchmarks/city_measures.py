"""The properties of demand that the synthetic city has to share with the real squares."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.city_learned import boosting_gain, last_value, one_step
from ddnn.demand import statistics as stat

Array = NDArray[np.float64]

DAY = 144
# Of 1 to 30 November 2013, a Friday and holiday: 0 workday, 1 Saturday, 2 Sunday and holiday.
KINDS = np.array([2] + [max(0, (day + 4) % 7 - 4) for day in range(1, 30)])
NEAR = (0.5, 1.2, 1.5, 2.1, 3.1, 6.0)  # edges of distance, in squares
NEAR_NAMES = ("1", "1.4", "2", "2.2 to 3", "3 to 5.7")
C_US = (0.5, 1.0, 10.0, 20.0)


def block_positions(side: int = 5) -> Array:
    """Row and column of each square of a block."""
    return np.stack(np.divmod(np.arange(side * side), side), axis=1).astype(float)


def measure_block(values: Array) -> dict[str, float]:
    """Measure 25 squares (a 5 x 5 block) over the 30 days of November: ``(4320, 25)``."""
    changes = np.diff(np.log(values), axis=0)
    rest = stat.departures(values, DAY, KINDS)
    found = _level_facts(values) | _profile_facts(values) | _noise_facts(values, changes)
    found |= _departure_facts(rest) | _neighbour_facts(changes, rest)
    found |= {
        "bursts: kurtosis of one-step log change": stat.excess_kurtosis(changes),
        "bursts: spikes a day and square": stat.spike_rate(values, DAY),
        "bursts: largest of last 5 days over largest before": _overshoot(values),
    }
    r2, ridge = one_step(values)
    found |= {"one step: R2 of the last value": r2, "one step: ridge over last value, RMSE": ridge}
    for c_u, cost in last_value(values, C_US).items():
        found[f"last value: cost a square, c_u {c_u:g}"] = cost
    return {name: float(value) for name, value in found.items()}


def measure_boosting(values: Array) -> dict[str, float]:
    """Measure what boosting pays, relative to the last value, on 25 squares over 30 days."""
    gains = boosting_gain(values, C_US)
    return {f"boosting: over last value, c_u {c_u:g}": gain for c_u, gain in gains.items()}


def measure_city(totals: Array, windows: list[Array]) -> dict[str, float]:
    """Measure all 10,000 squares: mean activity ``(10000,)`` and runs of slots ``(t, 10000)``."""
    logs = np.log(totals)
    found = {
        f"city level: log, quantile {q:g}": np.quantile(logs, q)
        for q in (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
    }
    field = (logs - logs.mean()).reshape(100, 100)
    for lag in (1, 4, 10, 20):
        found[f"city level: correlation, distance {lag}"] = _field_correlation(field, lag)
    changes = np.concatenate([np.diff(np.log(np.maximum(run, 1e-3)), axis=0) for run in windows])
    changes -= np.median(changes, axis=1, keepdims=True)
    for lag in (1, 2, 4, 10, 20):
        found[f"city neighbours: one-step change, distance {lag}"] = stat.correlation_on_block(
            changes, 100, 100, lag
        )
    relative = 1.4826 * np.median(np.abs(changes), axis=0) / np.sqrt(2)
    for low, high in ((1, 2), (3, 3.5), (5, 6.5)):
        chosen = (logs >= low) & (logs < high)
        found[f"city noise: relative, log level {low:g} to {high:g}"] = np.median(relative[chosen])
    return {name: float(value) for name, value in found.items()}


def _level_facts(values: Array) -> dict[str, float]:
    levels = stat.log_levels(values)
    mean = values.mean(axis=0)
    return {
        "level: mean of log": levels.mean(),
        "level: deviation of log": levels.std(),
        "level: largest slot over mean, median": np.median(values.max(axis=0) / mean),
        "level: smallest slot over mean, median": np.median(values.min(axis=0) / mean),
    }


def _noise_facts(values: Array, changes: Array) -> dict[str, float]:
    exponent, factor = stat.noise_power(values)
    within = np.log(stat.noise_within(values))
    centred = within - within.mean(axis=1, keepdims=True)
    slope = (centred[0] * centred[1]).sum() / (centred[0] ** 2).sum()
    spreads = changes.std(axis=0)
    return {
        "noise: exponent over squares": exponent,
        "noise: at level 200": factor * 200**exponent,
        "noise: exponent within a square": slope,
        "noise: deviation of one-step log change": np.median(spreads),
        "noise: spread of that over squares": np.log(spreads).std(),
        "noise: one-step change, lag 1": stat.autocorrelation(changes, 1),
        "noise: one-step change, lag 2": stat.autocorrelation(changes, 2),
    }


def _departure_facts(rest: Array) -> dict[str, float]:
    found = {
        "departure: deviation": np.median(rest.std(axis=0)),
        "departure: deviation of days": np.median(stat.by_day(rest, DAY).mean(axis=1).std(axis=0)),
    }
    for lag in (1, 3, 6, 18, 36, 72, 144):
        found[f"departure: autocorrelation, lag {lag}"] = stat.autocorrelation(rest, lag)
    return found


def _neighbour_facts(changes: Array, rest: Array) -> dict[str, float]:
    found = {}
    for what, series in (("one-step change", changes), ("departure", rest)):
        near = stat.correlation_by_distance(series, block_positions(), NEAR)
        for name, value in zip(NEAR_NAMES, near, strict=True):
            found[f"neighbours: {what}, distance {name}"] = value
    return found


def _profile_facts(values: Array) -> dict[str, float]:
    profile = stat.hourly_profile(values, DAY, KINDS)
    mean = profile.mean(axis=2)
    return {
        "profile: workday, 04 to 05": mean[0, 4],
        "profile: workday, 08 to 12": mean[0, 8:12].mean(),
        "profile: workday, 12 to 17": mean[0, 12:17].mean(),
        "profile: workday, 17 to 20": mean[0, 17:20].mean(),
        "profile: workday, 20 to 24": mean[0, 20:].mean(),
        "profile: Saturday, 06 to 10": mean[1, 6:10].mean(),
        "profile: Saturday, 10 to 20": mean[1, 10:20].mean(),
        "profile: Sunday, 06 to 10": mean[2, 6:10].mean(),
        "profile: Sunday, 10 to 20": mean[2, 10:20].mean(),
        "profile: Sunday, 20 to 24": mean[2, 20:].mean(),
        "profile: spread over squares (log)": np.log(profile).std(axis=2).mean(),
    }


def _overshoot(values: Array) -> float:
    last = 5 * DAY
    return float(np.median(values[-last:].max(axis=0) / values[:-last].max(axis=0)))


def _field_correlation(field: Array, lag: int) -> float:
    down = (field[lag:] * field[:-lag]).mean()
    right = (field[:, lag:] * field[:, :-lag]).mean()
    return float((down + right) / 2 / (field**2).mean())
