"""This machine's arithmetic: chosen once, written down, read by every stage."""

import json
from pathlib import Path

from ddnn.arithmetic import Arithmetic
from ddnn.errors import ArtefactError
from tasks.home import file_lock


def arithmetic(home: Path) -> Arithmetic:
    """Read how this machine computes; choose and write it on first use.

    Raises:
        ArtefactError: The file is not readable as an arithmetic.
    """
    path = home / "arithmetic.json"
    with file_lock(home / "arithmetic.lock"):
        if not path.exists():
            draft = path.with_suffix(".draft")
            draft.write_text(json.dumps(Arithmetic.detect().to_dict(), indent=2) + "\n")
            draft.replace(path)
    try:
        return Arithmetic.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ArtefactError(f"{path}: not readable as JSON; delete it to choose anew") from error
