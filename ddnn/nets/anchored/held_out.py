"""What trainings that left a day out say of it: what calibrates on days before the test asks."""

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.decision import Predicted
from ddnn.errors import ArtefactError, ModelError

HELD_OUT = "held_out.npz"

_EXITS = ("local", "remote")
_PARTS = ("location", "spread")
_NAMES = frozenset({"first", *(f"{exit}_{part}" for exit in _EXITS for part in _PARTS)})


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Predictions for K consecutive slots, each by exits that were not trained on its day.

    The exits that are used were trained on all of them: what they say of these slots is partly
    known by heart, and thresholds, scores and labels that ask them would not hold on other days.

    Raises:
        ValueError: The exits' predictions are of other slots or VNFs than each other, or of none.
    """

    first: int
    """Number of the first slot, counted from the demand's first."""
    local: Predicted
    """(K, M)."""
    remote: Predicted
    """(K, M)."""

    def __post_init__(self) -> None:
        shape = self.local.location.shape
        if len(shape) != 2 or not len(self.local.location) or self.first < 0:
            raise ValueError(f"predictions {shape} from slot {self.first} on: they must be (K, M)")
        if self.remote.location.shape != shape:
            raise ValueError(f"local predictions {shape}, remote {self.remote.location.shape}")

    @property
    def slots(self) -> range:
        """The K slots."""
        return range(self.first, self.first + len(self.local.location))

    def on(self, targets: range) -> tuple[Predicted, Predicted]:
        """Give the local and the remote prediction for some of the slots.

        Raises:
            ModelError: There is none for a target.
        """
        if targets.step != 1 or targets.start < self.first or targets.stop > self.slots.stop:
            raise ModelError(
                f"targets {targets.start} to {targets.stop - 1}, but trainings that left days out "
                f"predicted for the slots {self.first} to {self.slots.stop - 1} only"
            )
        rows = slice(targets.start - self.first, targets.stop - self.first)
        return _rows(self.local, rows), _rows(self.remote, rows)

    def instead_of(
        self, predicted: tuple[Predicted, Predicted], slots: NDArray[np.int64]
    ) -> tuple[Predicted, Predicted]:
        """Give the exits' own predictions for any slots, with these in place of those there are.

        Args:
            predicted: Of the exits themselves, for K slots, (K, M) each.
            slots: (K,) their numbers, counted as these are.
        """
        known = (slots >= self.first) & (slots < self.slots.stop)
        rows = np.where(known, slots - self.first, 0)
        local, remote = (
            Predicted(
                np.where(known[:, None], unseen.location[rows], own.location),
                np.where(known[:, None], unseen.spread[rows], own.spread),
            )
            for unseen, own in zip((self.local, self.remote), predicted, strict=True)
        )
        return local, remote

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that is kept, by name."""
        both = {"local": self.local, "remote": self.remote}
        parts = {f"{e}_{part}": getattr(both[e], part) for e in _EXITS for part in _PARTS}
        return {"first": np.array(self.first, dtype=np.int64), **parts}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Rebuild what :meth:`arrays` gave.

        Raises:
            ValueError: The arrays are not such.
        """
        if arrays.keys() != _NAMES:
            raise ValueError(f"arrays {sorted(arrays)}")
        first = arrays["first"]
        if first.shape != () or first.dtype != np.int64:
            raise ValueError("no number of a first slot")
        parts = {name: array for name, array in arrays.items() if name != "first"}
        if any(array.dtype != np.float64 for array in parts.values()):
            raise ValueError("predictions that are no float64")
        local, remote = (Predicted(*(parts[f"{e}_{part}"] for part in _PARTS)) for e in _EXITS)
        return cls(int(first), local, remote)


def save_held_out(held_out: HeldOut, folder: Path) -> None:
    """Write ``held_out.npz``; equal ones give equal bytes, and nothing is pickled."""
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **held_out.arrays())
    (folder / HELD_OUT).write_bytes(content.getvalue())


def load_held_out(folder: Path) -> HeldOut:
    """Read what :func:`save_held_out` wrote; nothing that is read is run.

    Raises:
        ArtefactError: The file is missing, damaged, or of other content.
    """
    place = folder / HELD_OUT
    try:
        with np.load(io.BytesIO(place.read_bytes()), allow_pickle=False) as file:
            return HeldOut.from_arrays({name: file[name] for name in file.files})
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ArtefactError(
            f"{place}: no predictions for days left out ({error}); train again"
        ) from error


def _rows(predicted: Predicted, rows: slice) -> Predicted:
    return Predicted(predicted.location[rows], predicted.spread[rows])
