import pytest

from ddnn.evaluation.wording import (
    cost_text,
    deployed,
    findings,
    headline,
    in_order,
    last_value_verdict,
    more_or_less,
    rule_name,
)


def test_the_headline_names_the_cheapest_and_its_lead(make_evaluation):
    said = headline(make_evaluation())
    assert said.startswith("The cheapest of 5 is last_value_headroom, at a cost of 1.500")
    assert "the remote exit costs 33.3 % more" in said
    assert "as far as 5 blocks of days can tell" in said


def test_the_headline_owns_up_to_a_close_call(make_evaluation):
    assert "too close to call" in headline(make_evaluation(last_value=2.0))
    assert "is DeepCog, at" in headline(make_evaluation(deepcog=1.0))


def test_the_headline_names_those_that_decide_the_same(make_evaluation):
    evaluation = make_evaluation(deepcog=1.0)
    evaluation["cheapest"]["same_as"] = ["remote", "deepcog"]
    assert "(the same decisions as the remote exit and DeepCog)" in headline(evaluation)


def test_the_headline_of_a_single_day(make_evaluation):
    evaluation = make_evaluation()
    evaluation["cheapest"]["ratio"] |= {"low": None, "high": None}
    assert "too few days" in headline(evaluation)


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ({}, "The paper's layers lose to"),
        ({"last_value": 9.0}, "The paper's layers beat"),
        ({"local": 2.0, "remote": 2.0, "system": 2.0, "deepcog": 2.0, "last_value": 2.0}, "cannot"),
        ({"last_value": 2.2}, "the remote exit wins; the local exit and the deployed system lose"),
    ],
)
def test_the_verdict_on_the_last_value_follows_the_numbers(make_evaluation, costs, said):
    assert said in last_value_verdict(make_evaluation(**costs))


def test_a_single_day_gives_no_verdict_on_the_last_value(make_evaluation):
    evaluation = make_evaluation()
    evaluation["against_last_value"] = dict.fromkeys(evaluation["against_last_value"], "open")
    assert last_value_verdict(evaluation).startswith("Too few days to judge")
    assert findings(evaluation)[0].holds is None


def test_the_deployed_system_reports_its_reached_share(make_evaluation):
    said = deployed(make_evaluation(reached=0.4))
    assert "at least 50 %" in said
    assert "took 40.0 %" in said
    assert "25.0 % more" in said


def _by_promise(evaluation):
    return {found.promise: found.holds for found in findings(evaluation)}


def test_findings_hold_or_not_by_the_numbers(make_evaluation):
    found = _by_promise(make_evaluation())
    assert found["The layers are worth more than the last value plus a constant."] is False
    assert found["Joint training makes the remote exit better than DeepCog."] is True
    assert found["The cloud's layers add something."] is True
    assert found["A threshold that was fixed beforehand keeps the share asked for."] is True
    assert found["The gate is better than a coin."] is True
    assert found["The paper's threshold of 1/2 gives the share."] is False
    assert found["Optimized (3D-CNN) beats Uncertainty (B = 10)."] is True
    assert found["Optimized (3D-CNN) beats Uncertainty (B = 2)."] is False
    assert "The demand is served." not in found


def test_findings_know_when_the_days_cannot_tell(make_evaluation):
    found = _by_promise(make_evaluation(remote=2.2, local=2.2))
    assert found["Joint training makes the remote exit better than DeepCog."] is None
    assert found["The cloud's layers add something."] is None


def test_giving_up_on_demand_is_told(make_evaluation):
    evaluation = make_evaluation()
    evaluation["systems"]["local"]["violation_rate"] = 0.8
    assert _by_promise(evaluation)["The demand is served."] is False
    assert _served(evaluation) == "The local exit gives less than the demand in 80 % of all cases."


def _served(evaluation):
    promise = "The demand is served."
    return next(found.text for found in findings(evaluation) if found.promise == promise)


def test_giving_up_pays_only_where_serving_costs_more(make_evaluation):
    evaluation = make_evaluation(deepcog=1.9)
    evaluation["systems"]["deepcog"]["violation_rate"] = 0.8
    said = _served(evaluation)
    assert said.startswith("DeepCog gives less than the demand in 80 % of all cases. ")
    assert said.endswith(
        "giving up pays: it costs less than the remote exit, which does so in 4 %."
    )
    for row in evaluation["systems"].values():
        row["violation_rate"] = max(row["violation_rate"], 0.6)
    assert "giving up" not in _served(evaluation)


def test_giving_up_is_no_matter_of_price_in_other_costs(make_evaluation):
    evaluation = make_evaluation(local=1.0)
    evaluation["systems"]["local"]["violation_rate"] = 0.8
    evaluation["setting"]["cost"] = "eq1"
    assert "giving up" not in _served(evaluation)


@pytest.mark.parametrize("rule", ["cloud", "edge"])
def test_bounds_have_no_threshold_to_keep(make_evaluation, rule):
    evaluation = make_evaluation(reached=float(rule == "edge"))
    evaluation["deployed"] |= {"rule": rule, "equal_share": None}
    assert not any("threshold that was fixed" in promise for promise in _by_promise(evaluation))


def test_small_costs_keep_their_digits(make_evaluation):
    assert [cost_text(cost) for cost in (12.3456, 0.1, 0.0)] == ["12.346", "0.100", "0.000"]
    assert [cost_text(cost) for cost in (0.0081234, 0.006)] == ["0.008123", "0.006000"]
    evaluation = make_evaluation(last_value=0.0061234)
    assert "a cost of 0.006123 a slot" in headline(evaluation)
    assert "(cost 0.006123)" in last_value_verdict(evaluation)


def test_findings_do_without_a_gate(make_evaluation):
    evaluation = make_evaluation()
    evaluation["deployed"] |= {"rule": "edge", "equal_share": None}
    evaluation["paper_thresholds"] = {}
    for row in evaluation["deployed"]["others_at_equal_share"].values():
        row["to_reference"] = None
    assert not any("gate" in promise or "beats" in promise for promise in _by_promise(evaluation))


def test_ratios_in_words():
    assert more_or_less({"value": 0.9, "low": 0.85, "high": 1.02}) == "10.0 % less [-2.0, 15.0]"
    assert more_or_less({"value": 1.1, "low": None, "high": None}) == "10.0 % more"
    assert more_or_less({"value": 1.0, "low": 0.9999, "high": 1.0}) == "0.0 % more [0.0, 0.0]"


def test_rules_have_names_and_an_order():
    assert rule_name("uncertainty_b10") == "Uncertainty (B = 10)"
    assert rule_name("optimized_local") == "Optimized (MLP on y_L)"
    mixed = ["oracle", "uncertainty_b10", "random", "uncertainty_b2", "optimized_volume"]
    ordered = ["optimized_volume", "uncertainty_b2", "uncertainty_b10", "random", "oracle"]
    assert in_order(mixed) == ordered
