"""The benchmark of the alternatives judges days that nothing was chosen on; its page is true."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import alternatives as bench
from benchmarks.page import shown
from ddnn.params import load_params

PARAMS = load_params(bench.ROOT / "params.yaml")


@pytest.mark.parametrize("closed", [False, True])
def test_what_is_judged_lies_behind_all_that_is_learned(make_demand, closed: bool) -> None:
    demand = make_demand(slots=24 * 20)
    past, values, targets = bench.days(demand, PARAMS, closed)
    assert len(past.values) == past.validation.stop == targets.start
    assert targets.stop == 24 * (15 if closed else 20)
    np.testing.assert_array_equal(values[: targets.start], past.values)
    assert len(values) >= targets.stop


def test_ratios_are_those_of_geometric_means_over_prices() -> None:
    costs = {
        name: level * np.array([1.0, 2.0, 4.0, 8.0])[:, None] * np.ones((4, 72))
        for name, level in ((bench.REFERENCE, 2.0), ("other", 1.0))
    }
    rows = bench.summarise(costs, 24, PARAMS)
    assert rows[1]["cost"] == [1.0, 2.0, 4.0, 8.0]
    assert rows[1]["to_last_value"] == {"value": 0.5, "low": 0.5, "high": 0.5}


def test_the_page_shows_what_was_measured() -> None:
    facts = json.loads(bench.METRICS.read_text(encoding="utf-8"))
    assert shown(bench.PAGE, "alternatives") == bench.table(facts)
    assert [row["alternative"] for row in facts["rows"]] == list(bench.NAMES)


def test_the_file_named_is_the_one_that_is_read(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("time,4142\n" + "\n".join(f"2013-11-01T{h:02}:00:00Z,{h}" for h in range(24)))
    assert bench.read(PARAMS, path).values[:, 0].tolist() == list(range(24))
