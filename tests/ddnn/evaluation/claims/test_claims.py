import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from ddnn.evaluation.claims import EXPECTED, costs, gates, judge, parts, resources, rules
from ddnn.evaluation.claims.resources import alexnet
from ddnn.evaluation.measured import Measured, MeasuredTimes, SeedRun, Snapshots
from ddnn.params import BootstrapParams
from tests.ddnn.evaluation.measured_factory import BOOTSTRAP, SETTINGS, make_measured

HOLDS, PART, NOT, OPEN = "holds", "holds in part", "does not hold", "cannot be judged"
VERDICTS = {HOLDS, PART, NOT, OPEN}
KEYS = ["id", "claim", "setting", "demand", "paper", "ours", "interval", "tolerance", "verdict"]
SETTINGS_OF = {
    **dict.fromkeys((1, 3, 5), ("fig3a_4a",)),
    **dict.fromkeys((2, 4), ("fig3b",)),
    **dict.fromkeys((11, 14, 15, 16), ("fig4d",)),
    17: ("fig4b", "fig4d"),
}
"""Where a claim needs some settings only."""
PART_KEYS = ["what", "setting", "paper", "ours", "interval", "tolerance", "verdict"]


@cache
def base() -> Measured:
    return make_measured()


@cache
def judged_base():
    return {claim.id: claim for claim in judge(base(), BOOTSTRAP)}


def judged(measured, number):
    return next(claim for claim in judge(measured, BOOTSTRAP) if claim.id == number)


def verdicts(claim):
    return [part.verdict for part in claim.parts]


def just(*names):
    return {name: SETTINGS[name] for name in names}


def change(
    measured: Measured,
    setting: str,
    slots: Callable[[dict], None] | None = None,
    evaluation: Callable[[dict], None] | None = None,
) -> Measured:
    """Give other runs of a setting; the changes are made in copies."""
    runs = []
    for run in measured.runs[setting]:
        columns, values = dict(run.slots), deepcopy(run.evaluation)
        if slots:
            slots(columns)
        if evaluation:
            evaluation(values)
        runs.append(SeedRun(run.seed, values, columns))
    return replace(measured, runs={**measured.runs, setting: tuple(runs)})


def everywhere(measured: Measured, evaluation: Callable[[dict], None]) -> Measured:
    for setting in measured.runs:
        measured = change(measured, setting, evaluation=evaluation)
    return measured


def test_there_are_24_claims_in_order_with_what_the_report_needs():
    claims = judge(base(), BOOTSTRAP)
    assert [claim.id for claim in claims] == list(range(1, 25))
    for claim in claims:
        told = claim.to_json()
        assert list(told) == [*KEYS, "why", "parts"]
        assert told["demand"] == "milano25"
        assert told["verdict"] in VERDICTS
        assert told["why"].endswith(".")
        for part in told["parts"]:
            assert list(part) == PART_KEYS
            assert part["verdict"] in VERDICTS
        first = told["parts"][0]
        for key in ("paper", "ours", "interval", "tolerance"):
            assert told[key] == first[key]
        json.dumps(told, allow_nan=False)


def test_the_same_runs_give_the_same_verdicts():
    again = [claim.to_json() for claim in judge(make_measured(), BOOTSTRAP)]
    assert again == [claim.to_json() for claim in judge(base(), BOOTSTRAP)]


def test_the_demand_is_named_and_changes_no_verdict():
    city = judge(make_measured(demand="city49"), BOOTSTRAP)
    assert {claim.demand for claim in city} == {"city49"}
    assert [claim.verdict for claim in city] == [c.verdict for c in judged_base().values()]


def test_values_lie_in_their_intervals_and_are_those_of_the_runs():
    for claim in judged_base().values():
        for part in claim.parts:
            if part.interval is not None and isinstance(part.ours, float):
                low, high = part.interval
                slack = 1e-3 * max(abs(low), abs(high), 1e-9)
                assert low - slack <= part.ours <= high + slack, (claim.id, part)
    costs = {name: base().costs("fig3a_4a", name).mean() for name in ("local", "remote")}
    ours = judged_base()[1].parts[0].ours
    assert ours == pytest.approx(100 * (costs["local"] / costs["remote"] - 1), rel=1e-3)


