"""The page on training shows what the variations found."""

import json

import pytest

from benchmarks import variations
from benchmarks.page import show, shown


def test_the_page_shows_what_was_found() -> None:
    found = variations.ROOT / "metrics" / "variations_milano25.json"
    assert shown(variations.PAGE, "variations") == variations.table(json.loads(found.read_text()))


def test_the_table_has_the_joint_cost() -> None:
    row = {"setting": "fig4b", "variation": "ramp 0.2", "seed": 0, "dtype": "bfloat16"}
    rows = [row | {"local": 5.0, "remote": 4.0}, row | {"seed": 1, "local": 9.0, "remote": 9.0}]
    assert variations.table(rows).splitlines()[-1] == "| ramp 0.2 | 4.20 |"  # w = 0.2


def test_a_page_without_its_comments_is_refused(tmp_path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before <!-- a: begin -->\nold\n<!-- a: end --> after")
    show(page, "a", "new")
    assert page.read_text() == "before <!-- a: begin -->\nnew\n<!-- a: end --> after"
    with pytest.raises(ValueError, match="lacks <!-- b: begin -->"):
        show(page, "b", "new")
