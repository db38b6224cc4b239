"""Which code a stage runs: its module and what that imports, and no more.

Editing a figure must not train again; editing the training must. So the fingerprint follows the
import statements from the stage's module through tasks/ and ddnn/. A package's ``__init__`` only
re-exports: a name taken from it is followed to the module that defines it.
"""

import ast
import hashlib
import re
import threading
from functools import cache
from importlib import metadata
from pathlib import Path

_ROOMS = ("ddnn", "tasks")
_PARSING = threading.Lock()
# Declarations and plumbing: the values they carry are in the key by themselves.
_LEFT_OUT = {
    "ddnn.params",
    "ddnn.errors",
    "ddnn.arithmetic",
    "ddnn.serve_settings",
    "tasks.stage",
    "ddnn",
    "tasks",
}
# Libraries whose release may change the bytes of an output.
_LIBRARIES = (
    "jinja2",
    "lightgbm",
    "matplotlib",
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "pandas",
    "pyarrow",
    "safetensors",
    "scikit-learn",
    "scipy",
    "torch",
)


def code_files(module: str, root: Path) -> list[Path]:
    """List the project's files that a module runs, itself included, relative to the checkout.

    Args:
        module: A stage's module, such as ``tasks.train``.
        root: The checkout.
    """
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or _left_out(name):
            continue
        seen.add(name)
        waiting += sorted(_imports(_path(name, root), root) - seen)
    files = {_path(name, root) for name in seen}
    templates = {beside for path in files for beside in path.parent.glob(f"{path.stem}.*.j2")}
    files |= templates.union(*(_included(path) for path in templates))
    return sorted(path.relative_to(root) for path in files)


def _left_out(module: str) -> bool:
    return module in _LEFT_OUT or module.startswith("ddnn.params.")


def code_digest(module: str, root: Path) -> str:
    """Hash the files of :func:`code_files`, names and bytes."""
    digest = hashlib.sha256()
    for path in code_files(module, root):
        digest.update(path.as_posix().encode() + b"\0")
        digest.update(hashlib.sha256((root / path).read_bytes()).digest())
    return digest.hexdigest()


def _included(template: Path) -> set[Path]:
    """List the files that a template includes; a module's template bears its stem."""
    names = re.findall(
        r"{%-?\s*include\s+[\"']([^\"']+)[\"']", template.read_text(encoding="utf-8")
    )
    return {template.with_name(name) for name in names}


@cache
def installed_releases() -> dict[str, str]:
    """Give the installed release of each library that decides bytes."""
    return {name: metadata.version(name) for name in _LIBRARIES}


@cache
def _imports(path: Path, root: Path) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if _is_ours(alias.name)}
        elif isinstance(node, ast.ImportFrom) and node.module and _is_ours(node.module):
            for alias in node.names:
                found |= _resolve(node.module, alias.name, root)
    return frozenset(found)


def _parse(path: Path) -> ast.Module:
    # Stages run in threads; Python 3.11 sometimes refuses to parse in two of them at once.
    with _PARSING:
        return ast.parse(path.read_text(encoding="utf-8"))


def _resolve(module: str, name: str, root: Path) -> set[str]:
    """Find the module that gives ``name`` when it is imported from ``module``."""
    if _exists(f"{module}.{name}", root):
        return {f"{module}.{name}"}
    path = _path(module, root)
    if path.name != "__init__.py":
        return {module}
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.ImportFrom) and node.module and _is_ours(node.module):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _resolve(node.module, alias.name, root)
    return {module}  # the package defines it itself


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in _ROOMS


def _exists(module: str, root: Path) -> bool:
    base = root.joinpath(*module.split("."))
    return base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()


def _path(module: str, root: Path) -> Path:
    base = root.joinpath(*module.split("."))
    package = base / "__init__.py"
    return package if package.is_file() else base.with_suffix(".py")
