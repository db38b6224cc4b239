from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ddnn.evaluation.measured import SeedRun
from ddnn.figures import paper
from ddnn.figures.paper.captions import caption
from ddnn.figures.paper.series import (
    DENSE,
    agreement,
    gate_dots,
    local_better,
    oracle_band,
    random_band,
    rule_band,
    system_level,
    totals,
)
from ddnn.figures.style import Sheet
from tests.ddnn.evaluation.measured_factory import make_measured

NAMES = ["fig3a", "fig3b", "fig4a", "fig4b", "fig4c", "fig4d", "fig5ab", "fig5c", "fig5d"]
NAMES += ["fig6a", "fig6b"]


@pytest.fixture(scope="module")
def measured():
    return make_measured(seeds=3)


@pytest.fixture(scope="module")
def drawn(measured):
    return paper.pictures(measured)


@pytest.fixture
def texts(monkeypatch):
    """All texts of the figures that are drawn: captions, legends, axes."""
    kept = []
    draw = Sheet.png

    def png(sheet):
        figure = sheet.ax.figure
        legends = [*figure.legends, *(ax.get_legend() for ax in sheet.axes)]
        kept.append(figure.get_supxlabel())
        kept.extend(t.get_text() for one in legends if one for t in one.get_texts())
        kept.extend(t.get_text() for ax in sheet.axes for t in (*ax.texts, ax.title))
        kept.extend(ax.get_title(loc="left") for ax in sheet.axes)
        return draw(sheet)

    monkeypatch.setattr(Sheet, "png", png)
    return kept


def _run(seed, local, remote, rules=None, halves=None, **columns):
    local, remote = np.array(local, float), np.array(remote, float)
    slots = {"cost_local": local, "cost_remote": remote, "benefit": local - remote}
    return SeedRun(seed, {"rules": rules or {}, "paper_thresholds": halves or {}}, slots | columns)


def _gate(l0, share, cost, gate=None):
    return {"L0": l0, "gate_L0": l0 if gate is None else gate, "L": share, "C": cost}


def test_all_pictures_are_drawn_each_another(drawn):
    assert list(drawn) == NAMES
    assert all(png.startswith(b"\x89PNG") for png in drawn.values())
    assert len(set(drawn.values())) == len(NAMES)


def test_the_same_numbers_give_the_same_bytes(drawn):
    assert paper.pictures(make_measured(seeds=3)) == drawn


def test_a_picture_shows_its_setting(measured, drawn):
    assert drawn["fig6a"] == paper.fig6(measured, "fig4b")
    assert drawn["fig4a"] == paper.fig4(measured, "fig3a_4a")


def test_what_was_not_measured_is_said_in_its_place(measured, texts):
    without = replace(measured, runs={"fig3b": measured.runs["fig3b"]}, snapshots=(), original={})
    assert list(paper.pictures(without)) == NAMES
    for setting in ("fig3a_4a", "fig4b", "fig4c", "fig4d"):
        assert f"not drawn: no run of the setting {setting} was measured" in texts
    assert not any("fig3b was measured" in text for text in texts)
    assert "not drawn: no gate was looked at while it learned" in texts


def test_a_setting_without_runs_is_none(measured, texts):
    paper.fig3(replace(measured, runs={"fig3b": ()}), "fig3b")
    assert "not drawn: no run of the setting fig3b was measured" in texts


def test_rules_that_are_not_there_are_left_out(measured, texts):
    runs = tuple(
        replace(run, evaluation={**run.evaluation, "rules": {}, "paper_thresholds": {}})
        for run in measured.runs["fig4d"]
    )
    bare = replace(measured, runs={"fig4d": runs})
    paper.fig4(bare, "fig4d")
    assert "Random" in texts
    assert not any("Uncertainty" in text or "Optimized" in text for text in texts)
    paper.fig5d(bare)
    assert "not drawn: the runs of fig4d have no gate" in texts


def test_captions_name_demand_setting_and_seeds(measured, texts):
    paper.fig4(measured, "fig4c")
    assert "milano25, 25 VNFs, fig4c: c_u = 10, c_o = 1, N = 25, w = 0.4, seeds 0 to 2" in texts[0]
    runs = measured.runs["fig4c"]
    assert caption(measured, "fig4c", (runs[0], runs[2])).endswith("seeds 0, 2")
    assert caption(measured, "fig4c", runs[:1], "and more").endswith("seed 0\nand more")


