"""Differentiable stand-ins for the hard cost: what training descends on, never what is reported.

Eq. (3) is flat under the demand and falls by c_u at it, so its gradient only ever pushes an
allocation down, into permanent violation. A surrogate replaces each such step by a slope of a given
width in demand units, centred on the step so that the smoothing shifts the optimum as little as it
can, and adds a small ``pull`` upwards where the hard cost is flat.

Gradient with respect to y at eq. (3), by the distance y - d:

| where | ramp | logistic |
|---|---|---|
| far under the demand | -pull | -pull |
| within width / 2 of it | -c_u / width, with -pull or +c_o | the same at y = d, then less |
| far over it | +c_o | +c_o |
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ddnn.cost.hard import AllocationCost, Penalty, PenaltyForm
from ddnn.errors import ModelError
from ddnn.params import SurrogateParams

Surrogate = Callable[[Tensor, Tensor], Tensor]
"""Allocation and demand, each (batch, M), to one cost per sample, (batch,)."""

_FAR = 1e3  # full scales; beyond it a power goes on along its tangent, so that it stays finite
_NEAR = 1e-6  # a root's slope is infinite at 0: it starts here instead


def make_surrogate(cost: AllocationCost, params: SurrogateParams) -> Surrogate:
    """Build the surrogate of a hard cost.

    A side of eq. (2) that is continuous at the demand (linear, quadratic, power) is taken as it is:
    the surrogate of eq. (1) is eq. (1). A constant side, as c_u of eq. (3), gets the step's slope.

    Args:
        cost: The hard cost; both of its penalties need a name.
        params: ``ramp`` (a straight slope) or ``logistic`` (a sigmoid as steep as the ramp at the
            demand); its width, and the pull, in cost per full scale.

    Raises:
        ModelError: A penalty has no named form, so there is nothing to derive the gradient from.
    """
    under = _Side(_named(cost.under), params, pull=params.pull)
    over = _Side(_named(cost.over), params, pull=0.0)

    def surrogate(y: Tensor, d: Tensor) -> Tensor:
        gap = y - d
        return (under(-gap) + over(gap)).sum(dim=-1)

    return surrogate


class _Side:
    """One side of eq. (2), on signed distances: positive where the side applies."""

    def __init__(self, penalty: PenaltyForm, params: SurrogateParams, pull: float) -> None:
        self.weight = torch.tensor(penalty.weight, dtype=torch.float32)
        self.degree = penalty.degree
        self.params = params
        self.pull = pull

    def __call__(self, distance: Tensor) -> Tensor:
        if self.degree == 0:
            return self.weight * self._step(distance) + self.pull * distance.relu()
        return self.weight * _power(distance.relu(), self.degree)

    def _step(self, distance: Tensor) -> Tensor:
        if self.params.name == "ramp":
            return (distance / self.params.width + 0.5).clamp(0, 1)
        return torch.sigmoid(4 * distance / self.params.width)


def _power(distance: Tensor, degree: float) -> Tensor:
    if degree < 1:
        return torch.pow(distance + _NEAR, degree) - math.pow(_NEAR, degree)
    near = distance.clamp(max=_FAR)
    return torch.pow(near, degree) + degree * math.pow(_FAR, degree - 1) * (distance - near)


def _named(penalty: Penalty) -> PenaltyForm:
    if not isinstance(penalty, PenaltyForm):
        raise ModelError(
            "training needs penalties with a named form (constant, linear, quadratic or power); "
            f"{penalty!r} can only judge"
        )
    return penalty
