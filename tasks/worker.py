"""The process that runs one stage: its order comes on standard input, its failure goes to output.

It dies with the process that started it, even when that one is killed.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when its parent ends (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel knew
        sys.exit(1)


def main() -> None:
    """Run the stage that standard input orders."""
    die_with_parent(int(sys.argv[1]))
    order = json.load(sys.stdin)
    # What the libraries print is for the eyes: standard output carries only the failure's words.
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    from ddnn.arithmetic import Arithmetic
    from ddnn.errors import DdnnError
    from ddnn.params import parse_params
    from tasks.stage import Stage

    arithmetic = Arithmetic.from_dict(order["arithmetic"])
    stage = Stage(
        params=parse_params(order["params"]),
        inputs={name: Path(folder) for name, folder in order["inputs"].items()},
        out=Path(order["out"]),
        scratch=Path(order["scratch"]),
        arithmetic=arithmetic,
    )
    try:
        importlib.import_module(order["module"]).run(stage)
    except DdnnError as error:
        print(error, file=said, flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