def test_the_legend_gives_the_costs_with_the_seeds_range(measured, texts):
    paper.fig3(measured, "fig3b")
    costs = measured.costs("fig3b", "remote").mean(axis=1)
    said = f"Cloud: C = {costs.mean():.3f} [{costs.min():.3f}, {costs.max():.3f}]"
    assert said in texts
    published = measured.original["fig3b"].mean()
    assert f"DeepCog as published: C = {published:.3f}" in texts


def test_a_published_deepcog_far_away_does_not_flatten_the_chart(measured, texts):
    original = {"fig3b": 20 * measured.original["fig3b"]}
    paper.fig3(replace(measured, original=original), "fig3b")
    assert any(text.endswith("(off the chart)") for text in texts)


def test_one_seed_has_no_range(texts):
    one = make_measured(seeds=1)
    cost = one.costs("fig4b", "local").mean()
    paper.fig4(one, "fig4b")
    assert f"Edge: C = {cost:.3f}" in texts
    assert "range" not in texts[0]


def test_a_system_is_averaged_over_the_seeds():
    level = system_level([_run(0, [1, 3], [1, 1]), _run(1, [4, 4], [1, 1])], "local")
    assert (level.mean, level.low, level.high) == (3.0, 2.0, 4.0)


def test_random_is_a_line_and_the_oracle_below_it():
    runs = [_run(0, [0, 4], [2, 2]), _run(1, [2, 6], [2, 2])]
    coin = random_band(runs)
    assert coin.mean[[0, 50, 100]] == pytest.approx([2, 2.5, 3])
    assert (coin.low[100], coin.high[100]) == pytest.approx((2, 4))
    ideal = oracle_band(runs, apart=False)
    assert ideal.mean[[0, 50, 100]] == pytest.approx([2, 1.5, 3])
    assert (ideal.low[50], ideal.high[50]) == pytest.approx((1, 2))


def test_apart_from_random_the_seeds_levels_do_not_count():
    costs = np.array([0.0, 1, 5]), np.array([2.0, 2, 2])
    runs = [_run(seed, costs[0] + 10 * seed, costs[1] + 10 * seed) for seed in range(3)]
    apart, plain = oracle_band(runs, apart=True), oracle_band(runs, apart=False)
    assert apart.mean == pytest.approx(plain.mean)
    assert apart.high - apart.low == pytest.approx(np.zeros(101), abs=1e-12)
    assert plain.high - plain.low == pytest.approx(np.full(101, 20.0))


def test_the_local_exit_is_better_where_the_benefit_is_negative():
    share = local_better([_run(0, [0, 2, 3, 3], [2, 2, 2, 2]), _run(1, [3] * 4, [2] * 4)])
    assert (share.mean, share.low, share.high) == (0.125, 0.0, 0.25)


def test_points_are_averaged_at_equal_share_where_all_seeds_have_them():
    def points(top):
        ends = ((0.0, 0.0), (1.0, top))
        return [{"L0": l0, "gate_L0": None, "L": at, "C": 1 + at} for l0, at in ends]

    runs = [_run(seed, [2], [1], {"uncertainty_b2": points(at)}) for seed, at in ((0, 0.5), (1, 1))]
    band = rule_band(runs, "uncertainty_b2")
    assert band.share[0] == 0
    assert band.share[-1] == 0.5
    assert band.mean == pytest.approx(1 + band.share)


def test_a_gate_is_drawn_at_the_share_it_was_trained_for_and_joined_to_cloud_and_edge():
    listed = [_gate(0.4, 0.3, 1.2, gate=0.5), _gate(0.5, 0.5, 1.5)]
    runs = [_run(0, [2], [1], {"optimized_volume": listed})]
    band = rule_band(runs, "optimized_volume")
    assert (band.mean_at(0), band.mean_at(0.3), band.mean_at(1)) == pytest.approx((1, 1.3, 2))
    assert [dot.l0 for dot in gate_dots(runs, "optimized_volume")] == [0.5]


def test_a_dot_compares_the_seeds_at_their_mean_share():
    first, second = [_gate(0.5, 0.4, 1.0)], [_gate(0.5, 0.6, 1.0)]
    runs = [
        _run(0, [2], [1], {"optimized_volume": first}),
        _run(1, [2], [1], {"optimized_volume": second}),
    ]
    (dot,) = gate_dots(runs, "optimized_volume")
    assert (dot.share.mean, dot.share.low, dot.share.high) == (0.5, 0.4, 0.6)
    # At 0.5 the first is on its way to Edge: 1 + 0.1 / 0.6; the second still costs 1.
    assert dot.cost.mean == pytest.approx(1 + 0.5 / 6)
    assert (dot.cost.low, dot.cost.high) == pytest.approx((1, 1 + 1 / 6))