@pytest.mark.parametrize(
    ("number", "knobs", "verdict"),
    [
        (1, {"gap": 0.14}, HOLDS),
        (1, {"gap": 0.03}, NOT),
        (1, {"gap": 0.4}, NOT),
        (2, {"gap": {"fig3b": 0.30}}, HOLDS),
        (2, {"gap": {"fig3b": 0.12}}, NOT),
        (3, {"joint": -0.05}, HOLDS),
        (3, {"joint": 0.2}, NOT),
        (4, {"gap": {"fig3b": 0.30}}, HOLDS),
        (4, {"gap": {"fig3b": 0.6}, "joint": 0.1}, NOT),
        (5, {"spread": 0.17}, HOLDS),
        (5, {"spread": 0.04}, NOT),
        (5, {"gap": 0.0}, NOT),
        (11, {}, HOLDS),
        (11, {"joint": 0.3}, NOT),
        (12, {"gate_skill": 0.9}, HOLDS),
        (12, {"gate_skill": -0.9}, NOT),
        (13, {"uncertainty_scale": 0.01}, HOLDS),
        (13, {"uncertainty_scale": 0.5}, PART),
        (14, {"snapshot_skill": (0.0, 8.0)}, HOLDS),
        (14, {"snapshot_skill": (0.0, 0.0)}, PART),
        (14, {"snapshot_skill": (5.0, 0.0)}, NOT),
        (15, {"gate_skill": 0.99}, HOLDS),
        (15, {"gate_skill": -0.9}, NOT),
        (16, {}, HOLDS),
        (16, {"feature_skill": {"local": -0.9}}, PART),
        (17, {}, HOLDS),
        (17, {"excess": {"fig4b": (0.5, 0.5), "fig4d": (-0.5, -0.3)}}, NOT),
        (21, {"joint": -0.05}, HOLDS),
        (21, {"joint": 0.5}, NOT),
        (22, {"uncertainty_skill": {2: 0.9, 10: 0.9}}, HOLDS),
        (22, {"uncertainty_skill": {2: -0.5, 10: -0.5}}, NOT),
    ],
)
def test_the_measured_values_decide(number, knobs, verdict):
    names = SETTINGS_OF.get(number, SETTINGS)
    assert judged(make_measured(settings=just(*names), **knobs), number).verdict == verdict


def test_6_a_dent_in_the_oracle_or_in_random_is_found():
    assert judged_base()[6].verdict == HOLDS

    def dent(values):
        values["rules"]["oracle"][9]["C"] *= 1.1
        values["rules"]["random"][9]["C"] *= 1.1

    dented = judged(change(base(), "fig3b", evaluation=dent), 6)
    assert verdicts(dented) == [HOLDS, HOLDS, HOLDS, NOT, HOLDS, NOT]
    dear = judged(make_measured(settings=just("fig3a_4a", "fig3b"), gap=0.5, spread=0.05), 6)
    assert verdicts(dear)[1] == verdicts(dear)[4] == NOT  # no slot is cheaper at the edge


def test_7_joint_training_is_held_against_deepcog_in_every_setting():
    better, worse = (judged(make_measured(joint=joint), 7) for joint in (-0.05, 0.05))
    assert verdicts(better) == [HOLDS] * len(SETTINGS) + [OPEN]
    assert verdicts(worse) == [NOT] * len(SETTINGS) + [OPEN]
    assert worse.verdict == NOT
    assert "no two settings differ in w alone" in better.why
    assert "published network" in better.why


def test_7_another_weight_is_compared_where_there_is_one():
    pair = SETTINGS | {"fig4b_w4": SETTINGS["fig4b"] | {"w": 0.4}}
    measured = make_measured(settings=pair)
    runs = measured.runs
    same = replace(measured, runs={**runs, "fig4b_w4": _with_w(runs["fig4b"], 0.4)})
    claim = judged(same, 7)
    assert claim.verdict == HOLDS
    assert claim.parts[-1].ours == 0.0

    def dearer(columns):
        columns["cost_remote"] = 1.2 * columns["cost_remote"]

    assert judged(change(same, "fig4b_w4", dearer), 7).parts[-1].verdict == NOT


def _with_w(runs, w):
    return tuple(
        replace(run, evaluation=run.evaluation | {"setting": run.evaluation["setting"] | {"w": w}})
        for run in runs
    )


def test_8_costs_and_nearness_to_random():
    near = judged(make_measured(settings=just("fig3a_4a"), uncertainty_skill={10: 0.0}), 8)
    assert verdicts(near) == [HOLDS, HOLDS, HOLDS]
    good = judged(
        make_measured(settings=just("fig3a_4a"), uncertainty_skill={10: 0.95}, joint=0.3), 8
    )
    assert verdicts(good) == [NOT, NOT, NOT]


