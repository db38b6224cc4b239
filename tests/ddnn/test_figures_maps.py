import numpy as np
import pytest

from ddnn.demand import milano_grid
from ddnn.figures import maps
from ddnn.figures.maps import CityMap, square_map

NAMES = ("site0", "site1")


def _map(squares, sites, axes="degrees"):
    return CityMap(milano_grid.corners(squares), np.array(sites), NAMES, axes)


def test_borders_are_the_rim_and_what_lies_between_two_sites():
    #  11 21 | 12 22: two sites of two squares each, side by side
    where = _map([1, 101, 2, 102], [0, 0, 1, 1])
    borders = maps._borders(where)
    between = [
        edge for edge in borders if np.allclose(edge[:, 0], where.corners[0, 1, 0], atol=1e-3)
    ]
    assert len(borders) == 8 + 2 * 2
    assert len(between) == 4
    assert len(maps._borders(_map([1, 101, 2, 102], [0, 0, 0, 0]))) == 8


@pytest.mark.parametrize(
    ("values", "ends", "expected"),
    [
        ([1.0, 2.0, 3.0], (None, None), (1.0, 3.0)),
        ([1.0, 2.0, 3.0], (0.0, 100.0), (0.0, 100.0)),
        ([], (None, None), (0.0, 1.0)),
    ],
)
def test_a_scale_ends_where_the_values_do(values, ends, expected):
    assert maps._ends(np.array(values), *ends) == expected


def test_a_few_outliers_do_not_stretch_the_scale():
    least, most = maps._ends(np.array([*np.linspace(1, 2, 200), 90.0]), None, None)
    assert least == 1
    assert most < 2.1


@pytest.mark.parametrize("axes", ["degrees", "squares"])
def test_the_same_map_gives_the_same_bytes(axes):
    where = _map([1, 2, 101, 102], [0, 0, 1, 1], axes)
    values = np.array([1.0, 2.0, np.nan, np.nan])
    png, again = (square_map(where, values, "cost", "town", "OrRd") for _ in range(2))
    assert png[:4] == b"\x89PNG"
    assert png == again
    other = square_map(where, np.array([1.0, 2.0, 1.0, 2.0]), "cost", "town", "OrRd")
    assert other != png
