"""What is allocated is what the evaluation judged; what does not fit is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

from ddnn.cost import sla_cost
from ddnn.demand import Demand, read_demand, windows
from ddnn.errors import ModelError
from ddnn.offload import decide
from ddnn.offload.rules import load_rules
from ddnn.offload.samples import gather
from ddnn.runtime.allocate import Allocation, allocate, fit_demand
from ddnn.runtime.bundle import Bundle, load_bundle
from tasks.stage import Stage

RULES = ("cloud", "edge", "random", "uncertainty_b2", "optimized_volume", "optimized_local")


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return load_bundle(tiny_bundle)


@pytest.fixture(scope="module")
def demand(tiny_stage: Stage) -> Demand:
    return read_demand(tiny_stage.inputs["download"])


def run(bundle: Bundle, demand: Demand, rule: str = "optimized_volume") -> Allocation:
    return allocate(bundle, fit_demand(bundle, demand), bundle.decider(rule, 0.5))


def cut(demand: Demand, start: int, stop: int) -> Demand:
    return replace(
        demand,
        values=demand.values[start:stop],
        start=demand.start + start * demand.slot_seconds,
    )


@pytest.mark.parametrize("rule", RULES)
def test_a_slot_gets_what_the_evaluation_judged(
    bundle: Bundle, demand: Demand, tiny_stage: Stage, rule: str
) -> None:
    local, expected = judged(bundle, demand, tiny_stage, rule)

    found = run(bundle, demand, rule)

    np.testing.assert_array_equal(found.local[:-1], local)
    np.testing.assert_allclose(found.amounts[:-1], expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(found.times[:-1], demand.times[bundle.facts.N :])
    assert found.times[-1] == demand.times[-1] + demand.slot_seconds


def judged(
    bundle: Bundle, demand: Demand, stage: Stage, rule: str
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    targets = range(bundle.facts.N, demand.slots)
    D, d = windows(bundle.scaling.scale(demand.values), targets, bundle.facts.N)
    samples = gather(bundle.exits, D, d, np.array(targets), sla_cost(1.0))
    rules = load_rules(stage.inputs["offloader"], bundle.exits, 0, stage.params.offloader)
    local = decide(rules.rule(rule, 0.5).score(samples), rules.threshold(rule, 0.5))
    y = np.where(local[:, None], samples.local, samples.remote)
    return local, np.maximum(bundle.scaling.unscale(y), 0)


@pytest.mark.parametrize("rule", RULES)
def test_one_more_slot_changes_no_earlier_row(bundle: Bundle, demand: Demand, rule: str) -> None:
    whole = run(bundle, demand, rule)

    for slots in (bundle.facts.N, 67, 68, 69, demand.slots - 1):
        part = run(bundle, cut(demand, 0, slots), rule)
        rows = slots - bundle.facts.N + 1
        assert len(part.times) == rows
        np.testing.assert_array_equal(part.local, whole.local[:rows])
        np.testing.assert_array_equal(part.amounts, whole.amounts[:rows])


@pytest.mark.parametrize("rule", ["random", "uncertainty_b2"])
def test_a_file_that_starts_later_draws_the_same(bundle: Bundle, demand: Demand, rule: str) -> None:
    whole = run(bundle, demand, rule)

    part = run(bundle, cut(demand, 50, demand.slots), rule)

    np.testing.assert_array_equal(part.local, whole.local[50:])
    np.testing.assert_allclose(part.amounts, whole.amounts[50:], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("rule", ["random", "uncertainty_b2"])
def test_demand_from_before_the_training_is_served(
    bundle: Bundle, demand: Demand, rule: str
) -> None:
    earlier = replace(demand, start=demand.start - 10_000 * demand.slot_seconds)

    assert 0 < run(bundle, earlier, rule).local.mean() < 1


def test_series_are_found_by_name(bundle: Bundle, demand: Demand) -> None:
    order = [3, 0, 4, 1, 2]
    mixed = replace(
        demand, values=demand.values[:, order], series=tuple(demand.series[i] for i in order)
    )

    found = run(bundle, mixed)

    assert found.series == demand.series
    np.testing.assert_array_equal(found.amounts, run(bundle, demand).amounts)


def test_an_exit_runs_only_for_its_own_slots(
    bundle: Bundle, demand: Demand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(z: Tensor) -> Tensor:
        raise AssertionError("this exit is not needed")

    monkeypatch.setattr(bundle.exits, "local", refuse)
    run(bundle, demand, "cloud")
    monkeypatch.undo()
    monkeypatch.setattr(bundle.exits, "remote", refuse)
    run(bundle, demand, "edge")


def test_demand_may_leave_the_range_of_the_training_but_not_that_of_numbers(
    bundle: Bundle, demand: Demand
) -> None:
    found = run(bundle, replace(demand, values=demand.values * 1000))
    assert np.isfinite(found.amounts).all()
    assert (found.amounts >= 0).all()

    values = demand.values.copy()
    values[30, 2] = 1e300
    with pytest.raises(ModelError, match=r"tiny: no allocation for series vnf\d in slot 31: "):
        run(bundle, replace(demand, values=values))


@pytest.mark.parametrize(
    ("series", "said"),
    [
        (("vnf0", "vnf1", "vnf2", "vnf3", "other"), "tiny: there is no series 'vnf4': model"),
        (("vnf0", "vnf1", "vnf2", "vnf3"), "there is no series 'vnf4'"),
        (("vnf0", "vnf1", "vnf2", "vnf3", "vnf4", "other"), "'other' is one too many"),
    ],
)
def test_other_series_are_refused_by_name(
    bundle: Bundle, demand: Demand, series: tuple[str, ...], said: str
) -> None:
    other = replace(demand, values=np.ones((20, len(series))), series=series)

    with pytest.raises(ModelError, match=rf"{said}.*vnf0, vnf1, \.\.\., vnf4.*train a model"):
        fit_demand(bundle, other)


def test_other_slots_are_refused(bundle: Bundle, demand: Demand) -> None:
    with pytest.raises(ModelError, match=r"slots of 600 s, but .* trained on slots of 3600 s"):
        fit_demand(bundle, replace(demand, slot_seconds=600))


def test_demand_shorter_than_a_window_is_refused(bundle: Bundle, demand: Demand) -> None:
    with pytest.raises(ModelError, match=r"3 slots, but .* bring at least 4 slots"):
        fit_demand(bundle, cut(demand, 0, 3))
