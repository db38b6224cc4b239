import json
import re

import lightgbm
import numpy as np
import pytest

from ddnn.alternatives.trees import Trees
from ddnn.errors import ArtefactError

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((400, 3))
ROWS[::7, 1] = np.nan


def grow(seed, rounds=12):
    wanted = np.sin(3 * ROWS[:, 0]) + np.nan_to_num(ROWS[:, 1]) + seed
    how = {"num_threads": 1, "verbosity": -1, "seed": seed, "num_leaves": 7, "deterministic": True}
    how |= {"force_row_wise": True, "bagging_fraction": 0.5, "bagging_freq": 1}
    return lightgbm.train(how, lightgbm.Dataset(ROWS, wanted), rounds)


@pytest.fixture(scope="module")
def trees():
    return Trees.join([grow(0)])


def test_joined_trees_give_the_mean_of_their_models():
    boosters = [grow(seed) for seed in range(3)]
    expected = np.mean([booster.predict(ROWS) for booster in boosters], axis=0)
    np.testing.assert_allclose(Trees.join(boosters).predict(ROWS), expected, rtol=1e-12)


def test_a_model_that_found_nothing_is_its_mean():
    how = {"num_threads": 1, "verbosity": -1, "min_data_in_leaf": 300}
    booster = lightgbm.train(how, lightgbm.Dataset(ROWS, np.full(len(ROWS), 2.5)), 3)
    found = Trees.from_json(Trees.join([booster]).to_json())
    np.testing.assert_allclose(found.predict(ROWS), booster.predict(ROWS))


def test_json_round_trip(trees):
    again = Trees.from_json(json.loads(json.dumps(trees.to_json(), allow_nan=False)))
    np.testing.assert_array_equal(again.predict(ROWS), trees.predict(ROWS))


def damaged(trees, pattern, text):
    """The trees, with the third one changed."""
    lines, count = re.subn(pattern, text, trees.trees[2], count=1)
    assert count == 1
    return trees.to_json() | {"trees": [*trees.trees[:2], lines, *trees.trees[3:]]}


@pytest.mark.parametrize(
    ("pattern", "text", "said"),
    [
        (r"split_feature=\d", "split_feature=3", "feature that there is not"),
        (r"split_feature=\d", "split_feature=-1", "feature that there is not"),
        (r"split_feature=\d ", "split_feature=", "where 6 are due"),
        (r"left_child=\S+", "left_child=0", "leads back"),
        (r"left_child=\S+", "left_child=900", "twice or never"),
        (r"(right_child=.*)-\d", r"\1-99", "twice or never"),
        (r"leaf_value=\S+", "leaf_value=1e999", "not finite"),
        (r"leaf_value=\S+", "leaf_value=nan", "lines of a tree"),
        (r"threshold=\S+", "threshold=1e999", "not finite"),
        (r"decision_type=\S+", "decision_type=1", "not numeric"),
        (r"num_cat=0", "num_cat=1", "by category"),
        (r"num_leaves=7", "num_leaves=0", "no leaf"),
        (r"num_leaves=7", "num_leaves=1000000", "due"),
        (r"num_leaves=7\n", "", "lines of a tree"),
        (r"num_leaves=7", "num_leaves=7\nTree=3", "lines of a tree"),
        (r"num_cat=0", "num_cat=0\nis_linear=1", "lines"),
    ],
)
def test_trees_that_would_lead_astray_are_refused(trees, pattern, text, said):
    with pytest.raises(ArtefactError, match=f"boosted tree 2.*{said}"):
        Trees.from_json(damaged(trees, pattern, text))


@pytest.mark.parametrize("change", [{"trees": []}, {"models": 0}, {"features": "x"}, {"trees": 1}])
def test_damaged_json_is_refused(trees, change):
    with pytest.raises(ArtefactError, match="not boosted trees"):
        Trees.from_json(trees.to_json() | change)
