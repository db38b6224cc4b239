"""Parameters and multiply-accumulates of a network, counted (Table III)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ddnn.nets.exits import Exits
from ddnn.offload.optimized import Gate


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


def block_sizes(exits: Exits) -> dict[str, dict[str, int]]:
    """Parameters and MACs of one decision in F0, F1 (where there is one) and F2."""
    exits.eval()
    D = torch.zeros(1, exits.N, exits.vnfs)
    with torch.no_grad():
        z = exits.latent(D)
    sizes = {"F0": _size(exits.F0, count_macs(exits, exits.latent, D))}
    if not exits.remote_only:
        sizes["F1"] = _size(exits.F1, count_macs(exits, exits.local, z))
    sizes["F2"] = _size(exits.F2, count_macs(exits, exits.remote, z))
    return sizes


def gate_size(gate: Gate) -> dict[str, int]:
    """Parameters and MACs of one decision of a gate."""
    gate.eval()
    return _size(gate, count_macs(gate, gate, torch.zeros(1, *gate.plan.shape)))


def latent_values(exits: Exits) -> int:
    """Numbers in one z."""
    with torch.no_grad():
        return exits.latent(torch.zeros(1, exits.N, exits.vnfs)).numel()


def _size(module: nn.Module, macs: int) -> dict[str, int]:
    return {"parameters": count_parameters(module), "macs": macs}
