"""The command `ddnn`: finds the pipeline's checkout and hands over to its flows."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run the pipeline's command line.

    The wheel holds the library alone; flows/ and tasks/ belong to a checkout. The one that the
    user stands in wins over the installed one, so that a copy (a DVC experiment, say) runs its own
    code throughout: hence a new interpreter, which has imported nothing yet.
    """
    places = (Path.cwd(), Path(__file__).resolve().parent.parent)
    checkout = next((place for place in places if (place / "flows" / "command.py").is_file()), None)
    if checkout is None:
        sys.exit("ddnn: no pipeline here; run it in a checkout, set up by `make setup`")
    path = os.pathsep.join(filter(None, [str(checkout), os.environ.get("PYTHONPATH")]))
    os.environ["PYTHONPATH"] = path
    os.execv(sys.executable, [sys.executable, "-m", "flows", *sys.argv[1:]])
