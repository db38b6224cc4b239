"""What the cloud is worth follows the exits' costs; an interval that holds 0 is worth nothing."""

import numpy as np
import pytest

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.worth.cloud import CloudWorth, cloud_worth
from ddnn.evaluation.worth.measured import Coverage

ANCHORED = "anchored exits, as they are"


def of(measured, setting, c_u=1.0):
    """Give the one row."""
    (row,) = [each for each in cloud_worth(measured) if (each.setting, each.c_u) == (setting, c_u)]
    return row


def test_what_is_saved_is_a_share_of_the_local_cost(make_measured):
    row = of(make_measured({"local": 2.0, "remote": 1.9}), ANCHORED)
    assert row.share.value == pytest.approx(0.05)
    assert row.worth == "pays"
    assert of(make_measured({"local": 2.0, "remote": 2.1}), ANCHORED).worth == "costs"
    assert of(make_measured({"local": 2.0, "remote": 2.0}), ANCHORED).worth == "nothing"


def test_per_offloaded_decision_and_byte(make_measured):
    # The gate of the made-up pieces sends away the slots of the highest shared cost.
    row = of(make_measured({"local": 2.0, "remote": 1.0}), ANCHORED)
    assert row.per_offloaded.value > row.saved.value
    assert row.per_kilobyte == pytest.approx(row.per_offloaded.value / 2)  # 2048 bytes


def test_the_papers_exits_have_a_row_without_a_gate(make_measured):
    row = of(make_measured(), "the paper's exits", 20.0)
    assert row.share.value == pytest.approx(1 - 1.3 / 1.5)
    assert row.per_offloaded is None
    assert row.per_kilobyte is None


def test_an_interval_around_zero_is_worth_nothing():
    around = Interval(0.1, -0.05, 0.2)
    row = CloudWorth("any", 1.0, around, around, None, None, Coverage(1, 1))
    assert row.worth == "nothing"
    assert row.to_json()["worth"] == "nothing"
    alone = Interval(0.1, None, None)
    assert CloudWorth("any", 1.0, alone, alone, None, None, Coverage(1, 1)).worth == "nothing"


def test_without_pieces_there_are_no_rows(make_measured):
    none = make_measured(skip=lambda e: e.kind in ("anchored", "exits"))
    assert cloud_worth(none) == []
    assert np.isfinite(make_measured().slots_per_day)
