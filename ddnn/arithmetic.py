"""What decides a result's bits besides its inputs: threads, number format, memory layout."""

import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from ddnn.errors import ArtefactError


@dataclass(frozen=True)
class Arithmetic:
    """How this machine computes; part of every stage's key.

    The same training at one and at two threads, in fp32 and in bf16, or on another kind of CPU,
    gives other bytes. So the choice is made once for a machine and then only read.
    """

    threads: int
    """Threads of one training. Several trainings run side by side, each with so many."""
    dtype: Literal["float32", "bfloat16"]
    """Number format of the matrix products in training; weights and inference stay in float32."""
    memory_format: Literal["contiguous", "channels_last_3d"]
    cpu: str

    @classmethod
    def detect(cls) -> Self:
        """Choose by what the CPU offers: bf16 pays where it has AMX, and only there."""
        flags, model = _cpu()
        amx = "amx_bf16" in flags
        return cls(
            threads=1,
            dtype="bfloat16" if amx else "float32",
            memory_format="contiguous",
            cpu=f"{platform.machine()} {model}{' amx' if amx else ''}",
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Rebuild what :meth:`to_dict` gave.

        Raises:
            ArtefactError: The values are not those of an arithmetic.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise ArtefactError(f"the machine's arithmetic: {error}; delete the file") from error

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, for a file or a key."""
        return asdict(self)


def _cpu() -> tuple[frozenset[str], str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux: the processor's name is all there is
        return frozenset(), platform.processor()
    facts: dict[str, str] = {}
    for line in text.split("\n\n", 1)[0].splitlines():
        name, _, value = line.partition(":")
        facts[name.strip()] = value.strip()
    kind = " ".join(facts.get(key, "") for key in ("vendor_id", "cpu family", "model"))
    return frozenset(facts.get("flags", "").split()), kind
