import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ddnn.cost import (
    AllocationCost,
    PenaltyForm,
    from_params,
    mean_overprovision,
    sla_cost,
    squared_error,
    violation_rate,
)
from ddnn.errors import ParamsError
from ddnn.params import PenaltyParams, SettingParams

SLOTS, VNFS = 4, 3
levels = arrays(np.float64, (SLOTS, VNFS), elements=st.floats(0, 3, width=32))
weights = st.floats(0, 30, width=32)
forms = st.sampled_from(
    [
        PenaltyForm("linear", 2.0),
        PenaltyForm("quadratic", (1.0, 0.5, 3.0)),
        PenaltyForm("power", 0.7, 1.5),
        np.sqrt,
    ]
)


def setting(**changes):
    values = {
        "cost": "eq3",
        "c_u": 2.0,
        "c_o": 1.0,
        "g_u": PenaltyParams(form="quadratic", weight=3.0),
        "g_o": PenaltyParams(form="power", weight=1.0, exponent=1.5),
        "N": 6,
        "w": 0.2,
        "seed": 0,
    }
    return SettingParams(**(values | changes))


def test_eq1_is_the_squared_distance():
    assert squared_error()([[0.5, 0.2]], [[0.2, 0.6]]) == pytest.approx([0.09 + 0.16])


def test_eq3_by_hand():
    cost = sla_cost(c_u=[10.0, 1.0, 5.0], c_o=[1.0, 2.0, 4.0])
    y, d = np.array([[0.1, 0.6, 0.5]]), np.array([[0.2, 0.4, 0.5]])
    assert cost.per_vnf(y, d) == pytest.approx(np.array([[10.0, 0.4, 0.0]]))
    assert cost(y, d) == pytest.approx([10.4])


@given(levels, levels, weights, weights)
def test_eq3_is_eq2_with_a_constant_and_a_line(y, d, c_u, c_o):
    general = AllocationCost(under=lambda x: np.full_like(x, c_u), over=lambda x: c_o * x)
    np.testing.assert_array_equal(sla_cost(c_u, c_o).per_vnf(y, d), general.per_vnf(y, d))


@given(levels, levels)
def test_eq1_is_eq2_with_two_squares(y, d):
    np.testing.assert_allclose(squared_error().per_vnf(y, d), (y - d) ** 2)


@given(levels, forms, forms)
def test_meeting_the_demand_costs_nothing_and_counts_as_overprovision(d, under, over):
    assert not AllocationCost(under, over).per_vnf(d, d).any()
    assert not sla_cost(20.0).per_vnf(d, d).any()
    paid_at_zero = AllocationCost(under=PenaltyForm("constant", 7.0), over=lambda x: x + 1.0)
    assert (paid_at_zero.per_vnf(d, d) == 1.0).all()
    assert not violation_rate(d, d).any()


@given(levels, levels, forms, forms)
def test_no_cost_is_negative(y, d, under, over):
    assert (AllocationCost(under, over).per_vnf(y, d) >= 0).all()


@given(levels, levels, forms, forms)
def test_the_cost_of_all_vnfs_is_the_sum_of_their_costs(y, d, under, over):
    cost = AllocationCost(under, over)
    np.testing.assert_allclose(cost(y, d), sum(cost.per_vnf(y, d)[:, m] for m in range(VNFS)))


@given(levels, levels, levels, forms, forms)
def test_more_overprovision_never_costs_less(d, over_by, more, under, over):
    cost = AllocationCost(under, over)
    enough = d + over_by
    assert (cost.per_vnf(enough + more, d) >= cost.per_vnf(enough, d) - 1e-9).all()


@given(levels, levels, weights)
def test_the_users_units_weigh_each_vnf_with_its_span(y, d, c_u):
    cost = sla_cost(c_u, 1.0)
    span = np.array([1.0, 10.0, 250.0])
    np.testing.assert_allclose(cost.in_units(y, d, span), (cost.per_vnf(y, d) * span).sum(-1))


def test_any_leading_axes_and_narrow_floats_are_taken():
    y = np.full((2, 5, 3), 0.5, dtype=np.float32)
    found = sla_cost(1.0)(y, np.zeros(3, dtype=np.float32))
    assert found.shape == (2, 5)
    assert found.dtype == np.float64


def test_violations_and_overprovision():
    y, d = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.4, 0.2], [0.5, 0.7]])
    assert violation_rate(y, d) == pytest.approx([0.5, 0.5])
    assert mean_overprovision(y, d) == pytest.approx([0.3, 0.0])


def test_params_choose_the_equation():
    y, d = np.array([0.3, 0.9]), np.array([0.5, 0.5])
    assert from_params(setting(cost="eq1"), 2)(y, d) == pytest.approx(0.04 + 0.16)
    assert from_params(setting(cost="eq2"), 2)(y, d) == pytest.approx(3 * 0.04 + 0.4**1.5)
    assert from_params(setting(cost="eq3"), 2)(y, d) == pytest.approx(2.0 + 0.4)
    assert from_params(setting(c_u=[5.0, 9.0]), 2)(y, d) == pytest.approx(5.0 + 0.4)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"c_u": [1.0, 2.0]}, "setting.c_u"),
        ({"c_o": [1.0, 2.0]}, "setting.c_o"),
        (
            {"cost": "eq2", "g_u": PenaltyParams(form="linear", weight=[1.0, 2.0])},
            "setting.g_u.weight",
        ),
        (
            {"cost": "eq2", "g_o": PenaltyParams(form="linear", weight=[1.0, 2.0])},
            "setting.g_o.weight",
        ),
    ],
)
def test_a_list_of_the_wrong_length_is_refused_by_name(changes, name):
    with pytest.raises(ParamsError, match=rf"{name}: 2 values for 3 VNFs"):
        from_params(setting(**changes), 3)


def test_a_setting_that_the_equation_does_not_use_is_not_judged():
    from_params(setting(cost="eq1", c_u=[1.0, 2.0]), 3)


def test_an_exponent_goes_with_power_alone():
    with pytest.raises(ParamsError):
        PenaltyForm("power")
    with pytest.raises(ParamsError):
        PenaltyForm("linear", 1.0, 2.0)
