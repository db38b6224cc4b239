"""Bars on costs follow the measured values, and are never met without their pieces."""

import numpy as np
import pytest

from ddnn.evaluation.worth.cost_bars import cost_bars


def bar(measured, name, c_u=None):
    """Give the one bar of that name and price."""
    (found,) = [each for each in cost_bars(measured) if (each.bar, each.c_u) == (name, c_u)]
    return found


BEST = "local exit / boosting_best"
OVERALL = f"{BEST}, geometric mean"
PLAIN = "local exit / boosting_plain, geometric mean"
WHOLE = "whole system / cheaper of deepcog and the paper's remote exit"
SHARE = "whole system, share decided at the edge (L0 0.5)"
SEPARATE = "one training / four separate, local exit"


def test_a_ratio_of_levels_is_found_whatever_the_scale_of_a_window(make_measured):
    found = bar(make_measured({"local": 1.004}), BEST, 10)
    assert found.value == pytest.approx(1.004)
    assert found.low == pytest.approx(1.004) == found.high  # paired: what all share falls out
    assert found.to_json()["trainings"] == [6, 6]


@pytest.mark.parametrize(
    ("levels", "name", "c_u", "met"),
    [
        ({"local": 1.004}, OVERALL, None, True),
        ({"local": 1.006}, OVERALL, None, False),
        ({"local": 1.014}, BEST, 0.5, True),
        ({"local": 1.016}, BEST, 0.5, False),
        ({"local": 1.018, "boosting_plain": 1.05}, PLAIN, None, True),
        ({"local": 1.02, "boosting_plain": 1.05}, PLAIN, None, False),
        ({"separate_local": 0.985}, SEPARATE, 20, True),
        ({"separate_local": 0.975}, SEPARATE, 20, False),
        ({"deepcog": 1.19}, WHOLE, 1, True),
        ({"deepcog": 1.16}, WHOLE, 1, False),
        ({"deepcog": 1.12}, WHOLE, 0.5, True),  # 0.90 there
        ({"paper_remote": 1.10}, WHOLE, 0.5, False),  # the cheaper of the two counts
    ],
)
def test_a_bar_is_met_by_what_was_measured(make_measured, levels, name, c_u, met):
    assert bar(make_measured(levels), name, c_u).met is met


def test_the_whole_system_must_keep_its_share(make_measured):
    short = make_measured(shares={"margin": -0.01})
    assert bar(short, WHOLE, 1).value < 0.85
    assert bar(short, WHOLE, 1).met is False
    assert bar(short, SHARE, 1).met is False
    assert bar(make_measured(), SHARE, 1).met is True


def test_the_geometric_mean_is_that_of_the_prices(make_measured):
    measured = make_measured({"local": 1.01})
    each = [bar(measured, BEST, c_u).value for c_u in measured.worth.c_u]
    assert bar(measured, OVERALL).value == pytest.approx(np.exp(np.mean(np.log(each))))


def test_without_a_window_nothing_is_measured(make_measured):
    lacking = make_measured(skip=lambda e: e.kind == "alternatives" and e.window == 5)
    found = bar(lacking, BEST, 1)
    assert (found.value, found.met, found.so_far) == (None, None, None)
    assert bar(lacking, OVERALL).met is None


def test_with_some_seeds_the_value_is_shown_but_not_met(make_measured):
    some = make_measured(skip=lambda e: e.kind == "exits" and e.seed == 1)
    found = bar(some, WHOLE, 1)
    assert found.so_far is True
    assert found.met is None
    assert found.to_json()["trainings"] == [3, 6]


def test_a_seed_that_lacks_a_window_is_left_out(make_measured):
    some = make_measured(skip=lambda e: e.kind == "anchored" and (e.window, e.seed) == (10, 1))
    assert bar(some, BEST, 1).to_json()["trainings"] == [3, 6]
