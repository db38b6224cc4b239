"""Ridge regression against its definition."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddnn.errors import ArtefactError
from ddnn.offload.line import BOUND, Line


def noisy(seed: int, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 3)) * [1.0, 50.0, 0.01] + [3.0, -7.0, 0.0]
    wanted = rows @ rng.normal(size=(3, 2)) * [1, 5] + rng.normal(size=(count, 2)) + 4
    return rows, wanted


@given(st.integers(0, 100), st.sampled_from([0.1, 3.0, 100.0]))
def test_no_other_line_has_a_lower_penalised_error(seed: int, penalty: float) -> None:
    rows, wanted = noisy(seed)
    line = Line.fit(rows, wanted, penalty)

    def loss(weights: np.ndarray) -> float:
        error = Line(line.centre, line.scale, weights)(rows) - wanted
        return float((error**2).sum() + penalty * (weights[:-1] ** 2).sum())

    rng = np.random.default_rng(seed)
    best = loss(line.weights)
    for size in (1e-3, 0.1):
        assert loss(line.weights + size * rng.normal(size=line.weights.shape)) > best


def test_what_is_linear_is_found_again() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 4, 3))
    wanted = rows @ [[1.0], [-2.0], [0.5]] + 7
    line = Line.fit(rows, wanted, 1e-9)
    np.testing.assert_allclose(line(rows), wanted, atol=1e-6)
    np.testing.assert_allclose(line(rows[:1]), line(rows)[:1])


def test_a_regressor_that_never_changed_weighs_nothing() -> None:
    rows, wanted = noisy(0)
    rows[:, 1] = 5.0
    line = Line.fit(rows, wanted, 1.0)
    moved = rows + np.array([0.0, 1000.0, 0.0])
    np.testing.assert_allclose(line(moved), line(rows))


def test_a_spike_counts_as_eight_deviations() -> None:
    rows, wanted = noisy(0)
    line = Line.fit(rows, wanted, 1.0)
    at_bound, beyond = line.centre + BOUND * line.scale, line.centre + 1e6 * line.scale
    np.testing.assert_allclose(line(beyond), line(at_bound))


def test_other_regressors_are_refused() -> None:
    rows, wanted = noisy(0)
    with pytest.raises(ValueError, match="as many slots"):
        Line.fit(rows, wanted, 1.0)(rows[:, :2])


def test_it_survives_json() -> None:
    rows, wanted = noisy(0)
    line = Line.fit(rows, wanted, 1.0)
    again = Line.from_json(json.loads(json.dumps(line.to_json())), outputs=2)
    assert (again(rows) == line(rows)).all()


@pytest.mark.parametrize(
    "damage",
    [
        {"centre": None},
        {"centre": [[1.0]]},
        {"scale": [1.0, 1.0]},
        {"scale": [1.0, 0.0, 1.0]},
        {"weights": [[0.0, 0.0]] * 3},
        {"weights": [[0.0, float("nan")]] * 4},
        {"weights": [["x", "y"]] * 4},
    ],
)
def test_what_is_no_line_is_refused(damage: dict) -> None:
    values = Line.fit(*noisy(0), 1.0).to_json() | damage
    with pytest.raises(ArtefactError, match="not a line"):
        Line.from_json(values, outputs=2)
