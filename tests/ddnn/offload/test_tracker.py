"""The tracked threshold keeps L0 where a frozen one loses it."""

import json

import numpy as np
import pytest

from ddnn.errors import ArtefactError, ModelError
from ddnn.offload import order_statistic
from ddnn.offload.tracker import ThresholdTracker, track


def drifting(seed: int, slots: int = 720) -> tuple[np.ndarray, np.ndarray]:
    """Give calibration scores, and later ones whose level has moved by a standard deviation."""
    rng = np.random.default_rng(seed)
    day = np.sin(2 * np.pi * np.arange(slots) / 144)
    later = rng.normal(size=slots) + day + np.linspace(0.3, 1.3, slots)
    return rng.normal(size=288) + np.sin(2 * np.pi * np.arange(288) / 144), later


def run(tracker: ThresholdTracker, scores: np.ndarray) -> float:
    kept = 0
    for score in scores:
        local = bool(score <= tracker.threshold())
        tracker.observe(score, local)
        kept += local
    return kept / len(scores)


@pytest.mark.parametrize("l0", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_the_share_is_met_though_the_scores_drift(l0: float) -> None:
    frozen, tracked = [], []
    for seed in range(5):
        calibration, later = drifting(seed)
        tracker = ThresholdTracker(l0, memory=720, horizon=144)
        tracker.start(calibration)
        tracked.append(abs(run(tracker, later) - l0))
        frozen.append(abs(float((later <= order_statistic(calibration, l0)).mean()) - l0))
    assert max(tracked) < 0.02
    assert np.mean(tracked) < np.mean(frozen) / 3


@pytest.mark.parametrize("l0", [0.2, 0.5, 0.8])
def test_a_drift_that_goes_on_leaves_no_debt(l0: float) -> None:
    """The quantile lags behind it by as much each day; the share is met all the same."""
    slots = 15 * 144
    scores = np.random.default_rng(0).normal(size=288 + slots)
    scores[288:] += np.linspace(0, 7.5, slots)  # half a standard deviation a day
    missed = []
    for kind in (ThresholdTracker, _NeverLearns):
        tracker = kind(l0, memory=720, horizon=144)
        tracker.start(scores[:288])
        begin = run(tracker, scores[288:-720])
        end = run(tracker, scores[-720:])
        missed.append(abs((2 * begin + end) / 3 - l0))
        assert abs(end - l0) < 0.02
    assert missed[0] < 0.01
    assert missed[0] < missed[1] / 3


class _NeverLearns(ThresholdTracker):
    def observe(self, score: float, local: bool) -> None:
        super().observe(score, local)
        self.lag = 0.0


def test_the_share_breathes_within_the_horizon_only() -> None:
    """With a day as horizon the hard hours go to the cloud; with an hour no hour may differ."""
    day = np.tile(np.sin(2 * np.pi * np.arange(144) / 144), 20)
    scores = np.random.default_rng(0).normal(scale=0.5, size=day.size) + day
    busy = day[10 * 144 :] > 0

    def shares(horizon: int) -> tuple[float, float, float]:
        tracker = ThresholdTracker(0.5, memory=720, horizon=horizon)
        tracker.start(scores[:288])
        run(tracker, scores[: 10 * 144])
        local = []
        for score in scores[10 * 144 :]:
            local.append(bool(score <= tracker.threshold()))
            tracker.observe(score, local[-1])
        kept = np.array(local)
        daily = kept.reshape(-1, 144).mean(axis=1)
        return kept[busy].mean(), kept[~busy].mean(), np.abs(daily - 0.5).max()

    busy_share, calm_share, worst_day = shares(horizon=144)
    assert busy_share < 0.25
    assert calm_share > 0.75
    assert worst_day < 0.05
    busy_share, calm_share, worst_day = shares(horizon=6)
    assert calm_share - busy_share < 0.1
    assert worst_day < 0.05


def test_equal_shares_need_equal_scores_only() -> None:
    tracker = ThresholdTracker(0.5, memory=4, horizon=10)
    tracker.start([9, 1, 2, 3, 4])
    assert list(tracker.scores) == [1, 2, 3, 4]
    assert tracker.threshold() == 2
    tracker.shortfall = 2.5
    assert tracker.threshold() == 3  # at 0.5 + 2.5 / 10
    tracker.shortfall = -6
    assert tracker.threshold() == -np.inf


@pytest.mark.parametrize(("l0", "share"), [(0.0, 0.0), (1.0, 1.0)])
def test_none_and_all(l0: float, share: float) -> None:
    tracker = ThresholdTracker(l0, memory=100, horizon=10)
    assert run(tracker, np.random.default_rng(0).random(300)) == share


def test_a_strange_week_is_not_paid_back_for_ever() -> None:
    tracker = ThresholdTracker(0.9, memory=100, horizon=10)
    for _ in range(1000):
        tracker.observe(1.0, False)
    assert tracker.shortfall == 10
    tracker.observe(float("nan"), True)
    assert not np.isnan(tracker.scores).any()


def test_it_goes_on_after_a_restart() -> None:
    calibration, later = drifting(0)
    one = ThresholdTracker(0.3, memory=200, horizon=50)
    one.start(calibration)
    run(one, later[:100])
    other = ThresholdTracker(0.3, memory=200, horizon=50)
    other.restore(json.loads(json.dumps(one.to_json())))
    assert other.threshold() == one.threshold()
    assert run(other, later[100:]) == run(one, later[100:])


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"shortfall": "x", "lag": 0, "scores": []},
        {"shortfall": 0, "lag": 0, "scores": [np.nan]},
    ],
)
def test_what_is_no_state_is_refused(values: dict) -> None:
    with pytest.raises(ArtefactError, match="threshold tracker"):
        ThresholdTracker(0.5, memory=10, horizon=10).restore(values)


@pytest.mark.parametrize("l0", [0.0, 0.3, 1.0])
def test_a_period_is_played_as_the_edge_decides(l0: float) -> None:
    calibration, later = drifting(1)
    tracked = track(later, calibration, l0, memory=300, horizon=144)
    tracker = ThresholdTracker(l0, memory=300, horizon=144)
    tracker.start(calibration)
    for score, local, threshold in zip(later, tracked.local, tracked.thresholds, strict=True):
        assert threshold == tracker.threshold()
        assert local == (score <= threshold and threshold > -np.inf)
        tracker.observe(score, bool(local))


@pytest.mark.parametrize("l0", [0.3, 0.7])
@pytest.mark.parametrize(
    "scores_of",
    [
        lambda rng, slots: np.zeros(slots),  # Cloud and Edge
        lambda rng, slots: rng.random(slots),  # Random
        lambda rng, slots: rng.gamma(0.3, size=slots) * 1e-4,  # a variance
        lambda rng, slots: 1 / (1 + np.exp(-20 * rng.normal(size=slots))),  # a sure gate
        lambda rng, slots: rng.integers(3, size=slots).astype(float),  # ties
        lambda rng, slots: rng.normal(size=slots).cumsum() - 20,  # a benefit that drifts
    ],
)
def test_every_kind_of_score_can_be_tracked(scores_of, l0: float) -> None:
    scores = scores_of(np.random.default_rng(0), 288 + 720)
    tracked = track(scores[288:], scores[:288], l0, memory=720, horizon=144)
    assert abs(tracked.local.mean() - l0) < 0.05


def test_scores_that_are_no_numbers_cannot_be_tracked() -> None:
    for scores, start in (([np.nan], [1.0]), ([1.0], [np.inf])):
        with pytest.raises(ModelError, match="finite"):
            track(scores, start, 0.5, memory=10, horizon=10)
