"""What a stage is given: its settings, the outputs of the stages before it, a place to write."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ddnn.arithmetic import Arithmetic
from ddnn.params import Params


@dataclass(frozen=True)
class Stage:
    """One execution of a stage, as its ``run(stage)`` sees it."""

    params: Params
    """All settings; a stage may read only those that tasks/registry.py names for it."""
    inputs: Mapping[str, Path]
    """Verified output folder of each stage that this one stands on, by the stage's name."""
    out: Path
    """Empty folder for this stage's outputs; it is published whole or not at all."""
    scratch: Path
    """Folder that survives a kill, one for each key: checkpoints go here."""
    arithmetic: Arithmetic
