from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ddnn.errors import ArtefactError, ModelError
from ddnn.grid import Grid
from ddnn.offload.optimized import (
    Gate,
    GatePlan,
    Labelled,
    OptimizedRule,
    feature_of,
    held_out_start,
    load_gate,
    save_gate,
    train_gate,
)
from ddnn.params import OffloaderParams

FEATURES = ("volume", "demand", "latent", "local")
PARAMS = OffloaderParams(
    features=list(FEATURES),
    hidden=16,
    dropout=0.1,
    learning_rate=0.01,
    batch=32,
    max_epochs=40,
    patience=10,
    mc_passes=[2, 10],
    variance_ddof=1,
)


def plan_of(feature, values, exits):
    grid = exits.grid if feature == "volume" else None
    return GatePlan(feature, values.shape[1:], PARAMS.hidden, PARAMS.dropout, grid)


def trained(feature, samples, exits, hard=None, params=PARAMS, seed=0):
    values = feature_of(samples, feature)
    if hard is None:
        # What every feature can tell: the level of one VNF's allocation, y_L being linear in it.
        hard = samples.local[:, 0] > np.median(samples.local[:, 0])
    cut = len(values) * 3 // 4
    return train_gate(
        plan_of(feature, values, exits),
        fit=Labelled(values[:cut], hard[:cut]),
        held_out=Labelled(values[cut:], hard[cut:]),
        params=params,
        seed=seed,
    )


@pytest.fixture(scope="module")
def many(exits, samples_of):
    return samples_of(exits, count=600)


@pytest.mark.parametrize("feature", FEATURES)
def test_each_feature_learns_what_it_can_tell(feature, many, exits):
    gate, _ = trained(feature, many, exits)
    p = OptimizedRule(gate).score(many)[450:]
    hard = (many.local[:, 0] > np.median(many.local[:, 0]))[450:]
    assert ((p >= 0) & (p <= 1)).all()
    ranked = np.mean(p[hard][:, None] > p[~hard][None, :])  # area under the ROC curve
    assert ranked > 0.9


def test_the_gate_that_is_kept_is_the_best_epochs(many, exits):
    gate, history = trained("local", many, exits)
    best = [row for row in history if row.best][-1]
    assert best.valid_loss == min(row.valid_loss for row in history)
    assert [row.epoch for row in history] == list(range(1, len(history) + 1))
    assert len(history) in (PARAMS.max_epochs, best.epoch + PARAMS.patience)
    p = OptimizedRule(gate).score(many)[450:]
    hard = (many.local[:, 0] > np.median(many.local[:, 0]))[450:]
    loss = -np.log(np.where(hard, p, 1 - p)).mean()
    assert loss == pytest.approx(best.valid_loss, rel=1e-4)


def test_noise_ends_training_early(many, exits):
    noise = np.random.default_rng(0).random(len(many)) > 0.3
    params = PARAMS.model_copy(update={"max_epochs": 200, "patience": 3})
    gate, history = trained("demand", many, exits, hard=noise, params=params)
    assert len(history) < 200
    # Without class weights, p stays near the share of hard labels.
    assert OptimizedRule(gate).score(many).mean() == pytest.approx(0.7, abs=0.1)


@pytest.mark.parametrize("hard", [True, False])
def test_labels_of_one_class_give_a_gate_all_the_same(hard, many, exits):
    params = PARAMS.model_copy(update={"max_epochs": 3})
    gate, _ = trained("demand", many, exits, hard=np.full(len(many), hard), params=params)
    p = OptimizedRule(gate).score(many)
    assert (p > 0.5).all() if hard else (p < 0.5).all()


