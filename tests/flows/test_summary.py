"""What a run says of its demand."""

import json

import pytest

from flows.summary import demand_notes


@pytest.fixture
def note(tmp_path):
    def write(warnings=(), **gaps):
        counts = ("repaired_cells", "missing_slots", "empty_cells", "longest_found")
        quality = {"gaps": dict.fromkeys(counts, 0) | gaps, "warnings": list(warnings)}
        (tmp_path / "quality.json").write_text(json.dumps(quality))
        return demand_notes(tmp_path)

    return write


def test_whole_demand_needs_no_word(note):
    assert note() == []


def test_repairs_and_warnings_are_a_line_each(note):
    gaps = {"repaired_cells": 7, "missing_slots": 1, "empty_cells": 2, "longest_found": 2}
    assert note(["constant series: a", "squares are missing"], **gaps) == [
        "demand: 7 cells repaired (1 missing slots, 2 empty cells; longest gap 2 slots)",
        "demand: constant series: a",
        "demand: squares are missing",
    ]
