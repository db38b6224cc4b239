"""Laws of a cut: every square in one site, sizes that differ by at most one, never by chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddnn.grid.sites import (
    cut_by_place,
    cut_by_shape,
    mean_correlation,
    site_count,
    unit_shapes,
)


@st.composite
def cities(draw):
    squares = draw(st.integers(1, 120))
    sites = draw(st.integers(1, squares))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    # Whole numbers: many squares share a row, a column, even a place.
    return rng.integers(0, 12, (squares, 2)).astype(float), sites


def _check_partition(cut, squares, sites):
    assert len(cut) == sites
    assert sorted(np.concatenate(cut).tolist()) == list(range(squares))
    sizes = {len(site) for site in cut}
    assert max(sizes) - min(sizes) <= 1
    assert all((np.diff(site) > 0).all() for site in cut)


@given(cities())
@settings(deadline=None)
def test_a_cut_by_place_is_a_balanced_partition(city):
    positions, sites = city
    cut = cut_by_place(positions, sites)
    _check_partition(cut, len(positions), sites)
    again = cut_by_place(positions, sites)
    assert all(np.array_equal(one, other) for one, other in zip(cut, again, strict=True))


@given(cities(), st.integers(0, 5))
@settings(deadline=None)
def test_a_cut_by_shape_is_a_balanced_partition(city, seed):
    positions, sites = city
    shapes = unit_shapes(np.cumsum(positions, axis=1).T)
    cut = cut_by_shape(shapes, sites, seed)
    _check_partition(cut, len(positions), sites)
    again = cut_by_shape(shapes, sites, seed)
    assert all(np.array_equal(one, other) for one, other in zip(cut, again, strict=True))


def test_a_cut_by_place_gives_compact_sites():
    y, x = np.divmod(np.arange(28 * 28), 28)
    positions = np.stack([x, y], axis=1).astype(float)
    for site in cut_by_place(positions, 16):
        assert len(site) == 49
        assert np.ptp(positions[site], axis=0).tolist() == [6, 6]  # 7 x 7 squares


def test_a_cut_by_shape_finds_what_moves_together():
    rng = np.random.default_rng(0)
    moods = rng.normal(size=(300, 4))
    kind = rng.permutation(np.repeat(np.arange(4), 10))
    values = 5 + moods[:, kind] + 0.3 * rng.normal(size=(300, 40))
    shapes = unit_shapes(values)
    cut = cut_by_shape(shapes, 4, seed=0)
    assert sorted(sorted(set(kind[site])) for site in cut) == [[0], [1], [2], [3]]
    within = np.mean([mean_correlation(shapes, site) for site in cut])
    assert within > 0.8 > 0.4 > mean_correlation(shapes, np.arange(40))


def test_shapes_correlate_by_products():
    rng = np.random.default_rng(1)
    values = rng.random((50, 3))
    shapes = unit_shapes(values)
    assert shapes @ shapes.T == pytest.approx(np.corrcoef(values.T), abs=1e-6)
    mean = (np.corrcoef(values.T).sum() - 3) / 6
    assert mean_correlation(shapes, np.arange(3)) == pytest.approx(mean, abs=1e-6)
    assert mean_correlation(shapes, np.arange(1)) is None


def test_what_is_missing_counts_as_the_mean_and_what_never_moves_has_no_shape():
    values = np.array([[1.0, 7.1, np.nan], [np.nan, 7.1, np.nan], [3.0, 7.1, np.inf]])
    shapes = unit_shapes(values)
    assert shapes[0] == pytest.approx([-np.sqrt(0.5), 0, np.sqrt(0.5)], abs=1e-6)
    assert not shapes[1:].any()


def test_sites_are_as_many_as_come_closest():
    assert [site_count(squares, 49) for squares in (1, 49, 73, 74, 980, 10_000)] == [
        1,
        1,
        1,
        2,
        20,
        204,
    ]


def test_more_sites_than_squares_are_refused():
    with pytest.raises(ValueError, match="3 squares cannot be cut into 4 sites"):
        cut_by_place(np.zeros((3, 2)), 4)
