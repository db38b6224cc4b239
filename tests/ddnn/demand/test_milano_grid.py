import json
from pathlib import Path

import numpy as np
import pytest

from ddnn.demand.milano_grid import block, centres, corners, inside


def test_ids_grow_east_then_north() -> None:
    longitude, latitude = centres([1, 2, 101, 10_000]).T
    assert longitude[1] > longitude[0]
    assert latitude[2] > latitude[0]
    assert abs(longitude[2] - longitude[0]) < 1e-4
    assert longitude[3] == longitude.max()


def test_a_block_has_its_corners_wherever_it_begins() -> None:
    expected = [4142, 4143, 4242, 4243, 4342, 4343]
    assert block(4142, 4343) == block(4343, 4142) == block(4342, 4143) == expected
    assert block(7, 7) == [7]


def test_inside_knows_holes_and_corners() -> None:
    square = np.array([[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]], dtype=float)
    hole = square / 2 + 1
    points = np.array([[2, 2], [0.5, 0.5], [5, 2], [2, 3.5]], dtype=float)
    assert inside(points, [square]).tolist() == [True, True, False, True]
    assert inside(points, [square, hole]).tolist() == [False, True, False, True]


@pytest.mark.milano
def test_the_corners_are_the_published_ones(milano_dir: Path) -> None:
    content = json.loads((milano_dir / "milano-grid.geojson").read_text())
    ids = [feature["properties"]["cellId"] for feature in content["features"]]
    rings = [feature["geometry"]["coordinates"][0][:4] for feature in content["features"]]
    metres = (corners(ids) - np.array(rings)) * [78_000, 111_300]
    assert np.abs(metres).max() < 0.05