def test_rings_stand_where_one_half_put_the_gates():
    halves = {"optimized_volume": [_gate(0.7, 0.8, 1.5), _gate(0.3, 0.1, 1.0)]}
    frozen = {"optimized_volume": [_gate(0.3, 0.3, 1.1), _gate(0.7, 0.7, 1.4)]}
    runs = [_run(0, [2], [1], frozen, halves)]
    rings = gate_dots(runs, "optimized_volume", paper=True)
    assert [(dot.l0, dot.share.mean, dot.cost.mean) for dot in rings] == [
        (0.3, 0.1, 1.0),
        (0.7, 0.8, 1.5),
    ]


def test_a_rule_that_one_seed_lacks_is_not_drawn():
    runs = [_run(0, [2], [1], {"optimized_volume": [_gate(0.5, 0.5, 1)]}), _run(1, [2], [1])]
    assert rule_band(runs, "optimized_volume") is None
    assert gate_dots(runs, "optimized_volume") == []


def test_no_rule_lies_below_the_oracle(measured):
    runs = measured.runs["fig4d"]
    ideal = oracle_band(runs, apart=True)
    for rule in ("optimized_volume", "optimized_local", "uncertainty_b10"):
        band = rule_band(runs, rule)
        assert np.all(band.mean >= np.interp(band.share, DENSE, ideal.mean) - 1e-9)


def test_decisions_are_held_against_the_labels():
    found = agreement(np.array([1.0, 2, 3, 4]), 2.0, np.array([True, False, True, False]))
    assert (found.hard, found.easy) == (2, 2)
    assert (found.hard_sent, found.easy_sent, found.right) == (0.5, 0.5, 0.5)
    none = agreement(np.array([1.0]), 2.0, np.array([False]))
    assert (none.hard, none.hard_sent, none.right) == (0, 0.0, 1.0)


def test_what_the_deployed_gate_did_stands_under_its_picture(measured, texts):
    run = measured.runs["fig4d"][0]
    hard = run.slots["benefit"] > run.evaluation["benefit"]["critical"]
    sent = run.slots["local"] == 0
    paper.fig5c(measured)
    assert f"Of {hard.sum()} slots above b*, {100 * sent[hard].mean():.0f} % were sent" in texts[0]


def test_no_critical_benefit_no_line(measured, texts):
    run = measured.runs["fig4d"][0]
    benefit = {**run.evaluation["benefit"], "critical": None}
    changed = replace(run, evaluation={**run.evaluation, "benefit": benefit})
    assert paper.fig5c(replace(measured, runs={"fig4d": (changed,)})).startswith(b"\x89PNG")
    assert not any("b* =" in text for text in texts)


def test_the_late_gate_is_told_from_the_first(measured, texts):
    paper.fig5ab(measured)
    seen = measured.snapshots[0]
    hard = seen.benefit > seen.critical
    for epoch, probability in ((1, seen.first), (180, seen.late)):
        right = np.mean((probability > 0.5) == hard)
        assert f"epoch {epoch}: {100 * right:.0f} % right" in texts


def test_whole_local_days_are_shown(measured):
    run = measured.runs["fig4b"][0]
    shown = totals(run, 2)
    first = datetime.fromtimestamp(int(shown.times[0]), ZoneInfo("Europe/Rome"))
    assert (first.hour, first.minute) == (0, 0)
    assert len(shown.times) == len(shown.demand) == len(shown.local) == 48
    kept = np.isin(run.slots["time"], shown.times)
    assert np.array_equal(shown.remote, run.slots["total_remote"][kept])


def test_less_than_a_day_is_shown_as_it_is(measured):
    run = measured.runs["fig4b"][0]
    part = {name: column[3:9] for name, column in run.slots.items()}
    assert len(totals(replace(run, slots=part), 2).times) == 6


def test_allocations_are_told_as_shares_of_the_demand(texts):
    asked = make_measured(seeds=1, excess=(0.5, 0.2), tracking_noise=0.0)
    shown = totals(asked.runs["fig4d"][0], 2)
    assert (shown.local_above, shown.remote_above) == pytest.approx((0.5, 0.2))
    paper.fig6(asked, "fig4d")
    assert "local exit allocates 150.0 % of the demand, the remote exit 120.0 %." in texts[0]
