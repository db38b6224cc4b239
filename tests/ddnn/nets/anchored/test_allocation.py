from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from ddnn.context import Context
from ddnn.cost import AllocationCost, sla_cost, squared_error
from ddnn.errors import ArtefactError
from ddnn.nets.anchored import Allocator, AnchoredExits, predict

Build = Callable[..., AnchoredExits]
See = Callable[..., Context]
DAYS = range(175, 225)


@pytest.fixture
def exits(build: Build) -> AnchoredExits:
    return build(stir=False)


@pytest.fixture
def allocator(exits: AnchoredExits, see: See, values: NDArray[np.float64]) -> Allocator:
    return Allocator.fit(exits, see(exits, DAYS), values[DAYS.start : DAYS.stop])


@pytest.mark.parametrize("cost", [sla_cost(0.5), sla_cost(20.0, 2.0), squared_error()])
def test_on_the_days_it_was_calibrated_on_no_constant_multiple_is_cheaper(
    exits: AnchoredExits,
    allocator: Allocator,
    see: See,
    values: NDArray[np.float64],
    cost: AllocationCost,
) -> None:
    context, demand = see(exits, DAYS), values[DAYS.start : DAYS.stop]
    predictions = predict(exits, context)
    allocations = allocator.allocate(exits, context, cost)
    for predicted, y in zip(predictions, allocations, strict=True):
        multiples = [
            cost(predicted.location + k * predicted.spread, demand).mean()
            for k in np.linspace(-3, 5, 161)
        ]
        # Untrained, all spreads are the usual ones: within a VNF the rule is a constant multiple.
        assert cost(y, demand).mean() < 1.01 * min(multiples)


def test_a_dearer_violation_never_lowers_an_allocation(
    exits: AnchoredExits, allocator: Allocator, see: See
) -> None:
    cheap, dear = (allocator.allocate(exits, see(exits), sla_cost(c_u)) for c_u in (0.2, 5.0))
    for low, high in zip(cheap, dear, strict=True):
        assert (low <= high + 1e-12).all()
        assert (low < high).any()


def test_an_allocator_comes_back_as_it_was(
    exits: AnchoredExits, allocator: Allocator, see: See
) -> None:
    back = Allocator.from_json(allocator.to_json())
    pairs = zip(
        back.allocate(exits, see(exits), sla_cost(1.0)),
        allocator.allocate(exits, see(exits), sla_cost(1.0)),
        strict=True,
    )
    assert all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("values", [{}, {"local": {}}, {"local": {}, "remote": {}}, []])
def test_what_is_no_allocator_is_refused(values: object) -> None:
    with pytest.raises(ArtefactError, match="again"):
        Allocator.from_json(values)  # type: ignore[arg-type]
