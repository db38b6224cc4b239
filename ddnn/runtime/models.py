"""Loads a model of any family, with torch: for allocating, judging and comparing."""

from collections.abc import Callable
from pathlib import Path

from ddnn.runtime.anchored_bundle import AnchoredBundle, as_unseen, load_anchored_bundle
from ddnn.runtime.bundle import Model, load_bundle, read_bundle

_LOADERS: dict[str, Callable[[Path], Model]] = {
    "paper": load_bundle,
    "anchored": load_anchored_bundle,
}


def load_model(folder: Path) -> Model:
    """Verify every byte of a model's folder, then load it; no stored code runs.

    Raises:
        ArtefactError: The folder is no exported model, or of an unknown format or family, or a
            file is missing, added or altered.
    """
    facts, _ = read_bundle(folder)
    return _LOADERS[facts.family](folder)


def load_unseen(folder: Path) -> Model:
    """Load a model to judge it on days before the test, as on days that it has not seen.

    One that was trained on these days, as those that predict a distribution are, answers as its
    trainings did that left them out.

    Raises:
        ArtefactError: As :func:`load_model`; or what these trainings said is damaged.
    """
    model = load_model(folder)
    return as_unseen(model, folder) if isinstance(model, AnchoredBundle) else model
