from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ddnn.context import Clock, Context, build_context
from ddnn.errors import ModelError
from ddnn.grid import Grid
from ddnn.nets.anchored import (
    AnchoredExits,
    SeriesStatistics,
    build_anchored,
    find_anchored,
    predict,
    tensors,
)

Build = Callable[..., AnchoredExits]
See = Callable[..., Context]


@pytest.mark.parametrize("vnfs", [1, 2, 5, 7])
@pytest.mark.parametrize("slot_seconds", [600, 3600, 86400])
def test_any_number_of_vnfs_and_any_slots_work(vnfs: int, slot_seconds: int) -> None:
    values = np.random.default_rng(0).random((40, vnfs))
    clock = Clock(0, slot_seconds, "UTC")
    usual = SeriesStatistics.fit(values)
    for N in (1, 6):
        exits = build_anchored(find_anchored("anchored"), Grid.in_order(vnfs), N, clock, usual, 0)
        context = build_context(values, range(36, 40), clock, exits.reaches)
        for predicted in predict(exits, context):
            assert predicted.location.shape == predicted.spread.shape == (4, vnfs)


def test_the_edge_has_less_than_20_000_parameters() -> None:
    clock = Clock(0, 600, "UTC")
    usual = SeriesStatistics.unit(49)
    exits = build_anchored(find_anchored("anchored"), Grid.in_order(49), 6, clock, usual, 0)
    parts = (exits.F0, exits.F1)
    count = sum(weights.numel() for part in parts for weights in part.parameters())
    assert count < 20_000


def test_untrained_exits_predict_the_last_value_and_the_usual_step(
    build: Build, see: See, values: NDArray[np.float64]
) -> None:
    exits = build(stir=False)
    step = np.sqrt((np.diff(values[:150], axis=0) ** 2).mean(axis=0))
    for predicted in predict(exits, see(exits)):
        assert predicted.location == pytest.approx(values[179:189], rel=1e-5)
        assert predicted.spread == pytest.approx(np.tile(step, (10, 1)), rel=1e-5)


def test_cells_without_a_vnf_are_zero_after_every_layer(build: Build, see: See) -> None:
    exits = build()
    seen = tensors(see(exits).edge)
    layers = []
    for module in (*exits.F0, *exits.F1.hidden, exits.memory, *exits.F2, *exits.F2_head.hidden):
        module.convolution.bias.data.fill_(0.3)
        module.register_forward_hook(lambda module, inputs, output: layers.append(output))
    exits(seen, tensors(see(exits).cloud))
    assert len(layers) == 6
    for output in (exits.edge_features(seen), *layers):
        assert bool((output[:, :, 1, 0] == 0).all())
        assert bool((output[:, :, 1, 1] != 0).any())


def test_where_the_cells_lie_does_not_matter_to_a_network_of_1_x_1_layers(
    build: Build, see: See
) -> None:
    # Two grids, one permutation apart: the heads must answer in VNF order on both.
    one = build(Grid(rows=2, columns=3, cells=np.array([4, 0, 5, 2, 1])))
    other = build(Grid(rows=2, columns=3, cells=np.array([0, 1, 2, 3, 4])))
    for exits in (one, other):
        for layer in (*exits.F0, *exits.F2):
            layer.convolution.weight.data[
                :, :, [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]
            ] = 0
    for first, second in zip(predict(one, see(one)), predict(other, see(other)), strict=True):
        assert first.location == pytest.approx(second.location, abs=1e-5)
        assert first.spread == pytest.approx(second.spread, rel=1e-4)


@given(height=st.floats(-1e6, 1e6), vnf=st.integers(0, 4), ago=st.sampled_from([1, 2, 24, 168]))
def test_a_spike_leaves_predictions_within_their_bounds(height: float, vnf: int, ago: int) -> None:
    exits, values = _spiked()
    demand = values.copy()
    demand[180 - ago, vnf] = height
    context = build_context(demand, range(180, 181), exits.clock, exits.reaches)
    step = exits.F1.get_buffer("step").double().numpy()
    last, preset = demand[179], exits.preset
    for predicted in predict(exits, context):
        reach = np.abs(predicted.location[0] - last) / step
        factor = np.abs(np.log(predicted.spread[0] / step))
        slack = 1e-5 + 1e-6 * abs(height) / step
        assert bool((reach <= preset.residual_bound + slack).all())
        assert bool((factor <= preset.spread_bound + 1e-5).all())


@given(height=st.floats(1e3, 1e6))
def test_features_are_bounded_under_a_spike(height: float) -> None:
    exits, values = _spiked()
    demand = values.copy()
    demand[[12, 156, 179]] = [[height], [-height], [height]]
    context = build_context(demand, range(180, 181), exits.clock, exits.reaches)
    for features, view in (
        (exits.edge_features, context.edge),
        (exits.cloud_features, context.cloud),
    ):
        assert float(features(tensors(view)).abs().max()) <= exits.preset.input_bound


def test_missing_history_is_flagged_and_its_content_is_not_seen(
    build: Build, see: See, values: NDArray[np.float64]
) -> None:
    exits = build()
    early, late = see(exits, range(3, 4)), see(exits, range(200, 201))
    flags = exits.edge_features.channels - 7
    assert exits.edge_features(tensors(early.edge))[0, flags : flags + 2].max() == 0
    assert exits.edge_features(tensors(late.edge))[0, flags : flags + 2, 0].min() == 1
    for view in (early.edge, early.cloud):
        view.ago[view.ago_known == 0] = 7.0
    found = predict(exits, early)
    for one, other in zip(found, predict(exits, see(exits, range(3, 4))), strict=True):
        assert np.array_equal(one.location, other.location)


def test_the_cloud_sees_what_the_edge_does_not(
    build: Build, see: See, values: NDArray[np.float64]
) -> None:
    exits = build()
    changed = values.copy()
    changed[170] += 1.0
    before = predict(exits, see(exits, range(180, 181)))
    after = predict(exits, see(exits, range(180, 181), changed))
    assert np.array_equal(before[0].location, after[0].location)
    assert not np.array_equal(before[1].location, after[1].location)


def test_the_seed_decides_the_weights_and_leaves_the_global_state_alone(build: Build) -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first, again, other = build(stir=False), build(stir=False), build(seed=1, stir=False)
    assert torch.equal(torch.rand(1), expected)
    weights = [exits.F0[0].convolution.weight for exits in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_context_of_another_reach_is_refused(build: Build, see: See) -> None:
    exits = build()
    context = see(exits)
    with pytest.raises(ModelError, match=r"\(batch, 3, 5\)"):
        predict(exits, Context(context.cloud, context.edge))


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(ModelError, match="known: anchored"):
        find_anchored("adrift")


def test_no_decisions_give_no_predictions(build: Build, see: See) -> None:
    exits = build()
    for predicted in predict(exits, see(exits, range(180, 180))):
        assert predicted.location.shape == (0, 5)


def _spiked() -> tuple[AnchoredExits, NDArray[np.float64]]:
    if not _SPIKED:
        values = np.random.default_rng(1).random((200, 5))
        clock = Clock(0, 3600, "UTC")
        grid, usual = Grid.in_order(5), SeriesStatistics.fit(values)
        exits = build_anchored(find_anchored("anchored"), grid, 3, clock, usual, 0)
        for head in (exits.F1, exits.F2_head):
            torch.nn.init.normal_(head.last.weight, 0, 50.0)
        _SPIKED.append((exits, values))
    return _SPIKED[0]


_SPIKED: list[tuple[AnchoredExits, NDArray[np.float64]]] = []
