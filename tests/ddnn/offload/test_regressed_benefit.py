import json

import numpy as np
import pytest

from ddnn.errors import ArtefactError
from ddnn.offload.regressed_benefit import RegressedBenefit
from tests.ddnn.offload.knowing import make_known


def test_a_benefit_that_can_be_seen_is_found() -> None:
    known = make_known(decisions=1200)
    noise = np.random.default_rng(3).normal(0, 0.1, 1200)
    benefit = np.log(known.predicted.spread).mean(axis=1) + 0.5 * known.calendar[:, 2]
    gate = RegressedBenefit.fit(known.part(slice(0, 800)), (benefit + noise)[:800])
    new = known.part(slice(800, 1200))
    assert np.corrcoef(gate.score(new), benefit[800:])[0, 1] > 0.95


def test_chance_is_hardly_believed() -> None:
    known = make_known(decisions=600)
    benefit = np.random.default_rng(4).normal(size=600)
    assert RegressedBenefit.fit(known, benefit).score(known).std() < 0.3


def test_a_decision_alone_scores_as_among_others() -> None:
    known = make_known()
    gate = RegressedBenefit.fit(known, known.local.sum(axis=1))
    alone = np.concatenate([gate.score(known.part(slice(k, k + 1))) for k in range(9)])
    np.testing.assert_allclose(alone, gate.score(known)[:9], rtol=1e-9)


def test_it_survives_json() -> None:
    known = make_known()
    gate = RegressedBenefit.fit(known, known.local.sum(axis=1))
    again = RegressedBenefit.from_json(json.loads(json.dumps(gate.to_json())))
    assert (again.score(known) == gate.score(known)).all()


@pytest.mark.parametrize(
    "damage", [{"step": None}, {"step": []}, {"step": [-1.0]}, {"line": None}, {"line": {}}]
)
def test_what_is_no_gate_is_refused(damage: dict) -> None:
    known = make_known()
    values = RegressedBenefit.fit(known, known.local.sum(axis=1)).to_json() | damage
    with pytest.raises(ArtefactError):
        RegressedBenefit.from_json(values)


def test_what_cannot_be_learned_from_is_refused() -> None:
    known = make_known()
    for benefit in (np.zeros(3), np.full(60, np.nan), np.zeros((60, 1))):
        with pytest.raises(ValueError, match="finite benefit"):
            RegressedBenefit.fit(known, benefit)
    gate = RegressedBenefit.fit(known, np.zeros(60))
    with pytest.raises(ValueError, match="fitted on 3"):
        gate.score(make_known(vnfs=4))
