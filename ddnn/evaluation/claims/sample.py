"""The runs of a setting under a two-level paired bootstrap: seeds are drawn, and blocks of days.

The draws are the same for all that is compared. Row 0 is no draw but the runs as they are, so that
a value and its interval come out of the same arithmetic. Everything is summed within blocks once;
a draw is then a weighted sum of a few blocks.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ddnn.evaluation.bootstrap import Interval, Resampler
from ddnn.evaluation.curves import COINCIDE
from ddnn.evaluation.measured import Measured, SeedRun
from ddnn.offload import decide
from ddnn.offload.rules import gate_file
from ddnn.params import BootstrapParams

Array = NDArray[np.float64]

SHARES = np.round(np.arange(0.1, 0.91, 0.1), 1)
"""The L at which whole curves are compared."""

_DAY_SECONDS = 86400


class MissingError(Exception):
    """Something that a claim needs was not measured; the message says what."""


class Sample:
    """One setting's runs; ``n`` seeds, ``K`` slots, ``R`` rows (the runs, then the draws)."""

    def __init__(self, name: str, runs: Sequence[SeedRun], bootstrap: BootstrapParams) -> None:
        self.name = name
        self.runs = runs
        slots = len(runs[0].slots["benefit"])
        per_day = _DAY_SECONDS / runs[0].evaluation["demand"]["slot_seconds"]
        # The draws' seed is no setting: all claims are judged by the same draws.
        self.resampler = Resampler.over_days(slots, per_day, bootstrap, seed=0)
        ones = np.ones((1, self.resampler.blocks))
        self._days = np.concatenate([ones, self.resampler.counts.astype(np.float64)])
        self._seeds = _seed_weights(len(runs), bootstrap.samples)
        self._block = np.zeros((self.resampler.blocks, slots))
        self._block[self.resampler.block, np.arange(slots)] = 1.0
        self._length = self._days @ self._block.sum(axis=1)

    @property
    def seeds(self) -> int:
        """Number n of seeds."""
        return len(self.runs)

    @property
    def blocks(self) -> int:
        """Number of blocks of days."""
        return self.resampler.blocks

    def column(self, name: str) -> Array:
        """(n, K) of a column of the slots.

        Raises:
            MissingError: A run lacks it.
        """
        if any(name not in run.slots for run in self.runs):
            raise MissingError(f"{self.name} has no {name}")
        return np.stack([np.asarray(run.slots[name], dtype=np.float64) for run in self.runs])

    def means(self, values: Array) -> Array:
        """Average (n, K) over the slots: (n, R)."""
        means: Array = self._means(values[:, :, None])[:, :, 0]
        return means

    def mean(self, column: str) -> Array:
        """Average a column over slots and seeds: (R,)."""
        return self.pool(self.means(self.column(column)))

    def pool(self, values: Array) -> Array:
        """Average (n, R, ...) over the seeds: (R, ...)."""
        pooled: Array = np.einsum("rn,nr...->r...", self._seeds, values)
        return pooled

    def interval(self, rows: Array) -> Interval:
        """Take the value and the draws (R,) apart."""
        return self.resampler.interval(float(rows[0]), rows[1:])

    def over_seeds(self, values: Sequence[float]) -> Interval:
        """Average one number per seed; the interval draws seeds only: None for a single one."""
        rows = self._seeds @ np.asarray(values, dtype=np.float64)
        return self._of_seeds(rows)

    def ratio_over_seeds(self, values: Sequence[float], reference: Sequence[float]) -> Interval:
        """Ratio of the means of two numbers per seed; the interval draws seeds only."""
        below = self._seeds @ np.asarray(reference, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._of_seeds((self._seeds @ np.asarray(values, dtype=np.float64)) / below)

    def ratio(self, values: Array, reference: Array) -> Interval:
        """Ratio of two means (R,); a reference of 0 gives none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.interval(np.where(reference > 0, values / reference, np.nan))

    def excess(self, values: Array, reference: Array) -> Interval:
        """Percent by which one mean (R,) lies above another."""
        return percent_above(self.ratio(values, reference))

    @cached_property
    def exits(self) -> tuple[Array, Array]:
        """Mean cost of the local and of the remote exit, each (n, R)."""
        return self.means(self.column("cost_local")), self.means(self.column("cost_remote"))

    @cached_property
    def benefit(self) -> Array:
        """(n, K)."""
        return self.column("cost_local") - self.column("cost_remote")

    @property
    def exits_apart(self) -> float:
        """By how much the edge costs more than the cloud, as a share."""
        local, remote = (float(self.pool(cost)[0]) for cost in self.exits)
        return local / remote - 1 if remote > 0 else float("nan")

    def at_random(self, shares: Array) -> Array:
        """Mean cost of a coin at each share L: (R, Q)."""
        local, remote = self.exits
        return self.pool(remote[:, :, None] + (local - remote)[:, :, None] * shares)

    def at_oracle(self, shares: Array) -> Array:
        """Mean cost of the Oracle of each draw at each share L: (R, Q).

        The Oracle fills up L with the smallest benefits b, the last one by a coin: a fractional
        knapsack, whose dual is exact: C_R + max over t of (t L + mean(min(b - t, 0))), with t
        among the benefits. It needs no sorting of the drawn slots.
        """
        _, remote = self.exits
        costs = []
        for benefit, start in zip(self.benefit, remote, strict=True):
            at = np.unique(benefit)
            below = self._means(np.minimum(benefit[None, :, None] - at, 0.0))[0]
            gain = [(below + at * share).max(axis=1) for share in shares]
            costs.append(start[:, None] + np.stack(gain, axis=1))
        return self.pool(np.stack(costs))

    def at_rule(self, rule: str, shares: Array) -> Array:
        """Mean cost of a rule at each share L that it reaches: (R, Q).

        Linear between its operating points, whose thresholds were frozen on calibration days, and
        the two exits at the ends. A draw moves L and C of every point.

        Raises:
            MissingError: A run lacks the rule.
        """
        costs = [
            _between(*self._operating_points(i, rule), np.asarray(shares, dtype=np.float64))
            for i in range(self.seeds)
        ]
        return self.pool(np.stack(costs))

    def curve(self, rule: str) -> Array:
        """Mean cost (R,) of a rule over SHARES."""
        costs: Array = self._known(rule).mean(axis=1)
        return costs

    def at(self, rule: str, share: float) -> Array:
        """Mean cost (R,) of a rule, of ``oracle`` or of ``random`` at one L."""
        shares = np.array([share])
        if rule == "oracle":
            return self.at_oracle(shares)[:, 0]
        if rule == "random":
            return self.at_random(shares)[:, 0]
        return self.at_rule(rule, shares)[:, 0]

    def capture(self, rule: str) -> Interval:
        """Share of the way from Random to the Oracle that a rule covers, over all SHARES.

        Raises:
            MissingError: A run lacks the rule, or there is no way to cover.
        """
        coin, best = self._known("random").sum(axis=1), self._known("oracle").sum(axis=1)
        way = coin - best
        if way[0] <= COINCIDE * abs(coin[0]):
            raise MissingError(f"in {self.name} Random and the Oracle cost the same")
        rows = (coin - self._known(rule).sum(axis=1)) / np.where(way > 0, way, np.nan)
        return self.interval(rows)

    def rank_correlation(self, column: str) -> Interval:
        """Spearman's correlation of a column and the benefit, averaged over the seeds.

        Ranks are those of all test slots; a draw weighs their pairs.

        Raises:
            MissingError: One of them is constant, or a run lacks the column.
        """
        first, second = (
            np.stack([rankdata(row) for row in rows])
            for rows in (self.column(column), self.benefit)
        )
        moments = np.stack([first, second, first**2, second**2, first * second], axis=2)
        a, b, aa, bb, ab = np.moveaxis(self._means(moments), 2, 0)
        spread = (aa - a**2) * (bb - b**2)
        if np.any(spread[:, 0] <= 0):
            raise MissingError(f"in {self.name} {column} or the benefit never changes")
        with np.errstate(divide="ignore", invalid="ignore"):
            rows = (ab - a * b) / np.sqrt(np.where(spread > 0, spread, np.nan))
        return self.interval(self.pool(rows))

    def evaluations(self, *keys: str) -> list[float]:
        """One number of evaluation.json per seed.

        Raises:
            MissingError: It is not there.
        """
        found = []
        for run in self.runs:
            value = run.evaluation
            for key in keys:
                if key not in value or value[key] is None:
                    raise MissingError(f"{self.name} has no {'.'.join(keys)}")
                value = value[key]
            found.append(float(value))  # type: ignore[arg-type]
        return found

    def _of_seeds(self, rows: Array) -> Interval:
        found = rows[1:][np.isfinite(rows[1:])]
        if self.seeds < 2 or found.size == 0:
            return Interval(float(rows[0]), None, None)
        tail = (1.0 - self.resampler.level) / 2.0
        low, high = np.quantile(found, [tail, 1.0 - tail])
        return Interval(float(rows[0]), float(low), float(high))

    def _means(self, values: Array) -> Array:
        """Average (n, K, P) over the slots: (n, R, P)."""
        sums = self._block @ values
        return np.asarray(self._days @ sums / self._length[:, None], dtype=np.float64)

    def _known(self, rule: str) -> Array:
        """Costs over SHARES, (R, Q), computed once."""
        if rule not in self._curves:
            whole = {"oracle": self.at_oracle, "random": self.at_random}.get(rule)
            self._curves[rule] = whole(SHARES) if whole else self.at_rule(rule, SHARES)
        return self._curves[rule]

    @cached_property
    def _curves(self) -> dict[str, Array]:
        return {}

    def _operating_points(self, seed: int, rule: str) -> tuple[Array, Array]:
        """L and C of a rule's points and of both exits in every row, each (R, P)."""
        run = self.runs[seed]
        points = run.evaluation["rules"].get(rule)
        if not points:
            raise MissingError(f"{self.name} has no {rule}")
        local = np.stack([_decisions(self.name, run, rule, point) for point in points], axis=1)
        taken = local.astype(np.float64)[None]
        share = self._means(taken)[0]
        gain = self._means(taken * self.benefit[seed][None, :, None])[0]
        at_edge, in_cloud = (cost[seed][:, None] for cost in self.exits)
        ends = np.zeros_like(in_cloud)
        return (
            np.hstack([ends, share, ends + 1.0]),
            np.hstack([in_cloud, in_cloud + gain, at_edge]),
        )


class Bench:
    """All settings, each drawn once."""

    def __init__(self, measured: Measured, bootstrap: BootstrapParams) -> None:
        self.measured = measured
        self._bootstrap = bootstrap
        self._samples: dict[str, Sample] = {}

    @property
    def settings(self) -> list[str]:
        """Those that were run."""
        return [name for name, runs in self.measured.runs.items() if runs]

    def __getitem__(self, setting: str) -> Sample:
        """Give a setting.

        Raises:
            MissingError: It was not run.
        """
        if setting not in self.settings:
            raise MissingError(f"{setting} was not run")
        if setting not in self._samples:
            runs = self.measured.runs[setting]
            self._samples[setting] = Sample(setting, runs, self._bootstrap)
        return self._samples[setting]


def percent_above(ratio: Interval) -> Interval:
    """Turn a ratio into percent above 1."""
    ends = [None if end is None else 100 * (end - 1) for end in (ratio.low, ratio.high)]
    return Interval(100 * (ratio.value - 1), *ends)


def _seed_weights(seeds: int, samples: int) -> Array:
    """(R, n) weights that sum to 1: equal ones, then those of seeds drawn with replacement."""
    drawn = np.random.default_rng([0, 0x5EED]).integers(0, seeds, size=(samples, seeds))
    counts = np.stack([(drawn == index).sum(axis=1) for index in range(seeds)], axis=1)
    return np.concatenate([np.ones((1, seeds)), counts.astype(np.float64)]) / seeds


def _decisions(
    setting: str, run: SeedRun, rule: str, point: dict[str, object]
) -> NDArray[np.bool_]:
    gate, threshold = point["gate_L0"], point["u"]
    name = rule if gate is None else f"optimized_{gate_file(rule, float(gate))}"  # type: ignore[arg-type]
    if f"score_{name}" not in run.slots:
        raise MissingError(f"{setting} has no score_{name}")
    # evaluation.json has null for a threshold of minus infinity: none is local.
    return decide(run.slots[f"score_{name}"], -np.inf if threshold is None else float(threshold))  # type: ignore[arg-type]


def _between(share: Array, cost: Array, at: Array) -> Array:
    """Read off curves (R, P), in any order of L, at the shares (Q,): (R, Q)."""
    order = np.argsort(share, axis=1, kind="stable")
    share, cost = np.take_along_axis(share, order, 1), np.take_along_axis(cost, order, 1)
    rows, points = share.shape
    # One search for all rows: each row's shares are moved into a range of their own.
    offset = 2.0 * np.arange(rows)[:, None]
    found = np.searchsorted((share + offset).ravel(), (at + offset).ravel(), side="right")
    left = found.reshape(rows, -1) - points * np.arange(rows)[:, None] - 1
    left = np.clip(left, 0, points - 2)
    start, end = (np.take_along_axis(share, left + step, 1) for step in (0, 1))
    step = np.where(end > start, (at - start) / np.where(end > start, end - start, 1.0), 0.0)
    first, second = (np.take_along_axis(cost, left + step_, 1) for step_ in (0, 1))
    return np.asarray(first + np.clip(step, 0.0, 1.0) * (second - first), dtype=np.float64)
