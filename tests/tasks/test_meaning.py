"""Words may change, code may not."""

from pathlib import Path

import pytest

from tasks.meaning import code_meaning

CODE = '''"""A module."""
X = 1
"""What X is."""


def f(a):
    """Give a."""
    return a + X  # why
'''


def meaning(tmp_path, text):
    (tmp_path / "m.py").write_text(text)
    return code_meaning([Path("m.py")], tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("# why", "# another why", True),
        ('"""Give a."""', '"""Give what it was given."""', True),
        ('"""A module."""', "", True),
        ("What X is.", "What it is.", True),
        ("a + X", "(a  +  X)", True),
        ("a + X", "X + a", False),
        ("X = 1", "X = 2", False),
        ("def f", "def g", False),
    ],
)
def test_words_and_layout_may_change(tmp_path, old, new, same):
    changed = CODE.replace(old, new)
    assert changed != CODE
    assert (meaning(tmp_path, CODE) == meaning(tmp_path, changed)) is same


def test_other_files_count_byte_by_byte(tmp_path):
    for text in ("one", "two"):
        (tmp_path / f"{text}.j2").write_text(text)
    one, two = (code_meaning([Path(f"{name}.j2")], tmp_path) for name in ("one", "two"))
    assert one != two
