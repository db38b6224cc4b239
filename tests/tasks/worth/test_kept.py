"""Kept results are used by the same settings, demand and code alone."""

import numpy as np
import pytest

from ddnn.evaluation.worth.result import Result
from ddnn.params import change_params
from tasks.worth import kept as module
from tasks.worth.kept import Kept, demand_digest
from tasks.worth.pieces import pieces_of


@pytest.fixture
def piece(tiny_params):
    return next(p for p in pieces_of(tiny_params, "city49") if p.name == "anchored-w2-s0")


@pytest.fixture
def kept(tmp_path, piece):
    place = Kept.of("tiny", tmp_path)
    place.keep(piece, "a demand", Result({"local@c_u=1": np.ones(48)}, {"vnfs": 5}), {"cpu": "any"})
    return place


def test_it_is_found_by_what_it_was_made_of(kept, piece):
    found = kept.find(piece, "a demand")
    assert found is not None
    assert found.facts["vnfs"] == 5
    assert found.facts["machine"] == {"cpu": "any"}
    assert kept.find(piece, None) is not None  # whatever the demand was
    assert kept.stale([piece]) == []


def test_another_demand_is_another_result(kept, piece):
    assert kept.find(piece, "another demand") is None


def test_another_setting_makes_it_stale(kept, tiny_params):
    changed = change_params(tiny_params, {"anchored.training.batch": 32}, "test")
    piece = next(p for p in pieces_of(changed, "city49") if p.name == "anchored-w2-s0")
    assert kept.find(piece, "a demand") is None
    assert kept.stale([piece]) == ["anchored-w2-s0"]


def test_other_code_makes_it_stale(kept, piece, monkeypatch):
    monkeypatch.setattr(module, "_code", lambda stages: "other code")
    assert kept.find(piece, "a demand") is None
    assert kept.stale([piece]) == ["anchored-w2-s0"]


def test_a_setting_that_its_stages_do_not_read_leaves_it(kept, tiny_params):
    changed = change_params(tiny_params, {"train.batch": 32, "worth.separate.patience": 9}, "test")
    piece = next(p for p in pieces_of(changed, "city49") if p.name == "anchored-w2-s0")
    assert kept.find(piece, "a demand") is not None


def test_the_demand_is_its_values(make_demand):
    assert demand_digest(make_demand()) == demand_digest(make_demand())
    assert demand_digest(make_demand()) != demand_digest(make_demand(seed=1))
    assert demand_digest(make_demand()) != demand_digest(make_demand(slots=24 * 13))
