"""When the cloud pays: what the remote exit is worth over the local one, setting by setting."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.worth.cost_bars import difference, whole_local
from ddnn.evaluation.worth.measured import Coverage, Measured
from ddnn.evaluation.worth.pooled import Costs

Worth = Literal["pays", "nothing", "costs"]

_BYTES = 1024


@dataclass(frozen=True)
class CloudWorth:
    """One setting."""

    setting: str
    c_u: float
    saved: Interval
    """Cost that the cloud saves per decision, where it takes all: C_L - C_R, in full scales."""
    share: Interval
    """The same as a share of the local exit's cost."""
    per_offloaded: Interval | None
    """Cost saved per decision that the deployed gate offloads."""
    sent_bytes: int | None
    """Of one offloaded decision."""
    coverage: Coverage

    @property
    def worth(self) -> Worth:
        """``nothing`` where the interval of what is saved holds 0, or there is none."""
        low, high = self.saved.low, self.saved.high
        if low is None or high is None or low <= 0 <= high:
            return "nothing"
        return "pays" if low > 0 else "costs"

    @property
    def per_kilobyte(self) -> float | None:
        """Cost saved per 1024 bytes sent, by the deployed gate."""
        if self.per_offloaded is None or not self.sent_bytes:
            return None
        return self.per_offloaded.value * _BYTES / self.sent_bytes

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        return {
            "setting": self.setting,
            "c_u": self.c_u,
            "saved": self.saved.to_json(),
            "share": self.share.to_json(),
            "per_offloaded": None if self.per_offloaded is None else self.per_offloaded.to_json(),
            "sent_bytes": self.sent_bytes,
            "per_kilobyte": self.per_kilobyte,
            "worth": self.worth,
            "trainings": [self.coverage.there, self.coverage.asked],
        }


def cloud_worth(measured: Measured) -> list[CloudWorth]:
    """Judge every setting whose pieces are there: anchored, its sweep, and the paper's exits."""
    found = []
    for variation in (None, *measured.worth.sweep):
        kind = "anchored" if variation is None else "sweep"
        name = f"anchored exits, {_told(measured, variation)}"
        found += [_anchored(measured, kind, variation, name, c_u) for c_u in measured.worth.c_u]
    for c_u in measured.worth.c_u:
        exits = [measured.costs("exits", f"paper_{side}", c_u) for side in ("remote", "local")]
        found.append(_of(measured, "the paper's exits", c_u, exits[0], exits[1]))
    return [each for each in found if each is not None]


def _anchored(
    measured: Measured, kind: str, variation: str | None, name: str, c_u: float
) -> CloudWorth | None:
    local, remote = (measured.costs(kind, side, c_u, variation) for side in ("local", "remote"))
    pieces = measured.of(kind, variation)
    if not pieces:
        return None
    # Per slot: what is saved by those that are offloaded, and how many are.
    offloaded = measured.each(
        kind, c_u, lambda r: (~whole_local(measured, c_u, r)).astype(np.float64), variation
    )
    saved = {key: offloaded[key] * (local[key] - remote[key]) for key in offloaded}
    pool, per_offloaded = measured.pool(saved, offloaded), None
    if pool is not None and pool.mean(offloaded)[0] > 0:
        with np.errstate(divide="ignore", invalid="ignore"):
            per_offloaded = pool.interval(*pool.ratio(saved, offloaded))
    sent = int(pieces[0].result.facts["sent_bytes"])
    return _of(measured, name, c_u, remote, local, per_offloaded, sent)


def _of(
    measured: Measured,
    name: str,
    c_u: float,
    remote: Costs,
    local: Costs,
    per_offloaded: Interval | None = None,
    sent_bytes: int | None = None,
) -> CloudWorth | None:
    found = difference(measured, remote, local)
    if found is None:
        return None
    cover = measured.coverage(remote, local)
    return CloudWorth(name, c_u, *found, per_offloaded, sent_bytes, cover)


def _told(measured: Measured, variation: str | None) -> str:
    if variation is None:
        return "as they are"
    changes = measured.worth.sweep[variation].items()
    return ", ".join(f"{key.removeprefix('setting.')} = {value}" for key, value in changes)
