"""A whole city: its demand, its sites and the pipeline run of each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ddnn.errors import ParamsError
from ddnn.params import Overrides, Params, change_params
from tasks.registry import BY_NAME, STAGES
from tasks.run_record import read_json


@dataclass(frozen=True)
class SiteRun:
    """One site of a city, and the run of the pipeline that serves it."""

    name: str
    series: tuple[str, ...]
    """Names of its squares."""
    stages: tuple[str, ...]
    """In order."""
    params: Params


def city_params(params: Params, demand: str | None = None, file: Path | None = None) -> Params:
    """Give the settings of a city's run: those of its demand, and those that all sites share.

    Args:
        params: Of params.yaml.
        demand: One of ``city.demands``; None: ``city.demand``.
        file: A matrix file with the city's demand instead.

    Raises:
        ParamsError: There is no such demand, or a setting is unknown or out of range.
    """
    city, wanted = params.city, demand or params.city.demand
    if wanted not in city.demands:
        known = ", ".join(city.demands)
        raise ParamsError(f"demand {wanted}: not one of city.demands ({known})")
    overrides: Overrides = city.demands[wanted] | city.common
    if file is not None:
        own = {"download.source": "matrix", "download.matrix.path": str(file)}
        overrides = city.common | own | {"download.name": None}
    changed = change_params(params, overrides, f"city.demands.{wanted}, city.common:")
    site_stages(changed.city.stages)  # a mistake is told now, not after hours of fetching
    return changed


def site_runs(params: Params, cut: Path) -> list[SiteRun]:
    """List the runs of a city's sites.

    Args:
        params: What :func:`city_params` gave.
        cut: Outputs of the stage ``sites``.

    Raises:
        ArtefactError: They are missing or damaged.
        ParamsError: ``city.stages`` names an unknown one.
    """
    facts, stages = read_json(cut / "sites.json"), site_stages(params.city.stages)
    runs = []
    for site in facts["sites"]:
        own: Overrides = {
            "download.source": "matrix",
            "download.matrix.path": str(cut / "demand" / f"{site['name']}.parquet"),
            "download.name": f"{facts['name']}-{site['name']}",
            "download.select": None,
        }
        changed = change_params(params, own, f"{site['name']}:")
        runs.append(SiteRun(site["name"], tuple(site["series"]), stages, changed))
    return runs


def site_stages(last: Sequence[str]) -> tuple[str, ...]:
    """List stages with all that they stand on, in order.

    Raises:
        ParamsError: One is unknown, or not of a site.
    """
    known = [spec.name for spec in STAGES] + ["squares"]
    wanted: set[str] = set()
    waiting = list(last)
    while waiting:
        name = waiting.pop()
        if name not in known:
            raise ParamsError(f"city.stages: {name} is not one of {', '.join(known)}")
        wanted.add(name)
        waiting += BY_NAME[name].inputs
    return tuple(name for name in known if name in wanted)
