"""A decision tree, and a forest of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from biasloop.contract.data import Arrays, Floats
from biasloop.lazy import numpy as np
from biasloop_tabular.estimators.trees import Trees

if TYPE_CHECKING:
    from biasloop_tabular.encoding import Inputs
    from biasloop_tabular.estimator_settings import DecisionTree, RandomForest
    from biasloop_tabular.estimators.estimator import Training


@dataclass(frozen=True)
class TreeEstimator:
    """`sklearn.tree.DecisionTreeClassifier`; a model is its nodes, with the shares of classes in leaves."""

    settings: DecisionTree

    def fit(self, training: Training) -> Arrays:
        """The tree that scikit-learn grows."""
        from sklearn.tree import DecisionTreeClassifier

        grown = DecisionTreeClassifier(**self.settings.model_dump(), random_state=training.seed)
        grown.fit(training.inputs.matrix, training.labels, sample_weight=training.weights)
        return _nodes(grown).arrays()

    def probabilities(self, model: Arrays, inputs: Inputs) -> Floats:
        """The shares of classes in the leaf of each row."""
        return Trees.of(model).summed(inputs.matrix)


@dataclass(frozen=True)
class ForestEstimator:
    """`sklearn.ensemble.RandomForestClassifier`; a model is the nodes of all trees."""

    settings: RandomForest

    def fit(self, training: Training) -> Arrays:
        """The trees that scikit-learn grows, each of other rows drawn with replacement."""
        from sklearn.ensemble import RandomForestClassifier

        grown = RandomForestClassifier(**self.settings.model_dump(), random_state=training.seed, n_jobs=1)
        grown.fit(training.inputs.matrix, training.labels, sample_weight=training.weights)
        return Trees.joined([_nodes(tree) for tree in grown.estimators_]).arrays()

    def probabilities(self, model: Arrays, inputs: Inputs) -> Floats:
        """The mean over trees of the shares of classes in the leaf of each row."""
        trees = Trees.of(model)
        return trees.summed(inputs.matrix) / len(trees.roots)


def _nodes(grown: Any) -> Trees:
    """Of a tree of scikit-learn; leaves hold the shares of classes of the rows, by weight, that ended in them."""
    tree = grown.tree_
    counts = tree.value[:, 0, :]  # (nodes, classes)
    shares = counts / counts.sum(1, keepdims=True)
    return Trees.one(tree.feature, tree.threshold, tree.children_left, tree.children_right, np.asarray(shares))
