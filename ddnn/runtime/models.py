"""Loads a model of any family, with torch: for allocating, judging and comparing."""

from collections.abc import Callable
from pathlib import Path

from ddnn.runtime.anchored_bundle import load_anchored_bundle
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
