import json

import pytest

from ddnn.evaluation import cost_table, cost_table_markdown, summary
from ddnn.evaluation.summary import setting_line


def test_the_table_has_a_line_for_each_system_and_marks_the_cheapest(make_evaluation):
    table = cost_table(make_evaluation()).split("\n")
    names = ["local exit", "remote exit", "DeepCog", "last_value_headroom", "deployed system"]
    lines = [next(line for line in table if line.startswith(name)) for name in names]
    assert [" * " in line for line in lines] == [False, False, False, True, False]
    assert len({len(line) for line in lines}) == 1


def test_the_table_fits_a_terminal(make_evaluation):
    assert max(map(len, cost_table(make_evaluation()).split("\n"))) <= 100


def test_the_markdown_has_the_same_numbers(make_evaluation):
    rows = [line for line in cost_table_markdown(make_evaluation()).split("\n") if "|" in line]
    assert len(rows) == 7
    assert len({row.count("|") for row in rows}) == 1
    assert any("last_value_headroom *" in row and "1.500" in row for row in rows)


def test_the_table_does_without_intervals(make_evaluation):
    evaluation = make_evaluation()
    for row in evaluation["systems"].values():
        row["C_low"] = row["C_high"] = None
    assert "[" not in cost_table(evaluation).split("---\n")[1].split("\n\n")[0]


def test_small_costs_keep_their_digits_in_the_table(make_evaluation):
    names = ("local", "remote", "deepcog", "last_value", "system")
    evaluation = make_evaluation(**dict.fromkeys(names, 0.0081234))
    table = cost_table(evaluation)
    assert "0.008123  [0.007717, 0.008530]" in table
    assert max(map(len, table.split("\n"))) <= 100


def test_the_summary_is_small_and_finite(make_evaluation):
    found = summary(make_evaluation(reached=0.4))
    assert found["local_share"] == {"asked": 0.5, "reached": 0.4}
    assert found["cheapest"] == "last_value_headroom"
    assert len(json.dumps(found, allow_nan=False)) < 2000


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "c_u = 1, c_o = 1, N = 6, w = 0.2, seed 0"),
        ({"c_u": [1.0, 2.5]}, "c_u = 1 to 2.5, c_o = 1"),
        ({"cost": "eq1"}, "squared error, N = 6"),
    ],
)
def test_the_setting_in_a_line(make_evaluation, changed, said):
    assert said in setting_line(make_evaluation()["setting"] | changed)


def test_a_penalty_in_the_setting(make_evaluation):
    penalty = {"form": "power", "weight": 2.0, "exponent": 1.5}
    changed = {"cost": "eq2", "g_u": penalty, "g_o": penalty | {"form": "linear", "exponent": None}}
    said = setting_line(make_evaluation()["setting"] | changed)
    assert said.startswith("g_u power 1.5 x 2, g_o linear x 2")
