"""Which pieces there are, in which order, and which settings each of them has."""

import pytest

from ddnn.errors import ParamsError
from ddnn.params import change_params, load_params
from tasks.registry import spec_of
from tasks.worth.pieces import demand_name, pieces_of

from .conftest import ROOT

PARAMS = load_params(ROOT / "params.yaml")
PIECES = pieces_of(PARAMS, "city49")


def test_every_piece_has_a_name_of_its_own_and_cheap_kinds_come_first():
    assert len({piece.name for piece in PIECES}) == len(PIECES)
    kinds = list(dict.fromkeys(piece.kind for piece in PIECES))
    assert kinds == PARAMS.worth.pieces
    assert kinds.index("alternatives") < kinds.index("anchored") < kinds.index("exits")


def test_there_is_a_piece_for_each_window_seed_and_price():
    count = {kind: sum(p.kind == kind for p in PIECES) for kind in PARAMS.worth.pieces}
    windows, seeds = len(PARAMS.worth.windows), len(PARAMS.worth.seeds)
    assert windows >= 3
    assert count["alternatives"] == windows
    assert count["anchored"] == count["gates"] == windows * seeds == 15
    assert count["separate"] == count["exits"] == 4 * windows * seeds


def test_the_first_seed_comes_first_on_every_window():
    exits = [piece for piece in PIECES if piece.kind == "exits"]
    assert [piece.seed for piece in exits] == sorted(piece.seed for piece in exits)
    assert {piece.window for piece in exits[:12]} == set(PARAMS.worth.windows)


def test_the_papers_exits_train_as_chosen_for_each_price():
    by_price = {p.c_u: p.params for p in PIECES if p.kind == "exits"}
    assert {c: (p.setting.c_u, p.setting.w, p.setting.N) for c, p in by_price.items()} == {
        0.5: (0.5, 0.2, 6),
        1: (1, 0.2, 6),
        10: (10, 0.4, 6),
        20: (20, 0.4, 6),
    }
    assert by_price[0.5].train.learning_rate == 1e-4
    assert by_price[10].train.surrogate.width == 0.2


def test_windows_and_seeds_decide_a_piece_but_the_list_of_them_does_not():
    other = change_params(PARAMS, {"worth.seeds": [0, 7], "worth.windows": [0, 5, 10, 15]}, "test")
    before = {piece.name: piece.settings for piece in PIECES}
    after = {piece.name: piece.settings for piece in pieces_of(other, "city49")}
    shared = before.keys() & after.keys()
    assert "anchored-w5-s0" in shared
    assert all(before[name] == after[name] for name in shared)
    assert before["anchored-w5-s0"] != before["anchored-w0-s0"]


def test_windows_that_overlap_are_refused():
    close = change_params(PARAMS, {"worth.windows": [0, 4, 10]}, "test")
    with pytest.raises(ParamsError, match=r"test windows of 5 days .* overlap when they end 4"):
        pieces_of(close, "city49")


def test_a_stage_stands_on_those_before_it():
    for piece in PIECES:
        known = {"download"}
        for name in piece.stages:
            assert set(spec_of(name, piece.params).inputs) <= known
            known.add(name)


def test_a_demand_may_be_shortened():
    assert demand_name(PARAMS, None) == PARAMS.worth.demand
    assert demand_name(PARAMS, "city") == "city49"
    with pytest.raises(ParamsError, match="rome"):
        demand_name(PARAMS, "rome")
