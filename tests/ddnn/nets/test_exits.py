import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ddnn.errors import ModelError
from ddnn.grid import Grid
from ddnn.nets import Exits, build_exits, find_preset

ALL = ["paper", "table3", "deepcog_original"]


def build(
    preset: str = "paper", grid: Grid | None = None, N: int = 3, dropout: float = 0.5
) -> Exits:
    return build_exits(find_preset(preset), grid or Grid.in_order(5), N, dropout, seed=0)


def windows(exits: Exits, batch: int = 4) -> Tensor:
    return torch.rand(batch, exits.N, exits.vnfs, generator=torch.Generator().manual_seed(1))


def full_masks(exits: Exits, batch: int) -> list[Tensor]:
    return [torch.ones(batch, *shape) for shape in exits.mask_shapes]


def macs(run: FlopCounterMode) -> int:
    return run.get_total_flops() // 2


def test_table3_has_the_parameters_and_macs_of_the_papers_table() -> None:
    grid = Grid(rows=8, columns=8, cells=np.arange(49))
    with torch.device("meta"):  # counting needs no weights
        exits = build("table3", grid, N=24).eval()
    edge = [*exits.F0.parameters(), *exits.F1.parameters()]
    assert sum(values.numel() for values in edge) == 6_303_921
    assert sum(values.numel() for values in exits.F2.parameters()) == 12_724_545
    with torch.inference_mode():
        with FlopCounterMode(display=False) as at_edge:
            z = exits.latent(torch.zeros(1, 24, 49, device="meta"))
            exits.local(z)
        with FlopCounterMode(display=False) as at_cloud:
            exits.remote(z)
    assert macs(at_edge) == 7_629_888
    assert macs(at_cloud) == 110_963_776


def test_the_papers_text_gives_0_6_million_parameters_at_the_edge() -> None:
    exits = build("paper", Grid.in_order(49), N=6)
    edge = [*exits.F0.parameters(), *exits.F1.parameters()]
    assert sum(values.numel() for values in edge) == 896 + 9408 * 64 + 64 + 64 * 49 + 49


@pytest.mark.parametrize("preset", ALL)
@pytest.mark.parametrize("N", [1, 2, 6])
@pytest.mark.parametrize("vnfs", [1, 2, 5, 7])
def test_any_number_of_vnfs_and_slots_works(preset: str, N: int, vnfs: int) -> None:
    exits = build(preset, Grid.in_order(vnfs), N)
    z = exits.latent(windows(exits))
    assert z.shape == (4, 32, N, exits.grid.rows, exits.grid.columns)
    assert exits.remote(z).shape == (4, vnfs)
    if not exits.remote_only:
        assert exits.local(z).shape == (4, vnfs)


def test_the_volume_is_the_grids() -> None:
    grid = Grid(rows=2, columns=3, cells=np.array([4, 0, 5, 2, 1]))
    exits = build(grid=grid)
    D = windows(exits)
    assert np.array_equal(exits.volume(D).numpy()[:, 0], grid.to_volume(D.numpy()))


def test_an_allocation_can_be_negative_and_above_one() -> None:
    exits = build().eval()
    with torch.no_grad():
        list(exits.F1.parameters())[-1].copy_(torch.tensor([-9.0, 9.0, 0.0, 0.0, 0.0]))
    y_L, _ = exits(windows(exits))
    assert bool((y_L[:, 0] < 0).all())
    assert bool((y_L[:, 1] > 1).all())


@pytest.mark.parametrize("shape", [(4, 3, 6), (4, 2, 5), (3, 5)])
def test_windows_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=r"windows \(batch, 3, 5\)"):
        build().latent(torch.zeros(shape))


def test_the_seed_decides_the_weights_and_leaves_the_global_state_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first, again = build(), build()
    assert torch.equal(torch.rand(1), expected)
    other = build_exits(find_preset("paper"), Grid.in_order(5), 3, 0.5, seed=1)
    D = windows(first)
    first.eval(), again.eval(), other.eval()
    assert torch.equal(first(D)[1], again(D)[1])
    assert not torch.equal(first(D)[1], other(D)[1])


def test_dropout_acts_in_f0_and_f1_while_training_and_never_in_evaluation() -> None:
    exits = build()
    D = windows(exits)
    exits.eval()
    z = exits.latent(D)
    assert torch.equal(z, exits.latent(D))
    exits.train()
    assert not torch.equal(exits.latent(D), exits.latent(D))
    assert not torch.equal(exits.local(z), exits.local(z))
    assert torch.equal(exits.remote(z), exits.remote(z))


@pytest.mark.parametrize(
    ("preset", "dense"),
    [("paper", [(64,)]), ("table3", [(128,), (64,)]), ("deepcog_original", None)],
)
def test_mask_shapes_name_z_and_the_hidden_layers(
    preset: str, dense: list[tuple[int, ...]] | None
) -> None:
    assert build(preset).mask_shapes == ([] if dense is None else [(32, 3, 2, 3), *dense])


def test_full_masks_give_the_local_exit_scaled_up_by_the_keep_rate_at_each_place() -> None:
    exits = build(dropout=0.0).eval()
    D = windows(exits)
    masked = exits.edge_masked(D, full_masks(exits, 4))
    assert torch.allclose(masked, exits.local(exits.latent(D)))


def test_masks_do_what_the_dropout_modules_do() -> None:
    exits = build(dropout=0.25).train()
    D = windows(exits, 1)
    masks = full_masks(exits, 1)
    masks[0][0, 5] = 0
    masks[1][0, ::2] = 0
    z = torch.relu(exits.F0[0](exits.volume(D))) * masks[0] / 0.75
    hidden = torch.relu(exits.F1[1](z.flatten(1))) * masks[1] / 0.75
    expected = exits.F1[-1](hidden)
    assert torch.allclose(exits.edge_masked(D, masks), expected)
    assert torch.allclose(exits.eval().edge_masked(D, masks), expected)


def test_a_sample_is_masked_by_its_own_masks_alone() -> None:
    exits = build().eval()
    D = windows(exits)
    draw = torch.Generator().manual_seed(3)
    masks = [torch.rand(4, *s, generator=draw).gt(0.5).float() for s in exits.mask_shapes]
    alone = exits.edge_masked(D[2:3], [mask[2:3] for mask in masks])
    assert torch.allclose(exits.edge_masked(D, masks)[2:3], alone, atol=1e-6)


def test_masks_of_another_shape_are_refused() -> None:
    exits = build()
    with pytest.raises(ModelError, match="masks must have the shapes"):
        exits.edge_masked(windows(exits), full_masks(exits, 3))


def test_without_a_local_exit_only_the_remote_one_answers() -> None:
    exits = build("deepcog_original").eval()
    D = windows(exits)
    assert exits.remote_only
    assert exits.dropout == 0.3
    for call in (exits, lambda D: exits.local(exits.latent(D)), lambda D: exits.edge_masked(D, [])):
        with pytest.raises(ModelError, match="no local exit"):
            call(D)
