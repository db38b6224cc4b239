"""Finished pieces' small results, kept in the repository: metrics/worth/<demand>/<piece>.npz.

Trainings take hours and the store of stages need not survive, so these files do. Each bears what it
was made of: settings, demand, and the meaning of the code. One that was made of something else is
stale and is not used. The machine's arithmetic and the libraries' releases are written down too,
but another machine's result is a result.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ddnn.demand import Demand
from ddnn.evaluation.worth.result import Result
from tasks import fingerprint
from tasks.home import PROJECT_ROOT
from tasks.meaning import code_meaning
from tasks.registry import spec_of
from tasks.worth.pieces import Piece

FOLDER = PROJECT_ROOT / "metrics" / "worth"
_MADE_OF = "made_of"


@dataclass(frozen=True)
class Kept:
    """The files of one demand."""

    folder: Path

    @classmethod
    def of(cls, demand: str, root: Path = FOLDER) -> "Kept":
        """Give those of a demand."""
        return cls(root / demand)

    def path(self, piece: Piece) -> Path:
        """Tell where a piece's file is, or would be."""
        return self.folder / f"{piece.name}.npz"

    def find(self, piece: Piece, demand: str | None) -> Result | None:
        """Give a piece's result, if it is there and was made of the same.

        Args:
            piece: The piece.
            demand: Digest of the demand; None: whichever it was made of.

        Raises:
            ArtefactError: The file is damaged.
        """
        path = self.path(piece)
        if not path.is_file():
            return None
        result = Result.read(path)
        known, wanted = dict(result.facts.get(_MADE_OF, {})), made_of(piece, demand)
        if demand is None:
            wanted["demand"] = known.get("demand")
        return result if known == wanted else None

    def keep(self, piece: Piece, demand: str, result: Result, machine: dict[str, Any]) -> Result:
        """Write a piece's result, whole or not at all."""
        facts = {**result.facts, _MADE_OF: made_of(piece, demand), "machine": machine}
        kept = Result(result.arrays, facts)
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f".{piece.name}-{os.getpid()}"
        draft.write_bytes(kept.to_bytes())
        draft.replace(self.path(piece))
        return kept

    def stale(self, pieces: Iterable[Piece]) -> list[str]:
        """Name the pieces whose file was made with other settings or code."""
        return [
            piece.name
            for piece in pieces
            if self.path(piece).is_file() and self.find(piece, None) is None
        ]


def made_of(piece: Piece, demand: str | None) -> dict[str, Any]:
    """Collect what decides a piece's result, as plain values."""
    text = repr(sorted(piece.settings.items()))
    return {
        "settings": hashlib.sha256(text.encode()).hexdigest(),
        "code": _code(tuple(spec_of(name, piece.params).module for name in _all(piece))),
        "demand": demand,
    }


def demand_digest(demand: Demand) -> str:
    """Hash a demand: values, series and times, wherever it came from."""
    facts = (demand.series, demand.start, demand.slot_seconds, demand.timezone, demand.values.shape)
    return hashlib.sha256(repr(facts).encode() + demand.values.tobytes()).hexdigest()


def _all(piece: Piece) -> tuple[str, ...]:
    return ("worth.window", *piece.stages)


@cache
def _code(modules: tuple[str, ...]) -> str:
    """Hash the meaning of the code of a piece's own stages: comments may change."""
    files = {path for module in modules for path in fingerprint.code_files(module, PROJECT_ROOT)}
    return code_meaning(files, PROJECT_ROOT)
