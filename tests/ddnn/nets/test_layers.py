"""The quick layers give what torch's own give."""

import pytest
import torch
from torch import nn

from ddnn.nets.layers import Convolution, Dropout

SHAPES = [(70, 6, 4, 5, 5), (3, 4, 25, 7, 7)]  # more samples than one part holds; a long window


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kernel", [3, 5])
def test_gradients_in_bf16_are_those_of_torch(shape: tuple[int, ...], kernel: int) -> None:
    torch.manual_seed(0)
    ours = Convolution(shape[1], 3, kernel, padding=kernel // 2)
    theirs = nn.Conv3d(shape[1], 3, kernel, padding=kernel // 2)
    theirs.load_state_dict(ours.state_dict())
    x, target = torch.randn(shape), torch.randn(shape[0], 3, *shape[2:])
    gradients = []
    for layer, low in ((ours, True), (theirs, True), (theirs, False)):
        layer.zero_grad()
        values = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            y = layer(values)
        assert y.dtype == (torch.bfloat16 if low else torch.float32)
        (y.float() * target).sum().backward()
        gradients.append([values.grad, layer.weight.grad, layer.bias.grad])
    for got, like, exact in zip(*gradients, strict=True):
        assert got.dtype == torch.float32
        # bf16 keeps 8 bits: an error of some 2 ** -8 of the gradients' size. Where the CPU has no
        # bf16, torch emulates it and rounds more often: there, no more than torch's own error.
        assert _error(got, exact) < max(0.01, 1.01 * _error(like, exact))


def _error(got: torch.Tensor, exact: torch.Tensor) -> float:
    return float((got - exact).norm() / exact.norm())


@pytest.mark.parametrize("capability", ["AVX2", "AVX512"])
def test_convolution_in_float32_is_that_of_torch(
    capability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    torch.manual_seed(0)
    ours = Convolution(4, 3, 3, padding=1)
    theirs = nn.Conv3d(4, 3, 3, padding=1)
    theirs.load_state_dict(ours.state_dict())
    values, target = torch.randn(70, 4, 3, 5, 5), torch.randn(70, 3, 3, 5, 5)
    gradients = []
    for layer in (ours, theirs):
        x = values.clone().requires_grad_()
        y = layer(x)
        (y * target).sum().backward()
        gradients.append([y.detach(), x.grad, layer.weight.grad, layer.bias.grad])
    for got, like in zip(*gradients, strict=True):
        assert got.dtype == torch.float32
        # With AVX512 it is torch's own, to the bit; with AVX2 it goes by spectra.
        assert torch.equal(got, like) or (capability == "AVX2" and _error(got, like) < 1e-5)


def test_convolution_in_evaluation_is_one_that_an_export_knows() -> None:
    layer = Convolution(4, 3, 3, padding=1).eval()
    x = torch.randn(2, 4, 3, 5, 5)
    nodes = torch.export.export(layer, (x,)).graph.nodes
    called = [str(node.target) for node in nodes if node.op == "call_function"]
    assert called == ["aten.conv3d.default"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_drops_at_its_rate_and_keeps_the_mean(rate: float, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    x = torch.ones(1000, 1001, dtype=dtype, requires_grad=True)
    y = Dropout(rate)(x)
    assert y.dtype == dtype
    dropped = (y == 0).float().mean().item()
    assert dropped == pytest.approx(rate, abs=5 * (rate * (1 - rate) / 1e6) ** 0.5)
    kept = y[y != 0]
    assert torch.all(kept == kept[0])
    assert kept[0].item() == pytest.approx(
        1 / (1 - rate), rel=1e-4 if x.dtype.itemsize > 2 else 4e-3
    )
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())  # the gradient passes where the value did, scaled alike


def test_masks_are_seeded_by_torch_and_differ_from_call_to_call() -> None:
    layer, x = Dropout(0.3), torch.ones(8, 33)
    torch.manual_seed(5)
    first, second = layer(x), layer(x)
    torch.manual_seed(5)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)


def test_dropout_is_silent_in_evaluation_and_at_rate_zero() -> None:
    x = torch.randn(4, 5)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
