"""What one piece of the evaluation leaves: a number for each slot and system, and a few facts."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ddnn.errors import ArtefactError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_FACTS = "facts"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal results give equal bytes


@dataclass(frozen=True, eq=False)
class Result:
    """Arrays over the K test slots of a window, kept in single precision."""

    arrays: Mapping[str, NDArray[Any]]
    """By name: costs (K,), in full scales, summed over the VNFs; decisions (K,), true for local."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Plain values for JSON."""

    def cost(self, system: str, c_u: float) -> Floats:
        """Cost (K,) of a system at a price.

        Raises:
            ArtefactError: The piece has none.
        """
        return np.asarray(self._array(cost_name(system, c_u)), dtype=np.float64)

    def local(self, rule: str, l0: float) -> Bools:
        """Decisions (K,) of a rule for an L0, true for local.

        Raises:
            ArtefactError: The piece has none.
        """
        return np.asarray(self._array(decision_name(rule, l0)), dtype=np.bool_)

    def has(self, name: str) -> bool:
        """Tell whether there is such an array."""
        return name in self.arrays

    def _array(self, name: str) -> NDArray[Any]:
        if name not in self.arrays:
            raise ArtefactError(f"a piece's result lacks {name}; delete its file and run it again")
        return self.arrays[name]

    def to_bytes(self) -> bytes:
        """Give the bytes of an .npz file: floats as float32, nothing pickled."""
        place = io.BytesIO()
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in sorted(self.arrays.items()):
                _write(archive, name, _small(array))
            text = json.dumps(self.facts, sort_keys=True, allow_nan=False).encode()
            _write(archive, _FACTS, np.frombuffer(text, dtype=np.uint8))
        return place.getvalue()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what :meth:`to_bytes` gave; nothing that is read is run.

        Raises:
            ArtefactError: The file is missing or damaged.
        """
        try:
            content = io.BytesIO(path.read_bytes())
            with np.load(content, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            facts = json.loads(arrays.pop(_FACTS).tobytes())
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ArtefactError(
                f"{path}: not a piece's result ({error}); delete it and run `make worth` again"
            ) from error
        return cls(arrays, facts)


def cost_name(system: str, c_u: float) -> str:
    """Name a system's costs at a price: ``local@c_u=0.5``."""
    return f"{system}@c_u={c_u:g}"


def decision_name(rule: str, l0: float) -> str:
    """Name a rule's decisions: ``expected_benefit_frozen@l0=0.5``."""
    return f"{rule}@l0={l0:g}"


def _small(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _write(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    content = io.BytesIO()
    np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
    entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content.getvalue())
