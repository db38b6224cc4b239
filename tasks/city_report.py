"""What a city's run leaves: maps, tables and a report on all its sites, kept in the store.

report.html, figures/*.png, squares.csv (a row for each square), sites.csv, city.json. Made of the
sites' stage ``squares``; what the maps and tables are is said in city_report.html.j2.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ddnn.demand import milano_grid
from ddnn.evaluation.summary import setting_line
from ddnn.evaluation.wording import cost_text, percent
from ddnn.figures.maps import CityMap, square_map
from ddnn.params import Params
from tasks import fingerprint
from tasks.artefact import Reference
from tasks.home import PROJECT_ROOT
from tasks.html import fill, inline
from tasks.run_record import read_json
from tasks.runner import Workshop, key_of

STAGE = "city_report"
_BASELINE = "last_value_headroom"
_NAMES = {
    "system": "deployed system",
    "local": "local exit alone",
    "remote": "remote exit alone",
    "last_value_headroom": "last value + constant",
}


@dataclass(frozen=True)
class CityReport:
    """A city's report in the store."""

    reference: Reference
    facts: dict[str, Any]
    """city.json: ``name, squares, sites, served_squares, failed`` (site: reason), ``systems``."""


def city_report(
    params: Params,
    cut: Reference,
    squares: Mapping[str, Reference],
    failed: Mapping[str, str],
    workshop: Workshop,
) -> CityReport:
    """Draw the maps and write the report, or find both in the store.

    Args:
        params: Of the city's run.
        cut: Outputs of the stage ``sites``.
        squares: By site, outputs of its stage ``squares``.
        failed: The other sites, each with its reason.
        workshop: The store.

    Raises:
        ArtefactError: An output is missing or damaged.
    """
    made_of = {
        "stage": STAGE,
        "setting": params.setting.model_dump(mode="json"),
        "sites": params.city.sites.model_dump(mode="json"),
        "rule": [params.evaluate.rule, params.evaluate.l0],
        "inputs": {"cut": cut.digest} | {name: of.digest for name, of in squares.items()},
        "failed": dict(failed),
        "code": fingerprint.code_digest(f"tasks.{STAGE}", PROJECT_ROOT),
        "libraries": fingerprint.installed_releases(),
    }
    key = key_of(made_of)
    with workshop.store.lock(key):
        found = workshop.store.find(STAGE, key)
        if found is None:
            with workshop.store.writing(STAGE, key, made_of) as draft:
                _write(draft, params, cut.folder, squares, failed)
            finished = workshop.store.find(STAGE, key)
            assert finished is not None
            found = Reference(STAGE, key, finished.digest, finished.folder, hit=False)
    return CityReport(found, read_json(found.folder / "city.json"))


def markdown(facts: Mapping[str, Any]) -> str:
    """Give the systems' costs over the whole city as a Markdown table."""
    lines = ["| | cost | violations | overprovision |", "|---|---|---|---|"]
    for name, row in facts["systems"].items():
        lines.append(
            f"| {_NAMES[name]} | {cost_text(row['C'])} | {percent(row['violation_rate'], 1)} | "
            f"{row['mean_overprovision']:.4f} |"
        )
    return "\n".join(lines)


def terminal_table(facts: Mapping[str, Any]) -> str:
    """Lay them out for a terminal, with what was served."""
    served = facts["sites"] - len(facts["failed"])
    lines = [
        f"{facts['name']}: {served} of {facts['sites']} sites, "
        f"{facts['served_squares']:,} of {facts['squares']:,} squares",
        "",
        f"{'':<24}{'cost':>12}{'violations':>12}{'overprov.':>12}",
    ]
    for name, row in facts["systems"].items():
        rate, over = percent(row["violation_rate"], 1), f"{row['mean_overprovision']:.4f}"
        lines.append(f"{_NAMES[name]:<24}{cost_text(row['C']):>12}{rate:>12}{over:>12}")
    if served:
        lines.append(f"{percent(facts['local_share'], 1)} of the decisions taken at the edge")
    return "\n".join(lines)


def _write(
    out: Path,
    params: Params,
    cut: Path,
    squares: Mapping[str, Reference],
    failed: Mapping[str, str],
) -> None:
    city = read_json(cut / "sites.json")
    sites = {name: read_json(of.folder / "site.json") for name, of in squares.items()}
    by_square = _squares_table(city, squares, sites)
    facts = _facts(city, sites, failed)
    pictures = _pictures(params, city, by_square)
    (out / "figures").mkdir()
    for name, png in pictures.items():
        (out / "figures" / f"{name}.png").write_bytes(png)
    rows = _site_rows(city, sites)
    by_square.to_csv(out / "squares.csv", index=False, lineterminator="\n")
    pd.DataFrame(rows).to_csv(out / "sites.csv", index=False, lineterminator="\n")
    text = json.dumps(facts, indent=1, allow_nan=False, ensure_ascii=False)
    (out / "city.json").write_text(text + "\n", encoding="utf-8")
    (out / "report.html").write_text(
        _html(params, city, facts, rows, by_square, pictures), encoding="utf-8"
    )


