"""The convolution by spectra is torch's own, forward and backward."""

import pytest
import torch
from torch.nn import functional

from ddnn.nets.spectral import Sizes, convolve

CASES = [
    ((6, 7, 7), (5, 5, 5), (2, 2, 2)),  # the preset paper's, N = 6
    ((25, 7, 7), (3, 3, 3), (1, 1, 1)),
    ((11, 12, 12), (6, 6, 6), (0, 0, 0)),  # padded before, as an even kernel is
    ((1, 3, 8), (5, 5, 5), (2, 2, 2)),  # a kernel larger than the volume; rows unlike columns
    ((4, 2, 5), (1, 2, 3), (0, 1, 2)),
]


@pytest.mark.parametrize(("shape", "kernel", "padding"), CASES)
def test_output_and_gradients_are_those_of_torch(
    shape: Sizes, kernel: Sizes, padding: Sizes
) -> None:
    torch.manual_seed(0)
    values = torch.randn(5, 3, *shape), torch.randn(4, 3, *kernel), torch.randn(4)
    found: list[list[torch.Tensor]] = []
    generator = torch.Generator()
    for convolution in (convolve, functional.conv3d):
        x, weight, bias = (each.clone().requires_grad_() for each in values)
        y = convolution(x, weight, bias, padding=padding)
        (y * torch.randn(y.shape, generator=generator.manual_seed(1))).sum().backward()
        found.append([y.detach(), x.grad, weight.grad, bias.grad])
    for ours, theirs in zip(*found, strict=True):
        assert ours.shape == theirs.shape and ours.is_contiguous()
        assert float((ours - theirs).norm() / theirs.norm()) < 5e-6


@pytest.mark.parametrize(("shape", "kernel", "padding"), CASES[-2:])
def test_gradients_are_those_of_the_output(shape: Sizes, kernel: Sizes, padding: Sizes) -> None:
    torch.manual_seed(1)
    sizes = (2, 2, *shape), (3, 2, *kernel), (3,)
    values = [torch.randn(size, dtype=torch.float64, requires_grad=True) for size in sizes]
    assert torch.autograd.gradcheck(lambda *each: convolve(*each, padding), values)
