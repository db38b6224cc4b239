"""Tables that a benchmark writes into a page of docs/, between two comments that bear its name."""

from pathlib import Path


def shown(page: Path, name: str) -> str:
    """Give what stands between the comments ``<!-- name: begin -->`` and ``<!-- name: end -->``.

    Raises:
        ValueError: The page lacks one of them.
    """
    _, table, _ = _parts(page, name)
    return table.strip()


def show(page: Path, name: str, table: str) -> None:
    """Put a table there instead.

    Raises:
        ValueError: The page lacks one of the comments.
    """
    before, _, behind = _parts(page, name)
    page.write_text(f"{before}{table}\n{behind}" if table else before + behind, encoding="utf-8")


def _parts(page: Path, name: str) -> tuple[str, str, str]:
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    table, also, behind = rest.partition(end)
    if not (found and also):
        raise ValueError(f"{page}: lacks {begin.strip()} and {end}")
    return before + begin, table, end + behind