def test_9_costs_speed_and_nearness():
    claim = judged(make_measured(settings=just("fig4b"), uncertainty_skill={2: 0.0, 10: 0.95}), 9)
    assert verdicts(claim) == [HOLDS] * 6
    swapped = judged(make_measured(settings=just("fig4b"), uncertainty_skill={2: 0.95, 10: 0.0}), 9)
    assert verdicts(swapped) == [HOLDS] * 4 + [NOT] * 2

    def slow_edge(values):
        values["latency"]["f1_ms"] = 20.0

    slow = judged(change(base(), "fig4b", evaluation=slow_edge), 9)
    assert slow.parts[3].verdict == NOT
    dear = judged(make_measured(settings=just("fig4b"), gap={"fig4b": 0.9}), 9)
    assert verdicts(dear)[:3] == [NOT] * 3


def test_10_order_of_the_uncertainty_rules():
    good = judged(make_measured(settings=just("fig4c"), uncertainty_skill={2: 0.5, 10: 0.9}), 10)
    assert verdicts(good) == [HOLDS] * 4
    bad = judged(
        make_measured(settings=just("fig4c"), uncertainty_skill={2: -0.5, 10: -0.9}, joint=0.3), 10
    )
    assert verdicts(bad) == [NOT] * 4
    assert bad.verdict == NOT


def test_12_counts_the_settings():
    knobs = {"fig3a_4a": 0.95, "fig4b": 0.95, "fig4c": 0.95, "fig4d": 0.0}
    claim = judged(make_measured(gate_skill=knobs, uncertainty_skill={2: -0.8, 10: -0.8}), 12)
    near, off = claim.parts[-2:]
    assert (near.ours, near.verdict) == (3, HOLDS)
    assert (off.ours, off.verdict) == (3, NOT)
    assert claim.verdict == PART
    assert "fig4d" in claim.why


def test_capture_is_not_judged_where_the_exits_hardly_differ():
    close = make_measured(gap=0.02)
    claim = judged(close, 8)
    assert claim.parts[2].verdict == OPEN
    assert claim.parts[2].ours is not None
    assert "means nothing" in claim.why
    assert judged(close, 12).parts[-1].verdict == OPEN
    flat = judged(make_measured(settings=just("fig3a_4a"), gap=0.0, spread=0.0, seed_noise=0.0), 8)
    assert flat.parts[2].verdict == OPEN
    assert "cost the same" in flat.why


def test_13_the_worst_setting_speaks_for_all():
    one = judged(make_measured(uncertainty_scale={"fig4c": 0.5}), 13)
    assert verdicts(one) == [HOLDS, NOT, HOLDS, NOT]
    assert one.parts[1].setting == "fig4c"


def test_14_the_labels_come_from_the_critical_benefit():
    moved = replace(base(), snapshots=tuple(replace(s, critical=1e9) for s in base().snapshots))
    assert judged(moved, 14).parts[0].verdict == OPEN  # all easy: no AUC
    shots = Snapshots(
        seed=0,
        late_epoch=9,
        l0=0.5,
        critical=1.0,
        benefit=np.array([0.0, 1.0, 2.0, 3.0]),
        first=np.array([0.5, 0.5, 0.5, 0.5]),
        late=np.array([0.1, 0.9, 0.9, 0.9]),
    )
    auc, accuracy, late = judged(replace(base(), snapshots=(shots, shots)), 14).parts
    assert (auc.ours, accuracy.ours, late.ours) == (0.5, 75.0, 0.75)
    assert accuracy.interval == (75.0, 75.0)


def test_15_sending_all_away_is_no_better_than_random():
    def send_all(columns):
        columns["local"] = np.zeros_like(columns["local"])

    share, enriched = judged(change(base(), "fig4d", send_all), 15).parts
    assert (share.ours, share.verdict) == (100.0, HOLDS)
    assert (enriched.ours, enriched.verdict) == (1.0, NOT)

    def no_gate(values):
        values["deployed"]["rule"] = "uncertainty_b2"

    assert judged(change(base(), "fig4d", evaluation=no_gate), 15).verdict == OPEN


def test_17_knows_the_local_exit_from_the_remote():
    swapped = judged(
        make_measured(settings=just("fig4b", "fig4d"), excess={"fig4d": (0.6, 0.9)}), 17
    )
    assert verdicts(swapped) == [HOLDS] * 6 + [NOT] * 2


