import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ddnn.cost import sla_cost
from ddnn.decision import DecisionRule, Predicted, ResidualShape
from ddnn.errors import ArtefactError
from tests.ddnn.decision.dummies import make_predicted, make_shape, skewed_shape


@settings(deadline=None, max_examples=50)
@given(
    arrays(np.float64, (40, 3), elements=st.floats(-50, 50, width=32)),
    st.integers(1, 200),
)
def test_a_compact_shape_keeps_order_mass_mean_and_extremes(residuals, points):
    predicted = Predicted(np.zeros((40, 3)), np.ones((40, 3)))
    shape = ResidualShape.fit(predicted, residuals, points=points)
    assert shape.values.size <= points
    assert (np.diff(shape.values) >= 0).all()
    assert shape.mass.sum() == pytest.approx(1)
    assert shape.values @ shape.mass == pytest.approx(residuals.mean(), abs=1e-9)
    assert residuals.min() - 1e-9 <= shape.values[0]
    assert shape.values[-1] <= residuals.max() + 1e-9


def test_residuals_are_in_spreads_of_their_own_prediction():
    predicted = make_predicted(7, 2)
    z = np.random.default_rng(1).normal(size=(7, 2))
    shape = ResidualShape.fit(predicted, predicted.location + predicted.spread * z)
    np.testing.assert_allclose(shape.values, np.sort(z.ravel()), rtol=1e-9)
    np.testing.assert_array_equal(shape.spread_cap, predicted.spread.max(axis=0))


def test_the_tails_are_kept_nearly_one_by_one():
    residuals = np.random.default_rng(0).standard_t(3, (9000, 2))
    predicted = Predicted(np.zeros((9000, 2)), np.ones((9000, 2)))
    shape = ResidualShape.fit(predicted, residuals)
    assert shape.values.size <= 256
    for end in (0, -1):
        assert shape.values[end] == np.sort(residuals.ravel())[end]
    assert (18_000 * shape.mass[[0, 1, 2, -3, -2, -1]] < 5).all()
    assert 18_000 * shape.mass.max() > 100


@pytest.mark.parametrize("c_u", [0.5, 1.0, 10.0, 20.0])
def test_the_compact_shape_decides_as_well_as_all_residuals(c_u):
    rng = np.random.default_rng(0)
    fitted, judged = rng.standard_t(3, (2, 6000, 1)) + rng.exponential(0.5, (2, 6000, 1))
    standard = Predicted(np.zeros((6000, 1)), np.ones((6000, 1)))
    judge = DecisionRule(ResidualShape.fit(standard, judged, points=6000), sla_cost(c_u))
    predicted = Predicted(np.zeros((40, 1)), np.geomspace(0.003, 0.3, 40)[:, None])
    costs = []
    for points in (256, 6000):
        shape = ResidualShape.fit(standard, fitted, points=points)
        y = DecisionRule(shape, sla_cost(c_u)).allocate(predicted)
        costs.append(judge.expected_cost(y, predicted).sum())
    assert costs[0] <= 1.003 * costs[1]


def test_quantiles_that_rounding_tells_apart_are_one():
    mass = np.array([0.1, 0.2, 0.3, 0.25, 0.15])
    grid = np.array([0.0, 5e-37, 1.0, 1e6, 1e6 + 1e-6])
    found = ResidualShape(grid, mass, np.ones(2)).distinct()
    np.testing.assert_array_equal(found.values, [5e-37, 1.0, 1e6 + 1e-6])
    np.testing.assert_allclose(found.mass, [0.3, 0.3, 0.4])


def test_a_spread_counts_as_at_most_its_cap():
    shape = ResidualShape(np.array([0.0]), np.array([1.0]), np.array([0.1, 0.2]))
    found = shape.bounded(Predicted(np.zeros((2, 2)), np.array([[0.05, 9.0], [9.0, 0.2]])))
    np.testing.assert_array_equal(found, [[0.05, 0.2], [0.1, 0.2]])
    with pytest.raises(ValueError, match="3 VNFs, but the shape was fitted on 2"):
        shape.bounded(Predicted(np.zeros(3), np.ones(3)))


@pytest.mark.parametrize(
    ("demand", "points", "message"),
    [
        (np.zeros((3, 1)), 9, "predictions and demand"),
        (np.zeros((0, 2)), 9, "predictions and demand"),
        (np.zeros((3, 2)), 0, "at least one point"),
        (np.full((3, 2), np.nan), 9, "not finite"),
    ],
)
def test_what_gives_no_shape_is_refused(demand, points, message):
    with pytest.raises(ValueError, match=message):
        ResidualShape.fit(Predicted(np.zeros((3, 2)), np.ones((3, 2))), demand, points=points)


def test_json_round_trip():
    shape = skewed_shape(points=64)
    again = ResidualShape.from_json(json.loads(json.dumps(shape.to_json())))
    for name in ("values", "mass", "spread_cap"):
        np.testing.assert_array_equal(getattr(again, name), getattr(shape, name))


@pytest.mark.parametrize(
    "damage",
    [
        {"values": None},
        {"values": []},
        {"values": [1.0, 0.0]},
        {"values": [0.0, 1e999]},
        {"mass": [0.5, 0.4]},
        {"mass": [1.5, -0.5]},
        {"mass": [1.0]},
        {"spread_cap": [0.0]},
        {"spread_cap": []},
        {"spread_cap": ["x"]},
    ],
)
def test_damaged_json_is_refused(damage):
    with pytest.raises(ArtefactError, match="not a shape of residuals"):
        ResidualShape.from_json({**make_shape([0.0, 1.0]).to_json(), **damage})
