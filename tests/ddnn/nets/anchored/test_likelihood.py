import numpy as np
import pytest
import torch
from scipy import stats

from ddnn.nets.anchored import Distribution
from ddnn.nets.anchored.likelihood import negative_log_likelihood


def predicted(dof: float = 4.0) -> tuple[Distribution, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    location, log_spread, demand = torch.randn(3, 20, 4, generator=draw, dtype=torch.float64)
    return Distribution(location, log_spread, torch.tensor(dof, dtype=torch.float64)), demand


@pytest.mark.parametrize("dof", [1.5, 4.0, 200.0])
def test_it_is_the_density_of_students_t(dof: float) -> None:
    said, demand = predicted(dof)
    spread = said.log_spread.exp().numpy()
    expected = -stats.t.logpdf(demand.numpy(), dof, said.location.numpy(), spread)
    assert negative_log_likelihood(said, demand).numpy() == pytest.approx(expected)


def test_its_gradients_are_those_of_finite_differences() -> None:
    said, demand = predicted()
    inputs = [each.clone().requires_grad_() for each in said]
    assert torch.autograd.gradcheck(
        lambda *parts: negative_log_likelihood(Distribution(*parts), demand).mean(), inputs
    )


def test_a_spike_pulls_less_than_a_near_miss() -> None:
    location = torch.zeros(2, 1, requires_grad=True)
    said = Distribution(location, torch.zeros(2, 1), torch.tensor(4.0))
    negative_log_likelihood(said, torch.tensor([[2.0], [1e4]])).sum().backward()
    near, far = location.grad.abs().flatten().tolist()  # type: ignore[union-attr]
    assert far < 1e-3 * near
    assert np.isfinite(far)
