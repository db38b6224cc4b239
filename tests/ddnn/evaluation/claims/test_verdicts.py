import math

import pytest

from ddnn.evaluation import Interval
from ddnn.evaluation.claims import EXPECTED, OPEN_POINTS, Claim, Part
from ddnn.evaluation.claims.claim import at_least, combine, tidy
from ddnn.evaluation.claims.expected import TABLE_IV, about, above, at_most, below, within_factor
from ddnn.evaluation.claims.expected import at_least as no_less

HOLDS, PART, NOT, OPEN = "holds", "holds in part", "does not hold", "cannot be judged"


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (14.0, 13.0, 15.0, HOLDS),
        (17.0, 10.0, 40.0, HOLDS),  # a wide interval does not unmake a value that agrees
        (18.0, 16.9, 19.0, PART),
        (18.0, 17.1, 19.0, NOT),
        (9.0, 8.0, 11.5, PART),
        (9.0, 8.0, 10.0, NOT),
    ],
)
def test_a_printed_number_holds_within_its_tolerance_or_reaches_it(value, low, high, verdict):
    assert about(14, 3, "points", "why").verdict(Interval(value, low, high)) == verdict


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [(0.9, 0.8, 0.95, HOLDS), (0.9, 0.8, 1.0, PART), (0.9, 0.8, 1.1, PART), (1.0, 0.9, 1.1, NOT)],
)
def test_an_order_needs_its_whole_interval(value, low, high, verdict):
    assert below(1, "why").verdict(Interval(value, low, high)) == verdict
    assert above(0, "why").verdict(Interval(1 - value, 1 - high, 1 - low)) == verdict


def test_bounds_are_one_sided():
    assert at_most(5, 3, "points", "why").verdict(Interval(-40.0, -50.0, -30.0)) == HOLDS
    assert at_most(5, 3, "points", "why").verdict(Interval(9.0, 8.5, 10.0)) == NOT
    assert no_less(50, 5, "points", "why").verdict(Interval(90.0, 80.0, 95.0)) == HOLDS
    assert no_less(50, 5, "points", "why").verdict(Interval(40.0, 30.0, 44.0)) == NOT
    assert within_factor(0.1, 2, "why").holds_at(0.2)
    assert not within_factor(0.1, 2, "why").holds_at(0.21)


def test_what_days_decide_needs_an_interval_and_arithmetic_does_not():
    alone, expected = Interval(14.0, None, None), about(14, 3, "points", "why")
    assert expected.verdict(alone) == OPEN
    assert expected.verdict(alone, sampled=False) == HOLDS
    assert expected.verdict(Interval(20.0, None, None), sampled=False) == NOT
    assert expected.verdict(Interval(math.nan, None, None), sampled=False) == OPEN


def test_half_a_printed_digit_is_not_lost_to_binary():
    assert about(7.6, 0.05, "", "why").holds_at(7.65)
    assert not about(7.6, 0.05, "", "why").holds_at(7.651)


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, NOT], PART),
        ([PART, NOT], PART),
        ([NOT, NOT], NOT),
        ([NOT, OPEN], NOT),
        ([HOLDS, OPEN], PART),
        ([OPEN, OPEN], OPEN),
    ],
)
def test_a_claim_is_judged_by_its_parts(verdicts, whole):
    assert combine(verdicts) == whole


def test_a_number_of_settings_is_judged_by_what_is_sure_and_what_is_possible():
    assert at_least(3, [HOLDS, HOLDS, HOLDS, NOT]) == HOLDS
    assert at_least(3, [HOLDS, HOLDS, PART, NOT]) == PART
    assert at_least(3, [HOLDS, HOLDS, OPEN, NOT]) == OPEN
    assert at_least(3, [HOLDS, HOLDS, NOT, NOT]) == NOT


def test_numbers_are_rounded_and_finite():
    assert tidy(0.123456) == 0.1235
    assert str(tidy(-0.0)) == "0.0"
    assert tidy(math.inf) is None
    assert tidy(12) == 12
    assert tidy("near Random") == "near Random"


def test_many_parts_are_told_only_where_they_do_not_hold():
    parts = [Part("x", "s", 1, 1, None, None, HOLDS, said=f"Part {i}.") for i in range(7)]
    parts[3] = Part("x", "s", 1, 2, None, None, NOT, said="Part 3 fails.")
    claim = Claim(1, "text", "s", "d", tuple(parts), ("A note.",))
    assert claim.why == "6 of 7 parts hold. Part 0. Part 3 fails. A note."
    assert Claim(1, "text", "s", "d", tuple(parts[:2])).why == "Part 0. Part 1."


def test_every_tolerance_has_a_reason_and_contains_what_the_paper_prints():
    for name, expected in EXPECTED.items():
        assert expected.reason, name
        assert expected.tolerance, name
        if not isinstance(expected.paper, str):
            assert expected.holds_at(expected.paper), name
    assert len(TABLE_IV) == 7


def test_open_points_are_pairs_of_sentences():
    assert len(OPEN_POINTS) >= 17
    for question, choice in OPEN_POINTS:
        assert question.endswith(".") and choice.endswith(".")
