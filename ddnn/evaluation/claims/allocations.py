"""Claim 17: how safely the exits allocate at c_u = 1 and at c_u = 20 (Fig. 6)."""

from collections.abc import Callable
from functools import partial

import numpy as np

from ddnn.evaluation.bootstrap import Interval
from ddnn.evaluation.claims.claim import Claim
from ddnn.evaluation.claims.parts import Quantity, part
from ddnn.evaluation.claims.sample import Array, Bench, Sample
from ddnn.evaluation.claims.settings import FIG4B, FIG4D, notes

EXITS = ("local", "remote")


def claims(bench: Bench) -> list[Claim]:
    """Judge claim 17."""
    kinds: tuple[tuple[str, str, str, str, Callable[[str], Interval]], ...] = (
        ("total {} allocation off the demand", FIG4B, "%", "17 tracks", lambda e: _error(bench, e)),
        (
            "total {} allocation, relative to the demand",
            FIG4D,
            "",
            "17 over",
            lambda e: bench[FIG4D].interval(_level(bench[FIG4D], e)),
        ),
        (
            "the same, relative to c_u = 1",
            f"{FIG4D}, {FIG4B}",
            "",
            "17 safer",
            lambda e: bench[FIG4D].ratio(_level(bench[FIG4D], e), _level(bench[FIG4B], e)),
        ),
    )
    parts = [
        part(
            Quantity(what.format(name) if "{}" in what else f"{what}, {name}", setting, unit),
            expected,
            partial(of, name),
        )
        for what, setting, unit, expected, of in kinds
        for name in EXITS
    ]
    parts += [
        part(
            Quantity("total remote allocation, relative to the local one", FIG4D),
            "17 order",
            lambda: bench[FIG4D].ratio(*(_level(bench[FIG4D], name) for name in EXITS[::-1])),
        ),
        part(
            Quantity("mean overprovision, remote relative to local", FIG4D),
            "17 order",
            lambda: _overprovision(bench[FIG4D]),
        ),
    ]
    text = "At c_u = 1 both exits track the demand; at 20 both overprovision, the remote one less."
    settings = f"{FIG4B}, {FIG4D}"
    said = notes(bench, FIG4B, FIG4D)
    return [Claim(17, text, settings, bench.measured.demand, tuple(parts), said)]


def _error(bench: Bench, exit_name: str) -> Interval:
    """Mean distance of the totals from the demand, in percent of the demand."""
    sample = bench[FIG4B]
    off = np.abs(sample.column(f"total_{exit_name}") - sample.column("total_demand"))
    return sample.ratio(100 * sample.pool(sample.means(off)), sample.mean("total_demand"))


def _level(sample: Sample, exit_name: str) -> Array:
    """Total allocation over total demand, (R,)."""
    return sample.mean(f"total_{exit_name}") / sample.mean("total_demand")


def _overprovision(sample: Sample) -> Interval:
    remote, local = (
        sample.evaluations("systems", name, "mean_overprovision") for name in ("remote", "local")
    )
    return sample.ratio_over_seeds(remote, local)
