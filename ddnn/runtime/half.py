"""What the processes ask of a model, whatever its family, and how they load one."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ArtefactError, ModelError
from ddnn.runtime.anchored_served import AnchoredCloud, AnchoredEdge
from ddnn.runtime.manifest import MANIFEST, read_facts
from ddnn.runtime.served import CloudHalf, EdgeHalf, Facts, First, Served
from ddnn.serve_settings import EdgeSettings

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Half(Protocol):
    """A model's edge half: what decides, slot by slot. Not for concurrent use."""

    facts: Facts
    rule: str
    """Of offloading."""
    l0: float
    threshold: float
    """Calibrated."""
    scores: Doubles
    """(K,) of the rule on the calibration days."""

    @property
    def needed(self) -> int:
        """Newest slots, without a gap, that a decision needs."""

    @property
    def wanted(self) -> int:
        """Slots of history that it looks at."""

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Of what travels."""

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """Of what the remote exit answers."""

    def see(self, rows: Doubles, time: int) -> First:
        """Run what comes before the decision."""

    def keeps(self, score: float, threshold: float | None = None) -> bool:
        """Say whether a score stays local."""

    def travels(self, first: First, rows: Doubles, time: int) -> Floats:
        """Give what an offloaded decision sends, (1, *latent_shape)."""

    def here(self, first: First) -> Served:
        """Allocate at the local exit."""

    def there(self, first: First, reply: Floats) -> Served:
        """Allocate by the remote exit's answer (1, *answer_shape)."""

    def cold(self) -> Served:
        """Allocate without the model."""

    def warm(self) -> None:
        """Run all once."""


class CloudSide(Protocol):
    """A model's cloud half."""

    folder: Path
    facts: Facts
    latent_shape: tuple[int, ...]
    takes_demand: bool
    """Whether D alone may travel."""

    def latent(self, D: Floats) -> Floats:
        """Give what else would have travelled, of demand (batch, N, M)."""

    def remote(self, z: Floats) -> Floats:
        """Answer what travelled (batch, *latent_shape): (batch, *answer_shape)."""

    def warm(self) -> None:
        """Run all once."""


def load_edge(folder: Path, settings: EdgeSettings) -> Half:
    """Verify and load a model's edge half, as the settings ask.

    Raises:
        ArtefactError: The bundle is damaged, or of a family that this program does not know.
        ModelError: The model cannot do what the settings ask for.
        ParamsError: L0 is outside [0, 1].
    """
    return _FAMILIES[_family(folder)][0](folder, settings)


def load_cloud(folder: Path, threads: int) -> CloudSide:
    """Verify and load a model's cloud half.

    Raises:
        ArtefactError: The bundle is damaged, or of a family that this program does not know.
    """
    return _FAMILIES[_family(folder)][1](folder, threads)


def _paper_edge(folder: Path, settings: EdgeSettings) -> Half:
    if settings.cap is not None:
        raise ModelError(
            "serve.edge.cap: a cap needs exits that predict a distribution; train the preset "
            "anchored, or take out the cap"
        )
    how = (settings.precision, settings.threads)
    return EdgeHalf(folder, settings.rule, settings.l0, *how)


def _anchored_edge(folder: Path, settings: EdgeSettings) -> Half:
    if settings.payload not in ("latent", "latent_int8"):
        raise ModelError(
            f"serve.edge.payload {settings.payload}: the remote exit of a model of the family "
            "anchored needs a week, not a window; take latent or latent_int8"
        )
    return AnchoredEdge(folder, settings.rule, settings.l0, settings.threads, settings.cap)


_FAMILIES: dict[
    str, tuple[Callable[[Path, EdgeSettings], Half], Callable[[Path, int], CloudSide]]
] = {
    "paper": (_paper_edge, CloudHalf),
    "anchored": (_anchored_edge, AnchoredCloud),
}


def _family(folder: Path) -> str:
    family = str(read_facts(folder).get("family", "paper"))
    if family not in _FAMILIES:
        raise ArtefactError(
            f"{folder / MANIFEST}: a model of the family {family:.40}, which this program does not "
            "know; install the version that wrote it"
        )
    return family
