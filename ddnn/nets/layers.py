"""Dropout and convolution as torch defines them, but quicker to train on a CPU."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ddnn.nets.spectral import convolve

_LEVELS = 1 << 16  # a value is dropped by 16 random bits
_SAMPLES_AT_ONCE = 32


class Dropout(nn.Dropout):
    """Dropout whose masks cost a sixth of torch's, which on a CPU draws number by number.

    Torch's own generator gives the seed of each mask: ``torch.manual_seed`` decides all of them.
    The rate is rounded to 1/65536.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop values while training, and scale what is kept by 1 / (1 - rate)."""
        dropped = round(self.p * _LEVELS)
        if not self.training or dropped == 0:
            return input
        seed = int(torch.randint(2**62, ()))
        bits = np.random.SFC64(seed).random_raw(-(-input.numel() // 4)).view(np.int16)
        drawn = torch.from_numpy(bits[: input.numel()]).view(input.shape)
        kept = torch.empty(input.shape, dtype=input.dtype)
        torch.ge(drawn, dropped - _LEVELS // 2, out=kept)
        return input * kept.mul_(_LEVELS / (_LEVELS - dropped))


class Convolution(nn.Conv3d):
    """A 3D convolution of stride 1 that trains in less than half of torch's time.

    In bf16, oneDNN is slow at the weights' gradient alone. That is a convolution as well: of the
    input with the output's gradient, batch and channels having changed places. As such it runs in
    the quick forward kernels. In fp32, where the CPU stops at AVX2, all three are quicker by their
    spectra (spectral.py), and oneDNN has no kernel of its own for that gradient.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (batch, channels, depth, rows, columns)."""
        if not (self.training and torch.is_grad_enabled()):  # as exports see it, and inference
            return super().forward(input)
        assert self.bias is not None
        if torch.is_autocast_enabled("cpu"):
            low = torch.get_autocast_dtype("cpu")
            y: Tensor = _Convolution.apply(  # type: ignore[no-untyped-call]
                input.to(low), self.weight.to(low), self.bias.to(low), self.padding
            )
            return y
        if torch.backends.cpu.get_cpu_capability() == "AVX2":
            depth, rows, columns = (int(size) for size in self.padding)
            return convolve(input, self.weight, self.bias, (depth, rows, columns))
        return super().forward(input)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, padding: Any) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        return functional.conv3d(x, weight, bias, padding=padding)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (grad,), (x, weight), padding = grads, ctx.saved_tensors, ctx.padding
        to_input = torch.ops.aten.convolution_backward(
            grad,
            x,
            weight,
            None,
            [1] * 3,
            padding,
            [1] * 3,
            False,
            [0] * 3,
            1,
            [True, False, False],
        )[0]
        # In parts: oneDNN falls back to slow code where the gradient is large. Their sum in fp32.
        parts = zip(
            torch.split(x, _SAMPLES_AT_ONCE), torch.split(grad, _SAMPLES_AT_ONCE), strict=True
        )
        to_weight = sum(
            functional.conv3d(a.transpose(0, 1), b.transpose(0, 1), padding=padding).float()
            for a, b in parts
        )
        assert isinstance(to_weight, Tensor)
        return to_input, to_weight.transpose(0, 1).to(weight.dtype), grad.sum((0, 2, 3, 4)), None