@pytest.mark.parametrize("feature", ["volume", "latent"])
def test_training_repeats_bit_by_bit_and_leaves_torch_as_it_was(feature, many, exits):
    params = PARAMS.model_copy(update={"max_epochs": 2})
    before = torch.random.get_rng_state()
    first, history = trained(feature, many, exits, params=params)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(3)
    again, repeated = trained(feature, many, exits, params=params)
    assert history == repeated
    for one, other in zip(first.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    other, _ = trained(feature, many, exits, params=params, seed=1)
    assert not torch.equal(other.layers[-1].weight, first.layers[-1].weight)


def test_the_held_out_samples_do_not_shape_the_standardisation(many, exits):
    spiked = many.local.copy()
    spiked[-1] = 1e6
    params = PARAMS.model_copy(update={"max_epochs": 1})
    plain, _ = trained("local", many, exits, params=params)
    other, _ = trained(
        "local", replace(many, local=spiked), exits, many.local[:, 0] > 0, params=params
    )
    assert torch.equal(plain.get_buffer("spread"), other.get_buffer("spread"))


def test_a_spike_does_not_blow_a_gate_up(many, exits):
    gate, _ = trained("local", many, exits, params=PARAMS.model_copy(update={"max_epochs": 3}))
    local = torch.from_numpy(many.local[:1].copy())
    far, farther = local.clone(), local.clone()
    far[0, 2], farther[0, 2] = 1e4, 1e8
    with torch.no_grad():
        assert torch.equal(gate(far), gate(farther))


def test_neurons_that_are_always_off_do_no_harm(many, exits):
    dead = many.local.copy()
    dead[:, 1] = 0.25
    gate, _ = trained("local", replace(many, local=dead), exits)
    assert np.isfinite(OptimizedRule(gate).score(many)).all()


def test_the_volume_gate_sees_vnfs_where_the_grid_has_them():
    shape = (2, 3)
    torch.manual_seed(0)
    gate = Gate(GatePlan("volume", shape, 4, 0.0, Grid(2, 2, np.array([3, 0, 1])))).eval()
    D = torch.rand(5, *shape)
    moved = Gate(GatePlan("volume", shape, 4, 0.0, Grid(2, 2, np.array([0, 1, 3])))).eval()
    moved.load_state_dict(gate.state_dict())
    torch.testing.assert_close(moved(D[:, :, [1, 2, 0]]), gate(D))
    assert not torch.allclose(moved(D), gate(D))


@pytest.mark.parametrize("feature", FEATURES)
def test_a_gate_survives_the_disk(feature, many, exits, tmp_path):
    gate, _ = trained(feature, many, exits, params=PARAMS.model_copy(update={"max_epochs": 1}))
    for name in ("one_l33.3", "two_l33.3"):
        save_gate(gate, tmp_path / name)
    for ending in (".json", ".safetensors"):
        first = (tmp_path / f"one_l33.3{ending}").read_bytes()
        assert first == (tmp_path / f"two_l33.3{ending}").read_bytes()
    read = OptimizedRule(load_gate(tmp_path / "one_l33.3"))
    assert read.name == f"optimized_{feature}"
    assert not read.gate.training
    np.testing.assert_array_equal(read.score(many), OptimizedRule(gate).score(many))


def cut(place: Path) -> None:
    place.write_bytes(place.read_bytes()[:-7])


def swap_feature(place: Path) -> None:
    place.write_text(place.read_text().replace('"hidden": 16', '"hidden": 17'))


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("g.safetensors", cut),
        ("g.json", cut),
        ("g.json", Path.unlink),
        ("g.safetensors", Path.unlink),
        ("g.json", swap_feature),
        ("g.json", lambda place: place.write_text("[]")),
        ("g.json", lambda place: place.write_text('{"format": 1}')),
    ],
)
def test_a_damaged_gate_is_refused_in_one_line(file, damage, many, exits, tmp_path):
    gate, _ = trained("local", many, exits, params=PARAMS.model_copy(update={"max_epochs": 1}))
    save_gate(gate, tmp_path / "g")
    damage(tmp_path / file)
    with pytest.raises(ArtefactError) as refused:
        load_gate(tmp_path / "g")
    assert "\n" not in str(refused.value)


def test_weights_that_are_not_finite_are_refused(many, exits, tmp_path):
    gate, _ = trained("local", many, exits, params=PARAMS.model_copy(update={"max_epochs": 1}))
    with torch.no_grad():
        gate.layers[-1].bias.fill_(float("nan"))
    save_gate(gate, tmp_path / "g")
    with pytest.raises(ArtefactError, match="not finite"):
        load_gate(tmp_path / "g")


def test_a_gate_refuses_what_does_not_fit_it(samples, exits):
    gate = Gate(GatePlan("local", (exits.vnfs + 1,), 4, 0.0))
    with pytest.raises(ModelError, match="shape"):
        OptimizedRule(gate).score(samples)
    latent = Gate(GatePlan("latent", samples.latent.shape[1:], 4, 0.0))
    with pytest.raises(ModelError, match="keep_latent"):
        OptimizedRule(latent).score(replace(samples, latent=None))
    with pytest.raises(ModelError, match="grid"):
        Gate(GatePlan("volume", (3, 5), 4, 0.0))


@pytest.mark.parametrize(
    ("samples", "slots_per_day", "start"),
    [
        (576, 144, 432),  # four days: the last
        (2 * 144, 144, 144),
        (19 * 144 - 6, 144, 19 * 144 - 6 - 4 * 144),  # one day in four
        (144, 144, 108),  # one day: its last quarter
        (4, 1, 3),
        (2, 144, 1),
        (300, 1000 / 7, 157),  # a slot length that does not divide the day
    ],
)
def test_whole_days_are_held_out_where_there_are_any(samples, slots_per_day, start):
    assert held_out_start(samples, slots_per_day) == start


def test_one_label_is_too_few():
    with pytest.raises(ModelError, match="validation_days"):
        held_out_start(1, 144)
