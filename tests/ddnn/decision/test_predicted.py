import numpy as np
import pytest

from ddnn.decision import Predicted


def test_numbers_are_float64_whatever_came():
    found = Predicted(np.zeros((2, 3), dtype=np.float32), np.ones((2, 3), dtype=np.float32))
    assert found.location.dtype == found.spread.dtype == np.float64
    assert found.vnfs == 3


@pytest.mark.parametrize(
    ("location", "spread"),
    [([0.0], [0.0]), ([0.0], [-1.0]), ([np.nan], [1.0]), ([0.0], [np.inf]), ([0.0], [np.nan])],
)
def test_what_is_no_distribution_is_refused(location, spread):
    with pytest.raises(ValueError, match="finite"):
        Predicted(np.array(location), np.array(spread))


@pytest.mark.parametrize(("location", "spread"), [((3,), (2,)), ((), ()), ((2, 3), (3,))])
def test_location_and_spread_go_together(location, spread):
    with pytest.raises(ValueError, match="must both be"):
        Predicted(np.zeros(location), np.ones(spread))
