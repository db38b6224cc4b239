import json
from pathlib import Path
from typing import Any

import pytest

from ddnn.demand.milano_grid import corners
from ddnn.demand.selection import choose, squares_in, suffix
from ddnn.errors import DemandError
from ddnn.params import SelectParams

CITY = [str(square) for square in range(1, 10_001)]


def select(**way: Any) -> SelectParams:
    return SelectParams.model_validate(way)


def test_all_series_where_nothing_is_chosen() -> None:
    assert choose(None, ["b", "a"]) == ["b", "a"]
    assert suffix(None) == ""


def test_names_come_as_they_are_listed() -> None:
    assert choose(select(squares=["b", 7]), ["7", "a", "b"]) == ["b", "7"]
    assert choose(select(block=[4142, 4243]), CITY) == ["4142", "4143", "4242", "4243"]


def test_the_lot_is_the_seeds_and_grows_with_the_number() -> None:
    few = choose(select(random=49, seed=3), CITY)
    assert few == choose(select(random=49, seed=3), CITY)
    assert few != choose(select(random=49, seed=4), CITY)
    assert few == sorted(few, key=int)
    assert len(set(few)) == 49
    assert set(few) < set(choose(select(random=100, seed=3), CITY))
    assert choose(select(random=2), CITY, lot=["5", "9"]) == ["5", "9"]


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(DemandError, match=r"no such series.*: 8, x, y and 1 more; it has 2"):
        choose(select(squares=["8", "x", "1", "y", "z"]), ["1", "2"])
    with pytest.raises(DemandError, match="3 series are wanted, but there are 2"):
        choose(select(random=3), ["1", "2"])


def area(path: Path, geometry: dict[str, Any]) -> Path:
    path.write_text(json.dumps(geometry))
    return path


def rectangle(one: int, other: int) -> list[list[float]]:
    west, south = corners([one])[0, 3]
    east, north = corners([other])[0, 1]
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return [[float(x) for x in place] for place in ring]


def test_a_polygon_takes_the_squares_whose_centre_is_in_it(tmp_path: Path) -> None:
    polygon = {"type": "Polygon", "coordinates": [rectangle(4142, 4244)]}
    expected = [4142, 4143, 4144, 4242, 4243, 4244]
    assert squares_in(area(tmp_path / "a.geojson", polygon)) == expected
    feature = {"type": "Feature", "properties": {}, "geometry": polygon}
    more = {"type": "MultiPolygon", "coordinates": [[rectangle(1, 1)], [rectangle(9, 9)]]}
    both = {"type": "FeatureCollection", "features": [feature, {**feature, "geometry": more}]}
    path = area(tmp_path / "both.geojson", both)
    assert squares_in(path) == [1, 9, *expected]
    assert choose(select(polygon=path), CITY) == [str(square) for square in [1, 9, *expected]]
    hole = {"type": "Polygon", "coordinates": [rectangle(1, 203), rectangle(102, 102)]}
    assert squares_in(area(tmp_path / "hole.geojson", hole)) == [1, 2, 3, 101, 103, 201, 202, 203]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read as GeoJSON"),
        ('{"type": "Point", "coordinates": [9, 45]}', "a Point is no area"),
        ('{"type": "Polygon", "coordinates": [[[9, 45], [9, 46], [8, 45]]]}', "not closed"),
        (
            '{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}',
            "no square of Milano",
        ),
    ],
)
def test_a_faulty_polygon_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "area.geojson").write_text(content)
    with pytest.raises(DemandError, match=said) as caught:
        squares_in(tmp_path / "area.geojson")
    assert "\n" not in str(caught.value)


def test_selections_name_their_demand() -> None:
    named = [
        suffix(select(random=49, seed=2)),
        suffix(select(block=[1, 102])),
        suffix(select(polygon="x/centre.geojson")),
        suffix(select(squares=[4142, 4143])),
        suffix(select(squares=[4142, 4144])),
    ]
    assert named[:3] == ["-random49s2", "-block1-102", "-centre"]
    assert len(set(named)) == len(named)
