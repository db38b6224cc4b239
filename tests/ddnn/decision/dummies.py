"""Tiny shapes and predictions, and an oracle that sums over quantiles, one by one."""

import numpy as np
from hypothesis import strategies as st

from ddnn.cost import AllocationCost, PenaltyForm, sla_cost, squared_error
from ddnn.decision import Predicted, ResidualShape

HAIR = 1e-9
"""Above a quantile, so that rounding does not turn a hit into a miss; below the rule's margin."""

COSTS = {
    "eq3": sla_cost(2.0),
    "eq3_per_vnf": sla_cost([0.5, 1.0, 20.0], [1.0, 3.0, 0.2]),
    "eq1": squared_error(),
    "newsvendor": AllocationCost(PenaltyForm("linear", 5.0), PenaltyForm("linear", 1.0)),
    "quadratic_linear": AllocationCost(
        PenaltyForm("quadratic", (4.0, 40.0, 0.1)), PenaltyForm("linear", 1.0)
    ),
    "linear_quadratic": AllocationCost(PenaltyForm("linear", 2.0), PenaltyForm("quadratic", 9.0)),
    "constant_quadratic": AllocationCost(PenaltyForm("constant"), PenaltyForm("quadratic", 3.0)),
    "roots": AllocationCost(PenaltyForm("power", 2.0, 0.5), PenaltyForm("linear", 1.0)),
    "linear_constant": AllocationCost(PenaltyForm("linear", 3.0), PenaltyForm("constant", 0.2)),
    "constant_constant": AllocationCost(PenaltyForm("constant", 2.0), PenaltyForm("constant")),
    "power": AllocationCost(PenaltyForm("power", 5.0, 1.5), PenaltyForm("power", 1.0, 1.2)),
    "power_and_root": AllocationCost(PenaltyForm("power", 1.0, 0.5), PenaltyForm("power", 2.0, 3)),
}
"""Penalties with a named form, of 3 VNFs."""

FUNCTIONS = {
    "exponential": AllocationCost(lambda x: 3 * np.expm1(2 * x), lambda x: x),
    "eq3_as_a_function": AllocationCost(lambda x: np.full_like(x, 2.0), lambda x: x),
    "capped": AllocationCost(lambda x: np.minimum(8 * x, 1.0), PenaltyForm("linear", 1.0)),
}
"""Penalties without a name."""


def make_shape(values: list[float], vnfs: int = 3, seed: int = 0) -> ResidualShape:
    """Give a shape of these quantiles, with masses that differ, and no effective cap."""
    mass = np.random.default_rng(seed).uniform(0.2, 1, len(values))
    grid = np.sort(np.array(values, dtype=np.float64))
    return ResidualShape(grid, mass / mass.sum(), np.full(vnfs, 10.0))


def skewed_shape(vnfs: int = 3, points: int = 256) -> ResidualShape:
    """Give the shape of skewed residuals with a heavy tail."""
    rng = np.random.default_rng(3)
    residuals = rng.standard_t(3, (6000, 1)) + rng.exponential(0.5, (6000, 1))
    predicted = Predicted(np.zeros_like(residuals), np.ones_like(residuals))
    shape = ResidualShape.fit(predicted, residuals, points=points)
    return ResidualShape(shape.values, shape.mass, np.ones(vnfs))


def make_predicted(*dims: int, seed: int = 0) -> Predicted:
    """Give locations in [0, 1] and spreads from 0.003 to 0.3."""
    rng = np.random.default_rng(seed)
    return Predicted(rng.uniform(0, 1, dims), 0.003 * 100 ** rng.uniform(0, 1, dims))


def summed(
    cost: AllocationCost, shape: ResidualShape, predicted: Predicted, y: np.ndarray
) -> np.ndarray:
    """Expected cost (..., M) of y (..., M), by its definition."""
    spread = np.minimum(predicted.spread, shape.spread_cap)
    total = np.zeros(np.broadcast_shapes(y.shape, spread.shape))
    for z, mass in zip(shape.values, shape.mass, strict=True):
        total += mass * cost.per_vnf(y, predicted.location + spread * z)
    return total


def mesh(shape: ResidualShape, predicted: Predicted, between: int = 0) -> np.ndarray:
    """Allocations (C, ..., M): around each quantile, some between, and some beyond all."""
    places = np.linspace(0, shape.values.size - 1, (shape.values.size - 1) * (between + 1) + 1)
    z = np.interp(places, np.arange(shape.values.size), shape.values)
    z = np.concatenate([z, [z[0] - 1, z[-1] + 1]]).reshape(-1, *[1] * predicted.location.ndim)
    spread = np.minimum(predicted.spread, shape.spread_cap)
    y = predicted.location + spread * z
    return np.concatenate([y - HAIR, y + HAIR])


quantiles = st.lists(
    st.one_of(st.integers(-8, 8).map(float), st.floats(-4, 40, width=32)), min_size=1, max_size=9
)
