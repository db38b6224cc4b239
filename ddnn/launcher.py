"""The command `ddnn`: finds the pipeline's checkout and hands over to its flows."""

import importlib
import importlib.util
import sys
from pathlib import Path


def main() -> None:
    """Run the pipeline's command line.

    The wheel holds the library alone; flows/ and tasks/ belong to a checkout. The one that the
    user stands in wins over the installed one, so that a copy (a DVC experiment, say) runs its own
    code.
    """
    here = Path.cwd()
    if (here / "flows" / "command.py").is_file():
        sys.path.insert(0, str(here))
    if importlib.util.find_spec("flows") is None:
        sys.exit("ddnn: no pipeline here; run it in a checkout of the project, set up by `make setup`")
    importlib.import_module("flows.command").main()
