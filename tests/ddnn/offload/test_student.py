"""The student finds what the remote exit does, where a line can."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ddnn.decision import Predicted
from ddnn.errors import ArtefactError
from ddnn.offload.student import Student, signals, usual_step
from tests.ddnn.offload.knowing import make_known, remote_distribution


def test_allocations_that_follow_from_what_is_seen_are_found() -> None:
    known = make_known(decisions=3000)
    step = usual_step(known)
    last, before = known.recent[:, -1], known.recent[:, -2]
    remote = known.local + 0.3 * (last - before) + 0.2 * (known.predicted.location - last)
    remote = remote + step * [0.1, -0.2, 0.3]  # each VNF's own
    student = Student.fit(known.part(slice(0, 2000)), remote[:2000])
    new = known.part(slice(2000, 3000))
    error = student.allocations(new) - remote[2000:]
    assert np.abs(error).mean() < 0.02 * np.abs(remote[2000:] - new.local).mean()


def test_distributions_that_follow_from_what_is_seen_are_found() -> None:
    known = make_known(decisions=2000)
    location, spread = known.predicted.location, known.predicted.spread
    step = usual_step(known)
    moved = 0.5 * (known.recent[:, -1] - known.recent[:, -2]) / step
    remote = Predicted(location + spread * moved, spread * 0.7 * np.sqrt(step / spread))
    student = Student.fit(known, remote)
    told = student.distribution(known)
    assert told.location.shape == (5, *location.shape)
    np.testing.assert_allclose(told.location.mean(axis=0), remote.location, atol=0.02)
    np.testing.assert_allclose(told.spread[0], remote.spread, rtol=0.02)


def test_its_errors_are_spread_as_they_were() -> None:
    known = make_known(decisions=4000)
    told = Student.fit(known, remote_distribution(known)).distribution(known)
    moved = (told.location - told.location.mean(axis=0)) / known.predicted.spread
    # The means of five equal parts of a normal distribution with deviation 0.5.
    expected = 0.5 * np.array([-1.400, -0.532, 0.0, 0.532, 1.400])
    np.testing.assert_allclose(moved[:, 0, 0], expected, atol=0.03)
    assert np.ptp(moved, axis=(1, 2)).max() < 1e-9


def test_signals_are_as_defined() -> None:
    known = make_known(decisions=2, N=3)
    step = np.array([0.1, 0.2, 0.4])
    found = signals(known, step)
    k, m = 1, 2
    D, y = known.recent[k, :, m], known.local[k, m]
    location, spread = known.predicted.location[k, m], known.predicted.spread[k, m]
    expected = [
        (D[1] - D[0]) / 0.4,
        (D[2] - D[1]) / 0.4,
        D[2],
        (y - D[2]) / 0.4,
        (location - D[2]) / 0.4,
        (y - location) / spread,
        np.log(spread / 0.4),
    ]
    np.testing.assert_allclose(found[k, m], [*expected, *np.abs(expected)])


def test_one_slot_of_past_demand_will_do() -> None:
    known = make_known(N=1)
    student = Student.fit(known, known.local)
    np.testing.assert_allclose(student.allocations(known), known.local, atol=1e-9)


def test_a_decision_alone_is_told_as_among_others() -> None:
    known = make_known()
    student = Student.fit(known, known.local * 1.1)
    alone = student.allocations(known.part(slice(7, 8)))
    np.testing.assert_allclose(alone, student.allocations(known)[7:8], rtol=1e-12)


@pytest.mark.parametrize("kind", ["allocations", "distributions"])
def test_it_survives_json(kind: str) -> None:
    known = make_known()
    remote = known.local * 1.1 if kind == "allocations" else remote_distribution(known)
    student = Student.fit(known, remote)
    again = Student.from_json(json.loads(json.dumps(student.to_json())))
    assert again.distributions == student.distributions == (kind == "distributions")
    if student.distributions:
        before, after = student.distribution(known), again.distribution(known)
        assert (before.location == after.location).all()
        assert (before.spread == after.spread).all()
    else:
        assert (again.allocations(known) == student.allocations(known)).all()


@pytest.mark.parametrize(
    "damage",
    [
        {"step": [0.1, 0.0, 0.1]},
        {"step": [0.1, 0.1]},
        {"step": []},
        {"mean": [0.0, 0.0, 0.0]},
        {"mean": [[0.0, 0.0]] * 3},
        {"mean": [[float("inf")]] * 3},
        {"errors": []},
        {"errors": "x"},
        {"line": None},
    ],
)
def test_what_is_no_student_is_refused(damage: dict) -> None:
    known = make_known()
    values = Student.fit(known, known.local * 1.1).to_json() | damage
    with pytest.raises(ArtefactError, match=r"not a (student|line)"):
        Student.from_json(values)


def test_what_cannot_be_learned_from_is_refused() -> None:
    known = make_known()
    with pytest.raises(ValueError, match="two decisions or more"):
        Student.fit(known.part(slice(0, 1)), known.local[:1])
    with pytest.raises(ValueError, match="two decisions or more"):
        Student.fit(known, known.local[1:])
    student = Student.fit(known, known.local)
    with pytest.raises(ValueError, match="as many slots"):
        student.allocations(replace(known, recent=known.recent[:, 1:]))
    with pytest.raises(ValueError, match="fitted on 3"):
        student.allocations(make_known(vnfs=4))
