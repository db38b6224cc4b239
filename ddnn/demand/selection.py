"""Which series of a source are taken: by name, by place in Milano's grid, or by lot."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ddnn.demand import milano_grid
from ddnn.demand.series import Floats
from ddnn.demand.text_file import check_file
from ddnn.errors import DemandError
from ddnn.params import SelectParams

_NAMED = 3


def choose(
    select: SelectParams | None, names: Sequence[str], lot: Sequence[str] | None = None
) -> list[str]:
    """Choose series.

    Args:
        select: How; None: all.
        names: All that the source has, in its order.
        lot: Those that may be drawn by lot; None: all.

    Returns:
        The chosen ones: as listed where they are listed, else in the source's order.

    Raises:
        DemandError: A chosen one is not there, or there are too few.
    """
    if select is None:
        return list(names)
    if select.random is not None:
        return draw(select.random, select.seed, names if lot is None else lot)
    return _known(listed(select), names)


def listed(select: SelectParams) -> list[str]:
    """Name the series of a selection that is not by lot, whether or not the source has them.

    Raises:
        DemandError: Its polygon cannot be read.
    """
    if select.squares is not None:
        return [str(square) for square in select.squares]
    if select.block is not None:
        squares = milano_grid.block(*select.block)
    else:
        assert select.polygon is not None
        squares = squares_in(select.polygon)
    return [str(square) for square in squares]


def suffix(select: SelectParams | None) -> str:
    """Name a selection, for the name of its demand; nothing for all."""
    if select is None:
        return ""
    if select.random is not None:
        return f"-random{select.random}s{select.seed}"
    if select.block is not None:
        return f"-block{select.block[0]}-{select.block[1]}"
    if select.polygon is not None:
        return f"-{select.polygon.stem}"
    assert select.squares is not None
    digest = hashlib.sha256(json.dumps([str(square) for square in select.squares]).encode())
    return f"-{len(select.squares)}series-{digest.hexdigest()[:6]}"


def squares_in(path: Path) -> list[int]:
    """List the squares of Milano whose centre lies in the polygons of a GeoJSON file, by id.

    Raises:
        DemandError: It cannot be read as GeoJSON in WGS 84, or no square lies in it.
    """
    check_file(path)
    try:
        polygons = _polygons(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DemandError(
            f"{path}: cannot be read as GeoJSON with polygons ({' '.join(str(error).split())}); "
            "give a Polygon or MultiPolygon, alone or in features"
        ) from error
    squares = np.arange(1, milano_grid.SQUARES + 1)
    points = milano_grid.centres(squares)
    within = np.zeros(len(squares), dtype=bool)
    for rings in polygons:
        within |= milano_grid.inside(points, rings)
    if not within.any():
        raise DemandError(
            f"{path}: no square of Milano has its centre in it; its coordinates must be longitude "
            "and latitude in degrees (WGS 84)"
        )
    found: list[int] = squares[within].tolist()
    return found


def _known(chosen: list[str], names: Sequence[str]) -> list[str]:
    known = set(names)
    absent = [name for name in chosen if name not in known]
    if absent:
        more = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
        raise DemandError(
            f"download.select: no such series in this demand: {', '.join(absent[:_NAMED])}{more}; "
            f"it has {len(names)}, from {names[0]!r} to {names[-1]!r}"
        )
    return chosen


def draw(count: int, seed: int, lot: Sequence[str]) -> list[str]:
    """Draw series by lot, in the order of ``lot``.

    Raises:
        DemandError: There are too few.
    """
    if count > len(lot):
        raise DemandError(
            f"download.select.random: {count} series are wanted, but there are {len(lot)} to "
            "draw from"
        )
    # The first of one long draw: 49 of a seed are among the 100 of the same seed.
    places = np.random.default_rng(seed).permutation(len(lot))[:count]
    return [lot[place] for place in sorted(places.tolist())]


def _polygons(content: dict[str, Any]) -> list[list[Floats]]:
    kind = content["type"]
    if kind == "FeatureCollection":
        return [rings for feature in content["features"] for rings in _polygons(feature)]
    if kind == "Feature":
        return _polygons(content["geometry"])
    if kind == "GeometryCollection":
        return [rings for geometry in content["geometries"] for rings in _polygons(geometry)]
    if kind == "Polygon":
        return [[_ring(ring) for ring in content["coordinates"]]]
    if kind == "MultiPolygon":
        return [[_ring(ring) for ring in polygon] for polygon in content["coordinates"]]
    raise ValueError(f"a {kind} is no area")


def _ring(coordinates: list[list[float]]) -> Floats:
    ring: Floats = np.array([place[:2] for place in coordinates], dtype=np.float64)
    if ring.ndim != 2 or len(ring) < 4 or not (ring[0] == ring[-1]).all():
        raise ValueError("a ring is not closed, or has fewer than 3 corners")
    return ring
