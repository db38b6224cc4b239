"""How likely demand was under what an exit predicted, and how far that is from a teacher's."""

import math

import torch
from torch import Tensor

from ddnn.nets.anchored.exits import Distribution


def negative_log_likelihood(predicted: Distribution, demand: Tensor) -> Tensor:
    """Give minus the log density of Student's t at the demand, in nats, full scales as unit.

    Args:
        predicted: Locations and log-spreads (batch, M).
        demand: (batch, M), scaled.

    Returns:
        (batch, M); far off it grows with the logarithm of the distance only, so that one spike
        does not own a batch's gradient.
    """
    location, log_spread, dof = predicted
    standardised = (demand - location) * torch.exp(-log_spread)
    normaliser = torch.lgamma((dof + 1) / 2) - torch.lgamma(dof / 2)
    normaliser = normaliser - 0.5 * torch.log(dof * math.pi)
    tail = (dof + 1) / 2 * torch.log1p(standardised**2 / dof)
    return log_spread + tail - normaliser


def distance(predicted: Distribution, location: Tensor, log_spread: Tensor) -> Tensor:
    """Give how far a prediction is from a teacher's, in its spreads and in shares of them.

    Args:
        predicted: Locations and log-spreads (batch, M).
        location: (batch, M), the teacher's.
        log_spread: (batch, M), the teacher's.

    Returns:
        (batch, M): half the squared distance of the locations, and that of the log-spreads with
        weight 2, close to what a normal law loses by either in nats.
    """
    apart = (predicted.location - location) * torch.exp(-log_spread)
    return 0.5 * apart**2 + (predicted.log_spread - log_spread) ** 2
