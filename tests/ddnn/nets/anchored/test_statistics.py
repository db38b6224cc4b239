import numpy as np
import pytest

from ddnn.nets.anchored import SeriesStatistics


def test_level_and_step_are_those_of_the_series() -> None:
    values = np.array([[0.0, 1.0], [2.0, 1.0], [1.0, 4.0]])
    usual = SeriesStatistics.fit(values)
    assert usual.mean == pytest.approx([1.0, 2.0])
    assert usual.level == pytest.approx([np.sqrt(2 / 3), np.sqrt(2)])
    assert usual.step == pytest.approx([np.sqrt(5 / 2), np.sqrt(9 / 2)])


def test_a_constant_series_still_has_units() -> None:
    usual = SeriesStatistics.fit(np.zeros((5, 2)))
    assert (usual.level > 0).all()
    assert (usual.step > 0).all()


def test_one_slot_has_no_step() -> None:
    with pytest.raises(ValueError, match="two at least"):
        SeriesStatistics.fit(np.zeros((1, 2)))
