"""Boosted trees in LightGBM's text form: grown, joined, checked before they are loaded, asked.

The text of a tree is kept without what only explains it (gains, counts). LightGBM's own reader
trusts what it reads, indices included, so a text is checked here first.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import lightgbm
import numpy as np
from numpy.typing import NDArray

from ddnn.alternatives.past import Floats
from ddnn.errors import ArtefactError

_HEADER = (
    "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
    "max_feature_idx={last}\nobjective=regression\nfeature_names={names}\nfeature_infos={infos}\n\n"
)
_END = "end of trees\n"
_SIDES = ("left", "right")
_NODES = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
_LEAF = ("num_leaves", "num_cat", "leaf_value")
_TREE = ("num_leaves", "num_cat", *_NODES, "leaf_value")
_LINES = re.compile(r"([a-z_]+=[-+.e0-9 ]+\n)*leaf_value=[-+.e0-9 ]+")
_NUMERIC = (0, 2, 4, 6, 8, 10)
"""Kinds of split: by number, what is missing goes left or right, as zero, as NaN or not at all."""
_AGAIN = "fit the alternative again"


@dataclass(frozen=True, eq=False)
class Trees:
    """The mean of some boosted models of the same features."""

    trees: tuple[str, ...]
    """Lines of each tree: its size, its nodes, its leaves."""
    features: int
    models: int
    """The trees' sum is that of so many models."""

    @classmethod
    def join(cls, boosters: Sequence[lightgbm.Booster]) -> Self:
        """Take the mean of boosters as one: a single pass asks all of them."""
        trees = [tree for each in boosters for tree in _trees(each.model_to_string())]
        return cls(tuple(trees), boosters[0].num_feature(), len(boosters))

    def predict(self, rows: Floats) -> Floats:
        """Give the mean prediction (n,) of rows (n, F), on one thread."""
        found = self._booster.predict(rows, num_threads=1)
        return np.asarray(found, dtype=np.float64) / self.models

    @cached_property
    def _booster(self) -> lightgbm.Booster:
        header = _HEADER.format(
            last=self.features - 1,
            names=" ".join(f"f{index}" for index in range(self.features)),
            infos=" ".join(["[-inf:inf]"] * self.features),
        )
        blocks = [f"Tree={index}\n{tree}\n\n" for index, tree in enumerate(self.trees)]
        return lightgbm.Booster(model_str=header + "".join(blocks) + _END)

    def to_json(self) -> dict[str, Any]:
        """Give plain values for a JSON file."""
        return {"features": self.features, "models": self.models, "trees": list(self.trees)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what :meth:`to_json` gave.

        Raises:
            ArtefactError: The values are not those of trees, or a tree is none.
        """
        try:
            features, models = int(values["features"]), int(values["models"])
            trees = tuple(str(tree) for tree in values["trees"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"not boosted trees ({error}); {_AGAIN}") from error
        if features < 1 or models < 1 or not trees:
            raise ArtefactError(f"not boosted trees (none, or of no features); {_AGAIN}")
        for index, tree in enumerate(trees):
            try:
                _check(tree, features)
            except ValueError as error:
                raise ArtefactError(f"boosted tree {index}: {error}; {_AGAIN}") from error
        return cls(trees, features, models)


def _trees(model: str) -> list[str]:
    """Take the trees out of a model's text, each as the lines that are kept."""
    body = model.partition("\nTree=0\n")[2].partition("\nend of trees")[0]
    found = []
    for block in re.split(r"\n+Tree=\d+\n", body):
        fields = dict(line.split("=", 1) for line in block.split("\n") if line)
        kept = _LEAF if fields["num_leaves"] == "1" else _TREE
        found.append("\n".join(f"{name}={fields[name]}" for name in kept))
    return found


def _check(tree: str, features: int) -> None:
    """Check that lines are those of one tree, whole and without a way in circles.

    Raises:
        ValueError: They are not.
    """
    names = tuple(line.partition("=")[0] for line in tree.split("\n"))
    if names not in (_LEAF, _TREE) or not _LINES.fullmatch(tree):
        raise ValueError("not the lines of a tree")
    fields = dict(line.split("=", 1) for line in tree.split("\n"))
    leaves, splits = int(fields["num_leaves"]), int(fields["num_leaves"]) - 1
    if leaves < 1 or (splits > 0) != (names == _TREE) or fields["num_cat"] != "0":
        raise ValueError("no leaf, or splits by category")
    if not np.isfinite(_numbers(fields["leaf_value"], float, leaves)).all():
        raise ValueError("a leaf is not finite")
    if not splits:
        return
    columns = _numbers(fields["split_feature"], int, splits)
    if columns.min() < 0 or columns.max() >= features:
        raise ValueError("splits by a feature that there is not")
    if not np.isfinite(_numbers(fields["threshold"], float, splits)).all():
        raise ValueError("a threshold is not finite")
    kinds = _numbers(fields["decision_type"], int, splits)
    if not np.isin(kinds, _NUMERIC).all():
        raise ValueError("a split that is not numeric")
    children = np.stack([_numbers(fields[f"{side}_child"], int, splits) for side in _SIDES])
    # Nodes are numbered as they grow: every child comes behind its parent, so there is no circle.
    inner = children >= 0
    if (inner & (children <= np.arange(splits))).any():
        raise ValueError("a branch leads back")
    if sorted(children[inner]) != list(range(1, splits)):
        raise ValueError("a node is reached twice or never")
    if sorted(-1 - children[~inner]) != list(range(leaves)):
        raise ValueError("a leaf is reached twice or never")


def _numbers(text: str, kind: type, count: int) -> NDArray[Any]:
    numbers = np.array([kind(each) for each in text.split(" ")])
    if len(numbers) != count:
        raise ValueError(f"{len(numbers)} numbers where {count} are due")
    return numbers
