"""The comparison of number formats judges by the seeds' own spread; its page says what it found."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import number_format as bench
from benchmarks.page import shown


def runs(count: int) -> list[Any]:
    setting = SimpleNamespace(N=6)
    return [
        SimpleNamespace(setting="fig4b", seed=seed, params=SimpleNamespace(setting=setting))
        for seed in range(count)
    ]


def test_differences_are_taken_seed_by_seed() -> None:
    row = bench.summarise(runs(3), own=[1.1, 2.1, 3.1], fp32=[1.0, 2.0, 3.0])
    assert row["difference"] == pytest.approx(0.1)
    assert row["standard_error"] == pytest.approx(0, abs=1e-9)
    assert row["noise"] == pytest.approx(1)
    assert row["met"]


@pytest.mark.parametrize("shift", [-0.3, 0.3])
def test_more_than_the_seeds_spread_is_not_noise(shift: float) -> None:
    fp32 = [1.0, 1.1, 1.2]
    assert not bench.summarise(runs(3), [cost + shift for cost in fp32], fp32)["met"]


def test_the_page_shows_what_was_measured() -> None:
    facts = json.loads(bench.METRICS.read_text(encoding="utf-8"))
    assert shown(bench.PAGE, "number format") == bench.table(facts)
