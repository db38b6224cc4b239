"""The student finds what the remote exit does, where a line can."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ddnn.decision import Predicted
from ddnn.errors import ArtefactError
from ddnn.offload.signals import signals, usual_step
from ddnn.offload.student import AllocationStudent, DistributionStudent
from tests.ddnn.offload.knowing import make_known, remote_distribution


def test_allocations_that_follow_from_what_is_seen_are_found() -> None:
    known = make_known(decisions=3000)
    step = usual_step(known)
    last, before = known.recent[:, -1], known.recent[:, -2]
    remote = known.local + 0.3 * (last - before)[:, ::-1] + 0.2 * known.local
    remote = remote + step * [0.1, -0.2, 0.3]  # each VNF's own
    student = AllocationStudent.fit(known.part(slice(0, 2000)), remote[:2000])
    new = known.part(slice(2000, 3000))
    error = student.predict(new) - remote[2000:]
    assert np.abs(error).mean() < 0.02 * np.abs(remote[2000:] - new.local).mean()


def test_distributions_that_follow_from_what_is_seen_are_found() -> None:
    known = make_known(decisions=2000)
    location, spread = known.predicted.location, known.predicted.spread
    step = usual_step(known)
    moved = 0.5 * (known.recent[:, -1] - known.recent[:, -2]) / step
    remote = Predicted(location + spread * moved, spread * 0.7 * np.sqrt(step / spread))
    student = DistributionStudent.fit(known, remote)
    told = student.predict(known)
    assert told.location.shape == (5, *location.shape)
    np.testing.assert_allclose(told.location.mean(axis=0), remote.location, atol=0.02)
    np.testing.assert_allclose(told.spread[0], remote.spread, rtol=0.02)


def test_its_errors_are_spread_as_they_were() -> None:
    known = make_known(decisions=4000)
    told = DistributionStudent.fit(known, remote_distribution(known)).predict(known)
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
    student = AllocationStudent.fit(known, known.local)
    np.testing.assert_allclose(student.predict(known), known.local, atol=1e-9)


def test_a_decision_alone_is_told_as_among_others() -> None:
    known = make_known()
    student = AllocationStudent.fit(known, known.local * 1.1)
    alone = student.predict(known.part(slice(7, 8)))
    np.testing.assert_allclose(alone, student.predict(known)[7:8], rtol=1e-12)


def test_they_survive_json() -> None:
    known = make_known()
    allocations = AllocationStudent.fit(known, known.local * 1.1)
    again = AllocationStudent.from_json(json.loads(json.dumps(allocations.to_json())))
    assert (again.predict(known) == allocations.predict(known)).all()
    distributions = DistributionStudent.fit(known, remote_distribution(known))
    back = DistributionStudent.from_json(json.loads(json.dumps(distributions.to_json())))
    one, other = distributions.predict(known), back.predict(known)
    assert (one.location == other.location).all()
    assert (one.spread == other.spread).all()


@pytest.mark.parametrize(
    "damage",
    [
        {"step": [0.1, 0.0, 0.1]},
        {"step": [0.1, 0.1]},
        {"step": []},
        {"mean": [0.0, 0.0, 0.0]},
        {"mean": [[0.0]] * 3},
        {"mean": [[float("inf")] * 2] * 3},
        {"errors": []},
        {"errors": "x"},
        {"line": None},
    ],
)
def test_what_is_no_student_is_refused(damage: dict) -> None:
    known = make_known()
    values = DistributionStudent.fit(known, remote_distribution(known)).to_json() | damage
    with pytest.raises(ArtefactError, match=r"not a (student|line|gate)"):
        DistributionStudent.from_json(values)
    if not damage.keys() & {"mean", "errors"}:
        values = AllocationStudent.fit(known, known.local * 1.1).to_json() | damage
        with pytest.raises(ArtefactError, match=r"not a (student|line|gate)"):
            AllocationStudent.from_json(values)


def test_what_cannot_be_learned_from_is_refused() -> None:
    known = make_known()
    with pytest.raises(ValueError, match="two decisions or more"):
        AllocationStudent.fit(known.part(slice(0, 1)), known.local[:1])
    with pytest.raises(ValueError, match="two decisions or more"):
        AllocationStudent.fit(known, known.local[1:])
    student = AllocationStudent.fit(known, known.local)
    with pytest.raises(ValueError, match="as many slots"):
        student.predict(replace(known, recent=known.recent[:, 1:]))
    with pytest.raises(ValueError, match="fitted on 3"):
        student.predict(make_known(vnfs=4))
