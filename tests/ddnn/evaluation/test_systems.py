import numpy as np
import pytest

from ddnn.cost import sla_cost
from ddnn.evaluation import Judge, Outcome, Resampler, against, cheapest, judge_systems
from ddnn.evaluation.points import nearest, rank_correlation, with_shares
from ddnn.params import BootstrapParams

SLOTS = 24 * 8


def flat(cost, noise=0.0, seed=0):
    values = cost + noise * np.random.default_rng(seed).normal(size=SLOTS)
    return Outcome(values, 10 * values, np.zeros(SLOTS), np.full(SLOTS, 0.1))


@pytest.fixture
def resampler():
    params = BootstrapParams(samples=300, block_days=1, level=0.95)
    return Resampler.over_days(SLOTS, 24, params, 0)


def test_an_outcome_counts_cost_units_violations_and_excess():
    y, d = np.array([[0.5, 0.2]]), np.array([[0.4, 0.3]])
    found = Outcome.of(sla_cost(2.0), y, d, span=np.array([10.0, 100.0]))
    assert found.means() == pytest.approx(
        {"C": 2.1, "cost_in_units": 201.0, "violation_rate": 0.5, "mean_overprovision": 0.05}
    )


def test_the_cheapest_is_named_with_its_lead(resampler):
    outcomes = {"local": flat(3.0), "remote": flat(2.0), "last_value_headroom": flat(2.5)}
    found = cheapest(outcomes, resampler)
    assert (found["system"], found["runner_up"]) == ("remote", "last_value_headroom")
    assert found["ratio"]["value"] == pytest.approx(1.25)
    assert found["significant"]


def test_a_lead_within_the_noise_is_not_significant(resampler):
    outcomes = {"local": flat(2.0, 1.0, 1), "remote": flat(2.0, 1.0, 2)}
    assert not cheapest(outcomes, resampler)["significant"]


def test_a_system_that_decides_alike_is_no_runner_up(resampler):
    outcomes = {"local": flat(3.0), "remote": flat(2.0), "system": flat(2.0)}
    found = cheapest(outcomes, resampler)
    assert (found["same_as"], found["runner_up"]) == (["system"], "local")
    assert cheapest({"local": flat(1.0)}, resampler)["runner_up"] is None


def test_verdicts_against_the_last_value(resampler):
    outcomes = {
        "local": flat(3.0),
        "remote": flat(2.0),
        "deepcog": flat(2.5, 1.0, 1),
        "last_value_headroom": flat(2.5, 0.1, 2),
    }
    found = against(outcomes, "last_value_headroom", resampler)
    assert found == {"local": "loses", "remote": "wins", "deepcog": "even"}


def test_one_day_leaves_the_verdict_open():
    params = BootstrapParams(samples=100, block_days=1, level=0.95)
    one_day = Resampler.over_days(SLOTS, SLOTS, params, 0)
    outcomes = {"local": flat(3.0), "last_value_headroom": flat(2.5)}
    assert against(outcomes, "last_value_headroom", one_day) == {"local": "open"}


def test_ratios_go_to_the_references_and_the_cheapest(resampler):
    outcomes = {"local": flat(3.0), "deepcog": flat(2.0), "last_value_headroom": flat(1.0)}
    ratios = judge_systems(outcomes, resampler)["local"]["ratio_to"]
    values = {name: ratio["value"] for name, ratio in ratios.items()}
    assert values == pytest.approx({"last_value_headroom": 3, "deepcog": 1.5, "cheapest": 3})


def test_a_reference_without_cost_gives_null(resampler):
    outcomes = {"local": flat(3.0), "deepcog": flat(2.0), "last_value_headroom": flat(0.0)}
    ratio = judge_systems(outcomes, resampler)["local"]["ratio_to"]["last_value_headroom"]
    assert ratio == {"value": None, "low": None, "high": None}


def test_a_point_reports_what_was_asked_and_what_was_reached(resampler):
    judge = Judge(flat(3.0), flat(2.0), resampler)
    scores = np.arange(SLOTS, dtype=float)
    point = judge.at_threshold(scores, SLOTS / 4 - 1, 0.5, "frozen")
    assert (point["L0"], point["L"], point["C"]) == pytest.approx((0.5, 0.25, 2.25))
    none = judge.at_threshold(scores, -np.inf, 0.0, "frozen")
    assert (none["u"], none["L"], none["C"]) == (None, 0.0, 2.0)


def test_a_coin_mixes_all_that_is_reported(resampler):
    half = Judge(flat(3.0), flat(2.0), resampler).by_coin([0.5])[0]
    assert (half["L"], half["C"], half["cost_in_units"]) == pytest.approx((0.5, 2.5, 25.0))


def test_rank_correlation():
    values = np.array([1.0, 2.0, 2.0, 9.0])
    assert rank_correlation(values, values**3) == pytest.approx(1.0)
    assert rank_correlation(values, -values) == pytest.approx(-1.0)
    assert rank_correlation(values, np.ones(4)) is None


def test_shares_hold_what_was_asked_for():
    assert {0.0, 0.05, 0.333, 1.0} <= set(with_shares(0.333))
    assert nearest([0.3, 0.5, 0.7], 0.4) == 0.3
    assert nearest([0.3, 0.5, 0.7], 0.9) == 0.7
