"""The stages of a window's pieces, run for real on tiny demand with tiny trainings."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from ddnn.arithmetic import Arithmetic
from ddnn.demand import read_demand, write_demand
from ddnn.evaluation.worth.result import Result
from ddnn.params import Params
from tasks.registry import spec_of
from tasks.stage import Stage
from tasks.worth.judged import RESULT
from tasks.worth.pieces import Piece, pieces_of


def run_stages(piece: Piece, whole: Path, root: Path) -> Result:
    """Run a piece's stages as ``run_piece`` does, but here and without the store."""
    folders = {"download": whole}
    for name in ("worth.window", *piece.stages):
        out, scratch = root / name, root / f"{name}-scratch"
        out.mkdir(parents=True)
        scratch.mkdir()
        spec = spec_of(name, piece.params)
        inputs = {before: folders[before] for before in spec.inputs}
        how = Arithmetic(1, "float32", "contiguous", "any")
        importlib.import_module(spec.module).run(Stage(piece.params, inputs, out, scratch, how))
        folders["download" if name == "worth.window" else name] = out
    return Result.read(folders[piece.stages[-1]] / RESULT)


def piece_of(params: Params, name: str) -> Piece:
    """Give a piece of the tiny evaluation."""
    return next(piece for piece in pieces_of(params, "city49") if piece.name == name)


@pytest.fixture
def run(tiny_params, demand_folder, tmp_path):
    def go(name: str) -> Result:
        return run_stages(piece_of(tiny_params, name), demand_folder, tmp_path / "run")

    return go


def test_a_window_ends_where_it_should_and_sees_nothing_behind_it(run, tmp_path, demand_folder):
    result = run("alternatives-w4")
    demand = read_demand(tmp_path / "run" / "worth.window")
    np.testing.assert_array_equal(demand.values, read_demand(demand_folder).values[: 24 * 22])
    assert result.facts["test"] == [24 * 20, 24 * 22]


def test_alternatives_cost_what_the_library_says_and_boosting_the_mean_over_seeds(
    run, tiny_params, demand_folder
):
    from ddnn.alternatives import Past
    from ddnn.alternatives.roster import Roster
    from ddnn.context import Clock
    from ddnn.cost import sla_cost
    from ddnn.demand import Scaling

    result = run("alternatives-w0")
    assert {name.partition("@")[0] for name in result.arrays} >= {"boosting_best", "autoscaler"}
    demand, test = read_demand(demand_folder), range(24 * 24, 24 * 26)
    scaling = Scaling.fit(demand.values[: 24 * 20])
    scaled, zero = scaling.scale(demand.values), scaling.scale(np.zeros(5))
    clock = Clock(demand.start, demand.slot_seconds, demand.timezone)
    past = Past(scaled, range(4, 24 * 20), range(24 * 20, 24 * 24), clock, zero, N=4)
    assert tiny_params.worth.boosting_seeds == [0, 1]
    for name, seeds in (("last_value_headroom", (0,)), ("boosting_plain", (0, 1))):
        cost, costs = sla_cost(10.0), []
        for seed in seeds:
            y = Roster(past, seed=seed).fit(name, cost).allocate(scaled, test)
            costs.append(cost(np.maximum(y, zero), scaled[test.start :]))
        expected = np.mean(costs, axis=0)
        np.testing.assert_allclose(result.cost(name, 10.0), expected, rtol=1e-4)
    assert not np.array_equal(*costs)


def test_one_anchored_training_decides_at_every_price_with_its_gates(run, tiny_params):
    result = run("anchored-w2-s0")
    for c_u in tiny_params.worth.c_u:
        for side in ("local", "remote"):
            assert result.cost(side, c_u).shape == (48,)
        for way in ("frozen", "margin", "tracked"):
            for l0 in tiny_params.worth.l0:
                assert result.local(f"expected_benefit_{way}_c{c_u:g}", l0).shape == (48,)
    # The price enters the decision only: at a higher one no violation is cheaper.
    assert result.cost("local", 20.0).mean() > result.cost("local", 0.5).mean()


def test_a_separate_training_ends_no_dearer_than_it_began_to_be_tuned(run):
    result = run("separate-c10-w0-s0")
    assert result.cost("separate_local", 10.0).shape == (48,)
    assert result.facts["validation_tuned"] <= result.facts["validation_by_likelihood"]


def test_the_papers_exits_and_deepcog(run):
    result = run("exits-c1-w0-s0")
    for name in ("paper_local", "paper_remote", "deepcog"):
        assert (result.cost(name, 1.0) >= 0).all()
    assert not np.array_equal(result.cost("deepcog", 1.0), result.cost("paper_remote", 1.0))


def test_gates_on_the_papers_exits(run, tiny_params):
    result = run("gates-c1-w0-s0")
    for rule in ("optimized_volume", "random", "uncertainty_b2", "expected_benefit"):
        for l0 in tiny_params.worth.l0:
            assert result.local(f"{rule}_frozen_c1", l0).dtype == np.bool_
    assert set(result.facts["fit_seconds"]) >= {"optimized", "expected_benefit"}
    tracked = result.local("random_tracked_c1", 0.5)
    assert abs(tracked.mean() - 0.5) < 0.2


def test_times_are_taken_side_by_side(run):
    result = run("times-w0-s0")
    assert min(result.arrays[name].min() for name in ("edge", "edge_gated")) > 0
    warm_up = 20
    assert len(result.arrays["edge"]) == len(result.arrays["boosting_best"]) == 48 - warm_up


def test_the_test_days_teach_nothing(tiny_params, make_demand, tmp_path):
    """Other test days of the window, and other days behind it, change no trained byte."""
    piece = piece_of(tiny_params, "anchored-w2-s0")
    weights = []
    for name, changed in (("one", None), ("two", 24 * 22)):
        demand = make_demand(slots=24 * 26)
        if changed:
            demand.values[changed:] *= np.random.default_rng(0).uniform(
                0, 9, demand.values[changed:].shape
            )
        (tmp_path / name).mkdir()
        write_demand(demand, tmp_path / name)
        run_stages(piece, tmp_path / name, tmp_path / f"{name}-run")
        folder = tmp_path / f"{name}-run" / "train"
        weights.append([path.read_bytes() for path in sorted(folder.iterdir())])
    assert weights[0] == weights[1]
