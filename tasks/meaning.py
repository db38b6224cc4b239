"""What code does, hashed without what it says: comments, docstrings and layout may change."""

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path


def code_meaning(files: Iterable[Path], root: Path) -> str:
    """Hash Python files, names and syntax trees, without docstrings; other files by their bytes.

    Args:
        files: Relative to the checkout.
        root: The checkout.
    """
    digest = hashlib.sha256()
    for path in sorted(files):
        content = (root / path).read_bytes()
        if path.suffix == ".py":
            content = _without_words(ast.parse(content)).encode()
        digest.update(path.as_posix().encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()


def _without_words(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            # Also the strings under attributes, which explain them.
            node.body = [each for each in body if not _is_word(each)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_word(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