def test_18_needs_measured_times():
    claim = judged_base()[18]
    assert verdicts(claim) == [HOLDS] * 3 + [OPEN]
    assert claim.parts[0].ours == base().times.layers.f0_ms
    slow = MeasuredTimes(replace(base().times.layers, f2_ms=0.9), {}, "slow")
    assert verdicts(judged(replace(base(), times=slow), 18)) == [HOLDS, HOLDS, NOT, OPEN]
    none = judged(make_measured(settings=just("fig4b"), times=False), 18)
    assert none.verdict == OPEN
    assert "no times were measured" in none.why


def test_19_counts_what_was_built():
    assert verdicts(judged_base()[19]) == [HOLDS] * 6 + [NOT, HOLDS, NOT]
    sizes = {name: dict(of) for name, of in base().table3.items()}
    sizes["F1"]["macs"] += 200_000
    moved = judged(replace(base(), table3=sizes), 19)
    assert verdicts(moved)[:3] == [NOT, HOLDS, NOT]
    assert judged(replace(base(), table3={}), 19).parts[0].verdict == OPEN
    assert alexnet() == {"macs": 714_188_480, "parameters": 61_100_840}


def test_20_follows_from_the_times_of_the_runs():
    assert judged_base()[20].verdict == HOLDS

    def far(values):
        values["latency"]["rtt_ms"] = 90.0

    assert judged(change(base(), "fig4b", evaluation=far), 20).verdict == NOT


def test_21_names_the_setting_in_which_most_stays_local():
    claim = judged(make_measured(joint={"fig4c": -0.2}), 21)
    assert claim.parts[0].setting == "fig4c"
    assert claim.parts[0].ours == 100.0


def test_23_counts_operations():
    assert judged_base()[23].verdict == HOLDS

    def heavy(values):
        values["size"]["gates"]["optimized_volume"]["macs"] *= 100

    assert judged(change(base(), "fig4b", evaluation=heavy), 23).verdict == NOT


def test_24_compares_bytes_in_the_worst_setting():
    assert judged_base()[24].verdict == NOT

    def small(values):
        values["size"]["bytes"]["latent"] = 1

    assert judged(everywhere(base(), small), 24).verdict == HOLDS
    assert judged(change(base(), "fig4b", evaluation=small), 24).verdict == NOT


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_that_was_not_run_is_not_judged(setting):
    runs = {name: of for name, of in base().runs.items() if name != setting}
    claims = judge(replace(base(), runs=runs), BOOTSTRAP)
    assert len(claims) == 24
    for claim in claims:
        json.dumps(claim.to_json(), allow_nan=False)
        for part in claim.parts:
            if part.setting == setting and claim.id not in (14, 20):
                assert part.verdict == OPEN
                assert f"{setting} was not run" in claim.why


def test_nothing_at_all_can_be_judged_of_nothing():
    empty = Measured("none", {}, {}, (), {}, None)
    claims = {claim.id: claim for claim in judge(empty, BOOTSTRAP)}
    # AlexNet and Table IV's formula are arithmetic on the paper's own numbers.
    judged_ = {number for number, claim in claims.items() if claim.verdict != OPEN}
    assert judged_ == {19, 20}
    assert all(claim.why for claim in claims.values())


def test_a_rule_that_was_not_trained_is_not_judged():
    claim = judged(make_measured(settings=just("fig4d"), extra_features=False), 16)
    assert claim.verdict == OPEN
    assert "fig4d has no optimized_demand" in claim.why


def test_one_block_of_days_is_not_enough():
    one = BootstrapParams(samples=100, block_days=5, level=0.95)
    claims = {claim.id: claim for claim in judge(base(), one)}
    for number in (1, 2, 3, 4, 5, 7, 8, 10, 11, 15, 16, 21, 22):
        assert claims[number].verdict == OPEN
        assert "no interval" in claims[number].why
    assert claims[1].parts[0].ours == judged_base()[1].parts[0].ours
    assert claims[20].verdict == HOLDS


def test_a_single_seed_is_said_to_be_one():
    claim = judged(make_measured(settings=just("fig3a_4a"), seeds=1), 1)
    assert claim.verdict != OPEN
    assert "single seed" in claim.why


def test_every_expectation_is_used(monkeypatch):
    asked = set()

    class Recording(dict):
        def __getitem__(self, name):
            asked.add(name)
            return super().__getitem__(name)

    for module in (costs, gates, parts, resources, rules):
        monkeypatch.setattr(module, "EXPECTED", Recording(EXPECTED))
    judge(make_measured(), BOOTSTRAP)
    assert asked == set(EXPECTED)
