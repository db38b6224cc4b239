"""Parameters and multiply-accumulates of a network, counted (Table III)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def count_parameters(*modules: nn.Module) -> int:
    """Count the weights of the modules."""
    return sum(weight.numel() for module in modules for weight in module.parameters())


def count_macs(module: nn.Module, run: Callable[..., Any], *inputs: Tensor) -> int:
    """Count the MACs of the convolutions and dense layers inside ``module`` that a run uses.

    Args:
        module: Whose layers are watched.
        run: What to call, for instance ``module`` itself or one of its methods.
        inputs: A batch of one.
    """
    counted = 0

    def watch(layer: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal counted
        if isinstance(layer, nn.Linear):
            counted += output.numel() * layer.in_features
        elif isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            counted += output.numel() * layer.weight[0].numel()

    hooks = [layer.register_forward_hook(watch) for layer in module.modules()]
    try:
        with torch.no_grad():
            run(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return counted
