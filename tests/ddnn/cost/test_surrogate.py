import math
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ddnn.cost import AllocationCost, PenaltyForm, sla_cost, squared_error
from ddnn.cost.surrogate import make_surrogate
from ddnn.errors import ModelError
from ddnn.params import SurrogateParams

Name = Literal["ramp", "logistic"]
NAMES: tuple[Name, Name] = ("ramp", "logistic")

names = st.sampled_from(NAMES)
weights = st.floats(0.125, 100, width=32)
demands = st.lists(st.floats(0, 1.5, width=32), min_size=3, max_size=3)


def params(name: Name = "ramp", width: float = 0.05, pull: float = 0.0) -> SurrogateParams:
    return SurrogateParams(name=name, width=width, pull=pull)


def one(values: list[float]) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float32)


def gradient(cost: AllocationCost, chosen: SurrogateParams, y: float, d: float) -> float:
    allocation = torch.tensor([[y]], requires_grad=True)
    make_surrogate(cost, chosen)(allocation, torch.tensor([[d]])).sum().backward()
    assert allocation.grad is not None
    return float(allocation.grad)


@given(name=names, c_u=weights, c_o=weights, d=demands, gap=st.floats(0.0625, 2, width=32))
@pytest.mark.parametrize("side", [-1, 1])
def test_away_from_the_step_it_tends_to_the_hard_cost_with_the_width(
    side: int, name: Name, c_u: float, c_o: float, d: list[float], gap: float
) -> None:
    y = [value + side * gap for value in d]
    hard = sla_cost(c_u, c_o)(np.float32(y), np.float32(d))
    surrogate = make_surrogate(sla_cost(c_u, c_o), params(name, width=1e-3))(one(y), one(d))
    assert surrogate.item() == pytest.approx(float(hard), rel=1e-4, abs=1e-4)


@given(d=demands, y=demands)
def test_the_surrogate_of_the_squared_error_is_itself(d: list[float], y: list[float]) -> None:
    surrogate = make_surrogate(squared_error(), params(pull=1.0))(one(y), one(d))
    hard = squared_error()(np.float32(y), np.float32(d))
    assert surrogate.item() == pytest.approx(float(hard), rel=1e-5, abs=1e-6)


@given(name=names, c_u=weights, pull=st.floats(0.01, 10), gap=st.floats(0.001, 100))
def test_a_starved_vnf_is_pushed_up(name: Name, c_u: float, pull: float, gap: float) -> None:
    assert gradient(sla_cost(c_u), params(name, pull=pull), 0.5 - gap, 0.5) < 0


@given(name=names, gap=st.floats(1, 100))
def test_an_idle_allocation_is_pushed_down_by_the_price_of_a_unit(name: Name, gap: float) -> None:
    got = gradient(sla_cost(1.0, 3.0), params(name, pull=1.0), 0.5 + gap, 0.5)
    assert got == pytest.approx(3.0)


@pytest.mark.parametrize("name", NAMES)
def test_both_names_are_as_steep_at_the_demand(name: Name) -> None:
    price_free = sla_cost(2.0, 0.0)
    assert gradient(price_free, params(name, width=0.1), 0.5, 0.5) == pytest.approx(-20)


@pytest.mark.parametrize("form", ["constant", "linear", "quadratic"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("far", [-1e12, 1e12])
def test_huge_inputs_stay_finite(
    form: Literal["constant", "linear", "quadratic"], name: Name, far: float
) -> None:
    cost = AllocationCost(under=PenaltyForm(form), over=PenaltyForm(form))
    allocation = torch.tensor([[far]], requires_grad=True)
    value = make_surrogate(cost, params(name, pull=1.0))(allocation, torch.zeros(1, 1))
    value.sum().backward()
    assert math.isfinite(value.item())
    assert allocation.grad is not None
    assert math.isfinite(float(allocation.grad))


@given(exponent=st.floats(0, 3), gap=st.floats(-1, 1, width=32))
def test_any_power_has_a_finite_slope_everywhere(exponent: float, gap: float) -> None:
    form = PenaltyForm("power", exponent=exponent)
    assert math.isfinite(gradient(AllocationCost(form, form), params(), gap, 0.0))


def test_a_root_follows_its_hard_cost() -> None:
    root = PenaltyForm("power", weight=2.0, exponent=0.5)
    surrogate = make_surrogate(AllocationCost(root, root), params())(one([0.75]), one([0.5]))
    assert surrogate.item() == pytest.approx(1.0, abs=3e-3)


def test_a_constant_price_of_idling_has_a_slope_too() -> None:
    cost = AllocationCost(under=PenaltyForm("linear"), over=PenaltyForm("constant", 2.0))
    assert gradient(cost, params(width=0.1), 0.51, 0.5) == pytest.approx(20)


def test_each_vnf_has_its_own_price() -> None:
    surrogate = make_surrogate(sla_cost([1.0, 10.0], [1.0, 2.0]), params())
    d = torch.full((2, 2), 0.5)
    y = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert surrogate(y, d).tolist() == pytest.approx([1 + 1.0, 0.5 + 10])


def test_a_penalty_without_a_name_can_only_judge() -> None:
    with pytest.raises(ModelError, match="named form"):
        make_surrogate(AllocationCost(under=np.square, over=PenaltyForm("linear")), params())
