"""Which trained model a command means: the champion, a run of MLflow, or a folder."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ddnn.errors import ModelError
from ddnn.params import Params
from tasks import tracking


@contextlib.contextmanager
def bundle_folder(model: str, params: Params) -> Iterator[Path]:
    """Give the folder of the bundle that ``model`` names.

    Args:
        model: ``champion`` (of the current demand and setting), a run id, or a folder.
        params: The current settings.

    Raises:
        ModelError: There is no such model.
    """
    if Path(model).is_dir():
        yield Path(model)
        return
    reference = tracking.champion(params) if model == "champion" else tracking.model_of_run(model)
    if reference is None:
        raise ModelError(f"--model {model}: there is none yet; train one with `ddnn run`")
    with tempfile.TemporaryDirectory(prefix="ddnn-") as folder:
        yield tracking.fetch_bundle(reference, Path(folder))


def roll_back(params: Params) -> str:
    """Make the previous champion of this demand and setting champion again."""
    name = tracking.model_name(params)
    reference = tracking.rollback(name)
    return f"{name}: version {reference.version} is champion again"
