"""This machine's arithmetic: chosen once, written down, read by every stage."""

import json
from pathlib import Path

from ddnn.arithmetic import Arithmetic
from ddnn.errors import ArtefactError


def arithmetic(home: Path) -> Arithmetic:
    """Read how this machine computes; choose and write it on first use.

    Raises:
        ArtefactError: The file is not readable as an arithmetic.
    """
    path = home / "arithmetic.json"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(Arithmetic.detect().to_dict(), indent=2) + "\n")
        draft.replace(path)
    try:
        return Arithmetic.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ArtefactError(f"{path}: not readable as JSON; delete it to choose anew") from error
