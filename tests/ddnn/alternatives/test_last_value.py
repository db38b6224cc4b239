import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ddnn.alternatives import LastValueHeadroom
from ddnn.cost import AllocationCost, PenaltyForm, sla_cost, squared_error
from ddnn.errors import ArtefactError

series = arrays(np.float64, (25, 2), elements=st.integers(0, 40).map(lambda n: n / 40))
weights = st.floats(0.125, 20, width=32)


def mean_costs(values, cost, headroom):
    """Mean cost of each VNF on the slots from 1 on, for one headroom per VNF."""
    return cost.per_vnf(values[:-1] + headroom, values[1:]).mean(axis=0)


def least_costs(values, cost):
    """The least mean cost of each VNF over a fine mesh and all residuals (a hair above each)."""
    tried = np.concatenate([np.linspace(-1.1, 1.1, 45), *(np.diff(values, axis=0) + 1e-12)])
    return np.min([mean_costs(values, cost, h) for h in tried], axis=0)


@settings(deadline=None, max_examples=40)
@given(series, weights, weights)
def test_no_constant_is_cheaper_under_eq3(values, c_u, c_o):
    cost = sla_cost([c_u, 1.0], [c_o, 1.0])
    found = LastValueHeadroom.fit(values, range(1, 25), cost)
    excess = mean_costs(values, cost, found.headroom) - least_costs(values, cost)
    assert (excess <= 1e-5 * max(c_o, 1.0)).all()


@settings(deadline=None, max_examples=20)
@given(
    series,
    st.sampled_from(
        [
            squared_error(),
            AllocationCost(PenaltyForm("linear", 5.0), PenaltyForm("linear", 1.0)),
            AllocationCost(PenaltyForm("quadratic", 4.0), PenaltyForm("linear", 1.0)),
            AllocationCost(PenaltyForm("constant", 2.0), PenaltyForm("quadratic", 1.0)),
            AllocationCost(PenaltyForm("constant", 2.0), PenaltyForm("power", 1.0, 1.5)),
            AllocationCost(lambda x: 3 * np.expm1(x), lambda x: x),
        ]
    ),
)
def test_no_constant_is_cheaper_under_other_penalties(values, cost):
    found = LastValueHeadroom.fit(values, range(1, 25), cost)
    excess = mean_costs(values, cost, found.headroom) - least_costs(values, cost)
    assert (excess <= 2e-5).all()


def test_eq1_takes_the_mean_residual():
    values = np.random.default_rng(0).random((300, 4))
    found = LastValueHeadroom.fit(values, range(1, 300), squared_error())
    expected = np.diff(values, axis=0).mean(axis=0)
    np.testing.assert_allclose(found.headroom, expected, atol=1e-5)


def test_a_dearer_violation_asks_for_more_headroom():
    values = np.random.default_rng(0).random((500, 3))
    rooms = [
        LastValueHeadroom.fit(values, range(1, 500), sla_cost(c_u)).headroom
        for c_u in (0.5, 1, 10, 20)
    ]
    assert (np.diff(rooms, axis=0) >= 0).all()
    assert (rooms[-1] > rooms[0]).all()


def test_whole_units_in_narrow_windows_are_met_not_missed():
    # Demand that goes up by one unit in every other slot: the best headroom is one unit.
    counts = np.cumsum(np.arange(400) % 2)[:, None].astype(np.float64)
    values = counts / 177.0  # a full scale that no binary fraction meets
    found = LastValueHeadroom.fit(values, range(1, 400), sla_cost(5.0))
    windows = values[:-1, None].astype(np.float32)
    assert (found.allocate(windows) >= values[1:].astype(np.float32)).all()


def test_only_the_targets_are_learned_from():
    values = np.random.default_rng(0).random((100, 2))
    other = values.copy()
    other[60:] = 7.0
    fitted = [LastValueHeadroom.fit(each, range(6, 60), sla_cost(1.0)) for each in (values, other)]
    np.testing.assert_array_equal(fitted[0].headroom, fitted[1].headroom)


def test_allocates_the_newest_slot_plus_the_headroom():
    D = np.random.default_rng(0).random((5, 6, 2)).astype(np.float32)
    found = LastValueHeadroom(np.array([0.1, 0.2])).allocate(D)
    np.testing.assert_allclose(found, D[:, -1] + np.array([0.1, 0.2]))
    with pytest.raises(ValueError, match="headroom for 3"):
        LastValueHeadroom(np.array([0.1, 0.2, 0.3])).allocate(D)


def test_a_constant_series_needs_no_headroom():
    found = LastValueHeadroom.fit(np.zeros((50, 1)), range(1, 50), sla_cost(20.0))
    assert found.headroom == pytest.approx([0.0], abs=2e-6)


@pytest.mark.parametrize("targets", [range(0), range(0, 5)])
def test_targets_need_a_slot_before_them(targets):
    with pytest.raises(ValueError, match="slot before"):
        LastValueHeadroom.fit(np.zeros((9, 1)), targets, squared_error())


def test_json_round_trip():
    found = LastValueHeadroom(np.array([0.1, -0.25, 1 / 3]))
    again = LastValueHeadroom.from_json(json.loads(json.dumps(found.to_json())))
    np.testing.assert_array_equal(again.headroom, found.headroom)


@pytest.mark.parametrize(
    "values", [{}, {"headroom": []}, {"headroom": ["x"]}, {"headroom": [1e999]}]
)
def test_damaged_json_is_refused(values):
    with pytest.raises(ArtefactError, match="not a headroom"):
        LastValueHeadroom.from_json(values)


@pytest.mark.milano
def test_what_a_ddnn_has_to_beat_on_the_real_squares(milano_dir):
    path = milano_dir / "internet-10min-25squares-2013-11.csv"
    values = np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(1, 26))
    test, day = len(values) - 5 * 144, 144
    training = values[: test - 6 * day]
    scaled = (values - training.min(axis=0)) / np.ptp(training, axis=0)
    for c_u, expected in ((0.5, 2.71), (1.0, 3.34), (10.0, 6.46), (20.0, 7.91)):
        cost = sla_cost(c_u)
        headroom = LastValueHeadroom.fit(scaled, range(6, test), cost)
        found = cost(headroom.allocate(scaled[test - 1 : -1, None]), scaled[test:]).mean()
        assert found == pytest.approx(expected, rel=0.03)
