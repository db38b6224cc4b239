import numpy as np
import pytest

from ddnn.evaluation import capture, oracle, random_cost, sweep
from ddnn.evaluation.claims.sample import SHARES, Bench, MissingError, Sample, _between
from ddnn.params import BootstrapParams
from tests.ddnn.evaluation.measured_factory import BOOTSTRAP, SETTINGS, make_measured

FIG4B = {"fig4b": SETTINGS["fig4b"]}


@pytest.fixture(scope="module")
def measured():
    return make_measured(seeds=3)


@pytest.fixture(scope="module")
def sample(measured):
    return Sample("fig4d", measured.runs["fig4d"], BOOTSTRAP)


def exits(run):
    return run.slots["cost_local"], run.slots["cost_remote"]


def drawn(sample, row):
    """Slots of a draw, spelled out: (seeds, slots)."""
    seeds = np.repeat(
        np.arange(sample.seeds), np.rint(sample._seeds[row] * sample.seeds).astype(int)
    )
    days = np.repeat(np.arange(sample.blocks), sample._days[row].astype(int))
    slots = np.concatenate([np.flatnonzero(sample._block[day]) for day in days])
    return seeds, slots


def test_the_first_row_is_the_runs_as_they_are(measured, sample):
    costs = measured.costs("fig4d", "remote")
    assert sample.mean("cost_remote")[0] == pytest.approx(costs.mean())
    curves = [oracle(*exits(run)).cost_at(SHARES) for run in sample.runs]
    assert sample.at_oracle(SHARES)[0] == pytest.approx(np.mean(curves, axis=0))
    lines = [random_cost(SHARES, *exits(run)) for run in sample.runs]
    assert sample.at_random(SHARES)[0] == pytest.approx(np.mean(lines, axis=0))


@pytest.mark.parametrize("row", [1, 7, 50])
def test_a_draw_is_what_drawing_seeds_and_days_gives(sample, row):
    seeds, slots = drawn(sample, row)
    costs = [
        oracle(*(cost[slots] for cost in exits(sample.runs[seed]))).cost_at(SHARES)
        for seed in seeds
    ]
    assert sample.at_oracle(SHARES)[row] == pytest.approx(np.mean(costs, axis=0))
    remote = [sample.runs[seed].slots["cost_remote"][slots].mean() for seed in seeds]
    assert sample.mean("cost_remote")[row] == pytest.approx(np.mean(remote))


@pytest.mark.parametrize("row", [0, 3])
@pytest.mark.parametrize("rule", ["optimized_volume", "uncertainty_b2"])
def test_a_rule_is_read_off_between_its_points_and_the_exits(sample, row, rule):
    seeds, slots = drawn(sample, row)
    costs = []
    for seed in seeds:
        run = sample.runs[seed]
        local_cost, remote_cost = (cost[slots] for cost in exits(run))
        points = {0.0: remote_cost.mean(), 1.0: local_cost.mean()}
        for point in run.evaluation["rules"][rule]:
            gate = point["gate_L0"]
            score = run.slots[f"score_{rule}" + (f"_l{100 * gate:.0f}" if gate else "")][slots]
            local = score <= (-np.inf if point["u"] is None else point["u"])
            points[local.mean()] = np.where(local, local_cost, remote_cost).mean()
        costs.append(np.interp(SHARES, *np.array(sorted(points.items())).T))
    # Points that reach the same L differ in C: one of them stands for all.
    assert sample.at_rule(rule, SHARES)[row] == pytest.approx(np.mean(costs, axis=0), rel=5e-3)


def test_a_rule_at_the_share_that_it_reached_costs_what_was_reported(measured):
    run = measured.runs["fig4b"][0]
    alone = Sample("fig4b", (run,), BOOTSTRAP)
    for point in run.evaluation["rules"]["uncertainty_b10"][3:18]:
        cost = alone.at("uncertainty_b10", point["L"])[0]
        assert cost == pytest.approx(point["C"], rel=1e-6)


def test_capture_is_that_of_the_evaluation_for_a_single_point(measured):
    run = measured.runs["fig4b"][0]
    alone = Sample("fig4b", (run,), BOOTSTRAP)
    costs = alone.at_rule("optimized_volume", SHARES)[0]
    ways = random_cost(SHARES, *exits(run)) - oracle(*exits(run)).cost_at(SHARES)
    single = [capture(c, s, *exits(run)) for c, s in zip(costs, SHARES, strict=True)]
    # Over a curve, each L counts by how much there is to capture.
    assert alone.capture("optimized_volume").value == pytest.approx(
        np.average(single, weights=ways)
    )


