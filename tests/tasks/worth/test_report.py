"""The report judges what is kept, names what is not, and leaves other demands' rows alone."""

import json
from base64 import b64encode
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from ddnn.errors import ParamsError
from ddnn.evaluation.worth.bar import Bar
from ddnn.evaluation.worth.measured import Coverage
from ddnn.evaluation.worth.result import Result, cost_name
from ddnn.evaluation.worth.systems import against_reference
from flows.worth import chosen, closing_words
from tasks.worth import kept as module
from tasks.worth import run as running
from tasks.worth.kept import Kept
from tasks.worth.pieces import pieces_of
from tasks.worth.report import judge, publish
from tasks.worth.tables import bars_table, missing_text, show

LEVELS = {"boosting_best": 1.0, "boosting_plain": 1.05}


@pytest.fixture
def pieces(tiny_params):
    return pieces_of(tiny_params, "city49")


@pytest.fixture
def kept(tmp_path, pieces, tiny_params):
    place = Kept.of("tiny", tmp_path)
    for piece in pieces:
        if piece.kind == "alternatives":
            arrays = {
                cost_name(name, c_u): np.full(48, level * c_u)
                for name, level in LEVELS.items()
                for c_u in tiny_params.worth.c_u
            }
            facts = {"slots_per_day": 24.0, "training_slots": 400}
            place.keep(piece, "a demand", Result(arrays, facts), {})
    return place


def test_what_is_there_is_judged_and_the_rest_is_named(tiny_params, pieces, kept):
    judged = judge(tiny_params, "tiny", pieces, kept)
    assert {piece.kind for piece in judged.missing} == set(tiny_params.worth.pieces) - {
        "alternatives"
    }
    assert all(bar.met is None and bar.value is None for bar in judged.bars)
    assert "not measured" in bars_table(judged.bars).markdown()
    assert "3 of `anchored`" in missing_text(judged.missing, judged.stale)
    assert "3 anchored" in closing_words(judged)


def test_stale_files_are_missing_and_said_to_be_stale(tiny_params, pieces, kept, monkeypatch):
    monkeypatch.setattr(module, "_code", lambda stages: "other code")
    assert judge(tiny_params, "tiny", pieces, kept) is None
    assert kept.stale(pieces) == [p.name for p in pieces if p.kind == "alternatives"]
    assert "were made with other settings" in missing_text(pieces, kept.stale(pieces))


def test_other_demands_rows_stay(tiny_params, pieces, kept, tmp_path):
    (tmp_path / "worth.json").write_text(json.dumps([{"bar": "any", "demand": "other"}]))
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- tiny systems: begin -->\nold\n<!-- tiny systems: end -->\nb\n")
    publish(judge(tiny_params, "tiny", pieces, kept), tmp_path, page, tmp_path / "reports")
    rows = json.loads((tmp_path / "worth.json").read_text())
    assert rows[0] == {"bar": "any", "demand": "other"}
    assert {row["demand"] for row in rows[1:]} == {"tiny"}
    keys = {"bar", "demand", "c_u", "value", "low", "high", "target", "met"}
    assert all(keys <= row.keys() for row in rows[1:])
    text = page.read_text()
    assert "| boosting_plain | 0.525 | 1.050 | 10.500 | 21.000 |" in text
    assert "old" not in text
    assert text.startswith("a\n")
    assert text.endswith("b\n")


def test_the_report_has_the_tables_and_the_picture_of_what_is_there(
    tiny_params, pieces, kept, tmp_path
):
    judged = judge(tiny_params, "tiny", pieces, kept)
    missed = Bar("a <bar>", "tiny", 1.0, 1.2, 1.1, 1.3, 1.0, "at most", Coverage(3, 3))
    judged = replace(judged, bars=[missed, *judged.bars])
    publish(judged, tmp_path, tmp_path / "page.md", tmp_path / "reports")
    html = (tmp_path / "reports" / "tiny" / "report.html").read_text()
    assert "<b>1</b><span>bars missed</span>" in html
    assert '<td class="text no">no</td>' in html
    assert "a &lt;bar&gt;" in html
    for cell in ("boosting_plain", "21.000", "not measured", "Not there yet: 3 of anchored"):
        assert cell in html
    picture = (tmp_path / "img" / "worth-tiny.png").read_bytes()
    assert b64encode(picture).decode() in html
    assert "http" not in html


def test_the_picture_holds_each_system_against_the_reference(tiny_params, pieces, kept):
    compared = against_reference(judge(tiny_params, "tiny", pieces, kept).measured)
    ratios = {each.system.name: [r.value for r in each.ratios.values()] for each in compared}
    prices = len(tiny_params.worth.c_u)
    assert ratios == {
        "boosting_best": pytest.approx([1.0] * prices),
        "boosting_plain": pytest.approx([1.05] * prices),
    }


def test_a_page_without_the_place_is_left_alone(tmp_path):
    (tmp_path / "page.md").write_text("nothing here\n")
    show(tmp_path / "page.md", "tiny bars", "a table")
    assert (tmp_path / "page.md").read_text() == "nothing here\n"


def test_pieces_are_chosen_by_kind_or_name(pieces):
    assert chosen(pieces, []) == pieces
    assert [p.name for p in chosen(pieces, ["times", "anchored-w2-s0"])] == [
        "anchored-w2-s0",
        "times-w0-s0",
    ]
    with pytest.raises(ParamsError, match="piece figs: neither a kind"):
        chosen(pieces, ["figs"])


def test_a_kept_piece_runs_nothing(pieces, kept, monkeypatch):
    ran = []
    monkeypatch.setattr(running.Workshop, "open", lambda: None)
    monkeypatch.setattr(
        running,
        "run_stage",
        lambda name, *args: ran.append(name) or SimpleNamespace(folder="somewhere"),
    )
    monkeypatch.setattr(running, "_digest", lambda folder: "a demand")
    piece = next(piece for piece in pieces if piece.kind == "alternatives")
    assert running.run_piece(piece, kept) is True
    assert ran == ["download"]