def _squares_table(
    city: dict[str, Any], squares: Mapping[str, Reference], sites: Mapping[str, dict[str, Any]]
) -> pd.DataFrame:
    """Give a row for each square of the city; those of a failed site are empty."""
    parts = []
    for site in city["sites"]:
        names = pd.DataFrame({"square": site["series"], "site": site["name"]})
        if site["name"] in squares:
            served = pd.read_parquet(squares[site["name"]].folder / "squares.parquet")
            names = names.merge(served, on="square", how="left", validate="one_to_one")
            names["local_share"] = sites[site["name"]]["local_share"]
        parts.append(names)
    return pd.concat(parts, ignore_index=True)


def _facts(
    city: dict[str, Any], sites: Mapping[str, dict[str, Any]], failed: Mapping[str, str]
) -> dict[str, Any]:
    """Add the sites up: costs are sums over squares, rates are means over them."""
    weight = {name: site["squares"] for name, site in sites.items()}
    served = sum(weight.values())
    systems: dict[str, dict[str, float]] = {}
    for system in _NAMES if sites else ():
        means = {name: site["systems"][system] for name, site in sites.items()}
        systems[system] = {
            key: sum(mean[key] for mean in means.values()) for key in ("C", "cost_in_units")
        } | {
            key: sum(weight[name] * mean[key] for name, mean in means.items()) / served
            for key in ("violation_rate", "mean_overprovision")
        }
    return {
        "name": city["name"],
        "squares": sum(len(site["series"]) for site in city["sites"]),
        "served_squares": served,
        "sites": len(city["sites"]),
        "failed": dict(failed),
        "local_share": (
            sum(weight[name] * site["local_share"] for name, site in sites.items()) / served
            if served
            else None
        ),
        "cheaper_than_last_value": sum(
            site["systems"]["system"]["C"] < site["systems"][_BASELINE]["C"]
            for site in sites.values()
        ),
        "systems": systems,
    }


def _site_rows(city: dict[str, Any], sites: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for name in (site["name"] for site in city["sites"]):
        if name not in sites:
            continue
        site = sites[name]
        deployed = site["systems"]["system"]
        rows.append(
            {
                "site": name,
                "squares": site["squares"],
                "local_share": site["local_share"],
                **{f"cost_{system}": site["systems"][system]["C"] for system in _NAMES},
                "cost_a_square": deployed["C"] / site["squares"],
                "violation_rate": deployed["violation_rate"],
                "mean_overprovision": deployed["mean_overprovision"],
            }
        )
    return rows


def _pictures(params: Params, city: dict[str, Any], table: pd.DataFrame) -> dict[str, bytes]:
    """Draw a map for each measure; none where the squares' names do not say where they lie."""
    if city["places"] is None or "cost" not in table:
        return {}
    where = _where(city, table)
    foot = f"{city['name']}; {setting_line(params.setting.model_dump(mode='json'))}"
    maps: dict[str, tuple[str, str, float, tuple[float | None, float | None]]] = {
        "cost": ("mean cost of a slot [full scales of the square]", "YlOrBr", 1, (None, None)),
        "local_share": ("decisions taken at the edge [%]", "YlGnBu", 100, (0.0, 100.0)),
        "violation_rate": ("slots with less than the demand [%]", "OrRd", 100, (0.0, None)),
    }
    return {
        f"map_{column}": square_map(
            where, table[column].to_numpy(dtype=np.float64) * factor, scale, foot, shades, ends
        )
        for column, (scale, shades, factor, ends) in maps.items()
    }


def _where(city: dict[str, Any], table: pd.DataFrame) -> CityMap:
    squares = table["square"].astype("int64").to_numpy()
    names = [site["name"] for site in city["sites"]]
    number = {name: place for place, name in enumerate(names)}
    sites = table["site"].map(number).to_numpy(dtype=np.int64)
    if city["places"] == "milano":
        return CityMap(milano_grid.corners(squares), sites, names, "degrees")
    sides = 0.5 * np.array([[-1, 1], [1, 1], [1, -1], [-1, -1]])
    corners = milano_grid.places(squares)[:, None, :] + sides
    return CityMap(corners, sites, names, "squares")


def _html(
    params: Params,
    city: dict[str, Any],
    facts: dict[str, Any],
    rows: list[dict[str, Any]],
    by_square: pd.DataFrame,
    pictures: Mapping[str, bytes],
) -> str:
    known = by_square.dropna(subset=["cost"]) if "cost" in by_square else by_square[:0]
    return fill(
        "city_report.html.j2",
        city=city,
        facts=facts,
        names=_NAMES,
        rows=rows,
        dearest=known.nlargest(10, "cost").to_dict("records") if len(known) else [],
        params=params,
        setting=setting_line(params.setting.model_dump(mode="json")),
        sizes=sorted({len(site["series"]) for site in city["sites"]}),
        images={name: inline(png) for name, png in pictures.items()},
    )