def test_reading_off_a_curve_is_linear_interpolation_in_any_order():
    rng = np.random.default_rng(0)
    inner = rng.random((4, 6))
    share = np.hstack([np.zeros((4, 1)), inner, np.ones((4, 1))])
    cost = rng.random((4, 8))
    at = np.array([0.0, 0.2, 0.5, 0.99, 1.0])
    for row, found in enumerate(_between(share, cost, at)):
        order = np.argsort(share[row])
        assert found == pytest.approx(np.interp(at, share[row][order], cost[row][order]))


def test_what_is_compared_is_paired(sample):
    cost = sample.mean("cost_remote")
    same, scaled = sample.ratio(cost, cost), sample.ratio(1.1 * cost, cost)
    assert (same.low, same.high) == (1.0, 1.0)
    assert scaled.high - scaled.low < 1e-12
    spread = sample.interval(cost)
    assert spread.high / spread.low > 1.001  # it is the pairing that takes this out


def test_settings_with_as_many_seeds_and_days_share_their_draws(measured):
    bench = Bench(measured, BOOTSTRAP)
    assert np.array_equal(bench["fig4b"]._days, bench["fig4d"]._days)
    assert np.array_equal(bench["fig4b"]._seeds, bench["fig4d"]._seeds)


def test_seeds_widen_the_interval():
    near, far = (
        Sample(
            "fig4b", make_measured(settings=FIG4B, seeds=4, seed_noise=n).runs["fig4b"], BOOTSTRAP
        )
        for n in (0.0, 0.2)
    )
    widths = [s.interval(s.mean("cost_remote")) for s in (near, far)]
    assert widths[1].high - widths[1].low > 1.5 * (widths[0].high - widths[0].low)


def test_rank_correlation_is_that_of_the_evaluation(sample):
    known = [
        run.evaluation["benefit"]["rank_correlation"]["uncertainty_b10"] for run in sample.runs
    ]
    found = sample.rank_correlation("score_uncertainty_b10")
    assert found.value == pytest.approx(np.mean(known))
    assert found.low < found.value < found.high


def test_one_block_or_one_seed_gives_no_interval_where_it_is_needed(measured):
    whole = BootstrapParams(samples=100, block_days=5, level=0.95)
    assert Sample("s", measured.runs["fig4b"], whole).blocks == 1
    one_block = Sample("s", measured.runs["fig4b"], whole)
    assert one_block.interval(one_block.mean("cost_remote")).low is None
    one_seed = Sample("s", measured.runs["fig4b"][:1], BOOTSTRAP)
    assert one_seed.interval(one_seed.mean("cost_remote")).low is not None
    assert one_seed.over_seeds([1.0]).low is None


def test_what_is_missing_is_named(measured, sample):
    with pytest.raises(MissingError, match="fig9 was not run"):
        Bench(measured, BOOTSTRAP)["fig9"]
    with pytest.raises(MissingError, match="fig4d has no score_x"):
        sample.column("score_x")
    with pytest.raises(MissingError, match="fig4d has no optimized_x"):
        sample.at("optimized_x", 0.5)
    with pytest.raises(MissingError, match=r"fig4d has no benefit\.x"):
        sample.evaluations("benefit", "x")


def test_no_rule_is_cheaper_than_the_oracle_in_any_draw(sample):
    best = sample.at_oracle(SHARES)
    assert (best <= sample.at_rule("optimized_volume", SHARES) + 1e-9).all()
    assert (best <= sample.at_random(SHARES) + 1e-9).all()


def test_a_score_without_skill_captures_nothing_and_a_perfect_one_all():
    for skill, low, high in ((0.0, -0.25, 0.25), (1.0, 0.9, 1.0)):
        runs = make_measured(settings=FIG4B, gate_skill=skill, slots_per_day=48).runs["fig4b"]
        found = Sample("fig4b", runs, BOOTSTRAP).capture("optimized_volume").value
        assert low < found <= high


def test_exits_that_never_differ_leave_nothing_to_capture():
    runs = make_measured(settings=FIG4B, gap=0.0, spread=0.0, seed_noise=0.0).runs["fig4b"]
    with pytest.raises(MissingError, match="cost the same"):
        Sample("fig4b", runs, BOOTSTRAP).capture("optimized_volume")
    assert sweep(runs[0].slots["benefit"], *exits(runs[0])).cost.std() == pytest.approx(0)
