"""Which trained model a command means: the champion, a run of MLflow, or a folder."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ddnn.demand.matrix_file import read_matrix
from ddnn.errors import ModelError
from ddnn.params import Params
from tasks import tracking
from tasks.champion import demand_name, series_digest

log = logging.getLogger("ddnn")


@contextlib.contextmanager
def bundle_folder(model: str, demand: Path, params: Params) -> Iterator[Path]:
    """Give the folder of the bundle that ``model`` names.

    Args:
        model: ``champion``, a run id of MLflow, or a folder.
        demand: The file to allocate for: its champion is the one trained on its series.
        params: The current settings: of several champions, that of the current cost and N.

    Raises:
        ModelError: There is no such model.
        DemandError: The file cannot be read.
    """
    if Path(model).is_dir():
        yield Path(model)
        return
    reference = _champion(demand, params) if model == "champion" else tracking.model_of_run(model)
    if reference is None:
        raise ModelError(
            "there is no champion yet: train one with `ddnn run --demand FILE`"
            if model == "champion"
            else f"--model {model}: neither a folder nor an MLflow run with a model"
        )
    log.info("%s version %d (MLflow run %s)", reference.name, reference.version, reference.run_id)
    with tempfile.TemporaryDirectory(prefix="ddnn-") as folder:
        yield tracking.fetch_bundle(reference, Path(folder))


def champion_of(params: Params) -> tracking.ChampionRef | None:
    """Give the champion of the current demand and setting; None: there is none."""
    return tracking.champion(params)


@contextlib.contextmanager
def served_folder(model: str, demand: Path | None, params: Params) -> Iterator[Path]:
    """Give the folder of the bundle that ``model`` names, where no demand need be at hand.

    The champion is that of the demand file's series, or, without one, of the current settings.

    Raises:
        ModelError: There is no such model.
    """
    if demand is not None or model != "champion":
        with bundle_folder(model, demand or Path(), params) as folder:
            yield folder
        return
    name = tracking.model_name(params)
    reference = champion_of(params)
    if reference is None:
        raise ModelError(f"there is no champion of {name} yet: train one with `ddnn run`")
    log.info("%s version %d (MLflow run %s)", reference.name, reference.version, reference.run_id)
    with tempfile.TemporaryDirectory(prefix="ddnn-") as place:
        yield tracking.fetch_bundle(reference, Path(place))


def _champion(demand: Path, params: Params) -> tracking.ChampionRef | None:
    series = series_digest(read_matrix(demand).series)
    setting = tracking.model_name(params).removeprefix(f"ddnn.{demand_name(params.download)}")
    # The series come first. One of other series is taken only to say what it does not know.
    ranked = sorted(
        tracking.champions(),
        key=lambda found: (found.series == series, found.name.endswith(setting)),
        reverse=True,
    )
    return next(iter(ranked), None)


def roll_back(params: Params) -> str:
    """Make the previous champion of this demand and setting champion again."""
    name = tracking.model_name(params)
    reference = tracking.rollback(name)
    return f"{name}: version {reference.version} is champion again"
