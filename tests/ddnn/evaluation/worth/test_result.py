"""A piece's result comes back as it was, small, and is refused when it is damaged."""

import numpy as np
import pytest

from ddnn.errors import ArtefactError
from ddnn.evaluation.worth.result import Result, cost_name, decision_name


@pytest.fixture
def result():
    costs = np.random.default_rng(0).uniform(1, 9, 720)
    arrays = {cost_name("local", 0.5): costs, decision_name("gate_frozen_c1", 0.3): costs < 4}
    return Result(arrays, {"vnfs": 25, "seconds": {"fit": 0.25}})


def test_it_comes_back(result, tmp_path):
    (tmp_path / "piece.npz").write_bytes(result.to_bytes())
    found = Result.read(tmp_path / "piece.npz")
    np.testing.assert_allclose(found.cost("local", 0.5), result.cost("local", 0.5), rtol=1e-6)
    assert found.arrays[cost_name("local", 0.5)].dtype == np.float32
    assert (found.local("gate_frozen_c1", 0.3) == result.local("gate_frozen_c1", 0.3)).all()
    assert found.facts == result.facts
    assert found.to_bytes() == result.to_bytes()  # equal results, equal bytes
    assert len(result.to_bytes()) < 720 * 5


def test_what_it_lacks_is_named(result):
    with pytest.raises(ArtefactError, match="lacks remote@c_u=10"):
        result.cost("remote", 10.0)
    with pytest.raises(ArtefactError, match=r"lacks gate_tracked_c1@l0=0\.3"):
        result.local("gate_tracked_c1", 0.3)


@pytest.mark.parametrize("damage", ["cut", "missing", "other", "pickled"])
def test_a_damaged_file_is_refused(result, tmp_path, damage):
    path = tmp_path / "piece.npz"
    if damage == "cut":
        path.write_bytes(result.to_bytes()[:-100])
    elif damage == "other":
        np.savez(path, local=np.ones(3))
    elif damage == "pickled":
        np.savez(path, facts=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ArtefactError, match=r"piece\.npz: not a piece's result"):
        Result.read(path)
