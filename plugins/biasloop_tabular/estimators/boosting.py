"""Gradient boosting of trees on histograms of the inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from biasloop.contract.data import Array, Arrays, Floats
from biasloop.contract.labels import softmax
from biasloop.lazy import numpy as np
from biasloop_tabular.estimators.trees import LEAF, Trees, rounded_inputs

if TYPE_CHECKING:
    from biasloop_tabular.encoding import Inputs
    from biasloop_tabular.estimator_settings import GradientBoosting
    from biasloop_tabular.estimators.estimator import Training

_BASELINE = "baseline"


@dataclass(frozen=True)
class BoostingEstimator:
    """`sklearn.ensemble.HistGradientBoostingClassifier`, without early stopping.

    A model is the nodes of all trees, whose leaves have a value for each score, and `baseline` `(scores,)`. Of two
    classes there is one score, whose sigmoid is the probability of the second.
    """

    settings: GradientBoosting

    def fit(self, training: Training) -> Arrays:
        """The trees that scikit-learn grows."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        estimator = HistGradientBoostingClassifier(
            **self.settings.model_dump(), early_stopping=False, categorical_features=None, random_state=training.seed
        )
        inputs = rounded_inputs(training.inputs.matrix)
        estimator.fit(inputs, training.labels, sample_weight=training.weights)
        baseline = np.asarray(estimator._baseline_prediction, np.float64).ravel()
        trees = [
            _nodes(tree.nodes, score, len(baseline))
            for iteration in estimator._predictors
            for score, tree in enumerate(iteration)
        ]
        return {_BASELINE: baseline, **Trees.joined(trees).arrays()}

    def probabilities(self, model: Arrays, inputs: Inputs) -> Floats:
        """The sigmoid or softmax of summed leaves."""
        scores = model[_BASELINE] + Trees.of(model).summed(inputs.matrix)
        if scores.shape[1] == 1:
            scores = np.hstack([np.zeros_like(scores), scores])
        return softmax(scores)


def _nodes(nodes: Any, score: int, scores: int) -> Trees:
    """Of a tree of one score; thresholds are those of inputs, not of their bins."""
    values: Array = np.zeros((len(nodes), scores))
    values[:, score] = nodes["value"]
    leaf = nodes["is_leaf"].astype(np.bool_)
    left, right = (np.where(leaf, LEAF, nodes[side].astype(np.int64)) for side in ("left", "right"))
    return Trees.one(nodes["feature_idx"], nodes["num_threshold"], left, right, values)
