import pytest

from ddnn.errors import ModelError
from ddnn.nets import find_preset


def test_presets_are_found_by_name() -> None:
    assert find_preset("paper").local == (64,)
    assert find_preset("table3").remote_dense == (512, 128, 64)
    assert find_preset("deepcog_original").learning_rate == 5e-4


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"'alexnet'.*paper, table3, deepcog_original"):
        find_preset("alexnet")
