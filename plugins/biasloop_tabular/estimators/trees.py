"""Binary decision trees as arrays: what scikit-learn has grown, without scikit-learn.

A row goes left where its input, rounded to float32, is at most a node's threshold. So does scikit-learn, of a single
tree and of forests; boosting is fitted on inputs that are rounded already, so that one rule is true of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from biasloop.contract.data import Array, Arrays, Floats, Ints
from biasloop.lazy import numpy as np

LEAF = -1
_PREFIX = "trees."
_BLOCK = 2**18  # of (row, tree), so that what is gathered of them stays in the cache


@dataclass(frozen=True)
class Trees:
    """Nodes of all trees one after another.

    Attributes:
        roots: `(trees,)` int64, the first node of each.
        feature: `(nodes,)` int32, the input that a node looks at, `LEAF` at a leaf.
        threshold: `(nodes,)` float64.
        left: `(nodes,)` int32, where a row goes whose input is at most the threshold; a leaf names itself.
        right: `(nodes,)` int32, where other rows go; likewise.
        values: `(nodes, outputs)` float64 of leaves, 0 of other nodes.
    """

    roots: Ints
    feature: Array
    threshold: Floats
    left: Array
    right: Array
    values: Floats

    @classmethod
    def joined(cls, trees: Sequence[Trees]) -> Trees:
        """All trees of several."""
        starts = np.cumsum([0, *(len(tree.feature) for tree in trees[:-1])])
        return cls(
            np.concatenate([tree.roots + start for tree, start in zip(trees, starts, strict=True)]),
            np.concatenate([tree.feature for tree in trees]),
            np.concatenate([tree.threshold for tree in trees]),
            np.concatenate([tree.left + np.int32(start) for tree, start in zip(trees, starts, strict=True)]),
            np.concatenate([tree.right + np.int32(start) for tree, start in zip(trees, starts, strict=True)]),
            np.concatenate([tree.values for tree in trees]),
        )

    @classmethod
    def one(cls, feature: Array, threshold: Array, left: Array, right: Array, values: Array) -> Trees:
        """A single tree, whose first node is the root.

        Args:
            feature: `(nodes,)`; of leaves anything.
            threshold: `(nodes,)` likewise.
            left: `(nodes,)`, `LEAF` at a leaf.
            right: `(nodes,)`.
            values: `(nodes, outputs)`; of inner nodes anything.
        """
        leaf, itself = left == LEAF, np.arange(len(left))
        return cls(
            np.zeros(1, np.int64),
            np.where(leaf, LEAF, feature).astype(np.int32),
            np.where(leaf, 0.0, threshold),
            np.where(leaf, itself, left).astype(np.int32),
            np.where(leaf, itself, right).astype(np.int32),
            np.where(leaf[:, None], values, 0.0),
        )

    def arrays(self) -> Arrays:
        """By name, as a model keeps them."""
        return {f"{_PREFIX}{name}": values for name, values in vars(self).items()}

    @classmethod
    def of(cls, model: Arrays) -> Trees:
        """Those of a model."""
        return cls(**{name: model[f"{_PREFIX}{name}"] for name in cls.__dataclass_fields__})

    def summed(self, inputs: Floats) -> Floats:
        """`(n, outputs)` the sum over trees of the leaves that rows end in.

        Args:
            inputs: `(n, inputs)`.
        """
        rounded = rounded_inputs(inputs)
        summed = np.zeros((len(rounded), self.values.shape[1]))
        size = max(1, _BLOCK // len(self.roots))
        for start in range(0, len(rounded), size):
            part = rounded[start : start + size]
            leaves = self._leaves(part)  # (rows, trees)
            for tree in range(leaves.shape[1]):  # one after another, so that a row's sum depends on no other row
                summed[start : start + size] += self.values[leaves[:, tree]]
        return summed

    def _leaves(self, rounded: Floats) -> Ints:
        """`(rows, trees)` the leaf that each row ends in."""
        trees = len(self.roots)
        nodes = np.tile(self.roots, len(rounded))  # (rows * trees,)
        going = np.arange(len(nodes))  # those that are not in a leaf yet
        while True:
            at = nodes[going]
            feature = self.feature[at]
            inner = feature != LEAF
            if not inner.all():
                going, at, feature = going[inner], at[inner], feature[inner]
            if not len(going):
                return nodes.reshape(len(rounded), trees)
            goes_left = rounded[going // trees, feature] <= self.threshold[at]
            nodes[going] = np.where(goes_left, self.left[at], self.right[at])


def rounded_inputs(inputs: Floats) -> Floats:
    """Inputs as float64 that float32 holds."""
    return inputs.astype(np.float32).astype(np.float64)
