import json

import numpy as np
import pytest

from ddnn.decision import ResidualShape
from ddnn.errors import ArtefactError
from ddnn.offload.line_predictor import LinePredictor


def moving(slots: int = 1500, vnfs: int = 3, N: int = 4) -> tuple[np.ndarray, ...]:
    """Give D, calendar and demand of steps that turn back by half, larger by day."""
    rng = np.random.default_rng(0)
    size = 0.01 * (2 + np.sin(2 * np.pi * np.arange(slots + N) / 144))[:, None]
    noise = size * rng.normal(size=(slots + N, vnfs)) * [1.0, 2.0, 4.0]
    values = np.cumsum(noise, axis=0)
    values[1:] -= 0.5 * np.cumsum(noise, axis=0)[:-1]
    turn = 2 * np.pi * np.arange(N, slots + N) / 144
    calendar = np.stack([np.sin(turn), np.cos(turn), 0 * turn, 1 + 0 * turn], axis=1)
    recent = np.stack([values[k : k + slots] for k in range(N)], axis=1)
    return recent, calendar, values[N:]


def test_it_beats_the_last_value_and_knows_when_it_errs_more() -> None:
    recent, calendar, demand = moving()
    predictor = LinePredictor.fit(recent[:1000], calendar[:1000], demand[:1000])
    told = predictor.predict(recent[1000:], calendar[1000:])
    error = np.abs(demand[1000:] - told.location)
    assert error.mean() < 0.95 * np.abs(demand[1000:] - recent[1000:, -1]).mean()
    wide = told.spread > np.median(told.spread, axis=0)
    assert error[wide].mean() > 1.5 * error[~wide].mean()
    assert np.isfinite(ResidualShape.fit(told, demand[1000:]).values).all()


def test_a_decision_alone_is_told_as_among_others() -> None:
    recent, calendar, demand = moving(slots=300)
    predictor = LinePredictor.fit(recent, calendar, demand)
    alone = predictor.predict(recent[7:8], calendar[7:8])
    np.testing.assert_allclose(alone.location, predictor.predict(recent, calendar).location[7:8])


def test_it_survives_json() -> None:
    recent, calendar, demand = moving(slots=300)
    predictor = LinePredictor.fit(recent, calendar, demand)
    again = LinePredictor.from_json(json.loads(json.dumps(predictor.to_json())))
    one, other = (each.predict(recent, calendar) for each in (predictor, again))
    assert (one.location == other.location).all()
    assert (one.spread == other.spread).all()


@pytest.mark.parametrize(
    "damage",
    [{"step": None}, {"mean": [1.0]}, {"deviation": [0.0] * 3}, {"location": None}, {"spread": {}}],
)
def test_what_is_no_predictor_is_refused(damage: dict) -> None:
    values = LinePredictor.fit(*moving(slots=300)).to_json() | damage
    with pytest.raises(ArtefactError):
        LinePredictor.from_json(values)


def test_arrays_that_do_not_fit_are_refused() -> None:
    recent, calendar, demand = moving(slots=300)
    with pytest.raises(ValueError, match="past demand"):
        LinePredictor.fit(recent[1:], calendar, demand)
    predictor = LinePredictor.fit(recent, calendar, demand)
    with pytest.raises(ValueError, match="2 VNFs"):
        predictor.predict(recent[..., :2], calendar)
    with pytest.raises(ValueError, match="as many slots"):
        predictor.predict(recent[:, 1:], calendar)
