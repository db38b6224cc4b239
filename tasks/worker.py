"""The process that runs one stage: its order comes on standard input, its failure goes to output.

It dies with the process that started it, even when that one is killed.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when its parent ends (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel knew
        sys.exit(1)


def main() -> None:
    """Run the stage that standard input orders, for the parent that the first argument names."""
    work_for(int(sys.argv[1]))


def work_for(parent: int) -> NoReturn:
    """Run the stage that standard input orders, and end this process.

    It ends at once: the libraries' tidying takes half a second, and nothing here needs it.
    """
    code = 1
    try:
        die_with_parent(parent)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is no error of the stage's
        code = _work()
    except Exception:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _work() -> int:
    order = json.load(sys.stdin)
    # What the libraries print is for the eyes: standard output carries only the failure's words.
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.environ["DDNN_PROGRESS_POSITION"] = str(order["line"])

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
        return 1
    return 0


if __name__ == "__main__":
    main()
