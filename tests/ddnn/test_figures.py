import numpy as np
import pytest

from ddnn import figures
from ddnn.figures import Placement, Series
from ddnn.figures.style import colour

SLOTS = 48
TIMES = 1385420400 + 3600 * np.arange(SLOTS)
RNG = np.random.default_rng(0)
BENEFIT = RNG.normal(size=SLOTS)
LOCAL = BENEFIT < 0.2


@pytest.fixture
def evaluation(make_evaluation):
    return make_evaluation()


def _curves():
    share = np.linspace(0, 1, 20)
    names = ("oracle", "random", "uncertainty_b2", "optimized_volume_l50")
    return dict.fromkeys(names, (share, 2 + share))


def _history(local=1.0):
    epochs = np.arange(1.0, 6.0)
    best = np.array([1.0, 1.0, 0.0, 1.0, 0.0])
    return {
        "epoch": epochs,
        "local_cost": local * (3 + 1 / epochs),
        "remote_cost": 2 + 1 / epochs,
        "best": best,
    }


def _series():
    demand = RNG.uniform(1, 2, SLOTS)
    return [Series("4142", demand, {"local": demand + 1, "remote": demand + 0.5})]


def _placement(vnfs=5):
    cells = np.stack([np.arange(vnfs) // 3, np.arange(vnfs) % 3], axis=1)
    names = [f"vnf{index}" for index in range(vnfs)]
    rows = int(cells[:, 0].max()) + 1
    return Placement(names, RNG.uniform(0, 2, (vnfs, 2)), cells, rows, 3, 0.6, RNG.uniform(size=9))


DRAWINGS = {
    "performance_curves": lambda e: figures.performance_curves(e, _curves(), "tiny"),
    "captures": lambda e: figures.captures(e, "tiny"),
    "reached_share": lambda e: figures.reached_share(e, "tiny"),
    "cost_bars": lambda e: figures.cost_bars(e, "tiny"),
    "training": lambda e: figures.training_history(_history(), _history(np.nan), "tiny"),
    "benefit": lambda e: figures.benefit_over_time(
        TIMES, BENEFIT, LOCAL, 0.1, "Europe/Rome", "tiny"
    ),
    "probability": lambda e: figures.probability_against_benefit(
        1 / (1 + np.exp(-BENEFIT)), BENEFIT, 0.1, 0.45, "tiny"
    ),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_same_numbers_give_the_same_bytes(name, evaluation):
    first, second = DRAWINGS[name](evaluation), DRAWINGS[name](evaluation)
    assert first.startswith(b"\x89PNG")
    assert first == second


def test_pictures_of_allocation_and_grid_keep_their_bytes():
    series, placement = _series(), _placement()
    for draw in (
        lambda: figures.example_vnfs(TIMES, series, "activity", "Europe/Rome", "tiny"),
        lambda: figures.grid_picture(placement, "tiny"),
    ):
        assert draw() == draw()


def test_a_png_names_no_program_and_no_date(evaluation):
    png = figures.cost_bars(evaluation, "tiny")
    assert not any(kind in png for kind in (b"tEXt", b"iTXt", b"zTXt", b"tIME"))


def test_figures_do_without_what_is_missing(evaluation):
    evaluation["rules"], evaluation["paper_thresholds"] = {}, {}
    evaluation["deployed"]["others_at_equal_share"] = {}
    for row in evaluation["systems"].values():
        row["C_low"] = row["C_high"] = None
    drawn = [
        figures.performance_curves(evaluation, {}, "tiny"),
        figures.captures(evaluation, "tiny"),
        figures.reached_share(evaluation, "tiny"),
        figures.cost_bars(evaluation, "tiny"),
        figures.example_vnfs(TIMES, [], "activity", "UTC", "tiny"),
        figures.training_history(_history(), None, "tiny"),
    ]
    assert all(png.startswith(b"\x89PNG") for png in drawn)


def test_one_vnf_and_many_can_be_placed():
    one = Placement(["a"], np.zeros((1, 2)), np.zeros((1, 2), int), 1, 1, None, np.array([]))
    for placement in (one, _placement(300)):
        assert figures.grid_picture(placement, "tiny").startswith(b"\x89PNG")


def test_rules_keep_apart_by_colour():
    names = ["local", "remote", "deepcog", "last_value_headroom", "oracle", "random"]
    names += ["uncertainty_b2", "uncertainty_b10", "optimized_volume", "optimized_demand"]
    assert len({colour(name) for name in names}) == len(names)
