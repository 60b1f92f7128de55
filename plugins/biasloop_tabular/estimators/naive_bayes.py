"""Naive Bayes of numbers and categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from biasloop.contract.data import Arrays, Floats, Ints
from biasloop.contract.labels import softmax
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop_tabular.encoding import Inputs
    from biasloop_tabular.estimator_settings import NaiveBayes
    from biasloop_tabular.estimators.estimator import Training

_MEANS, _VARIANCES, _CATEGORIES, _PRIOR = "means", "variances", "log_shares", "prior"


@dataclass(frozen=True)
class BayesEstimator:
    """`GaussianNB` of the numbers and `CategoricalNB` of the categories of `sklearn.naive_bayes`, with one prior.

    A model is `means` and `variances` `(classes, numbers)`, `log_shares` `(categories, classes)`, logarithms of the
    shares of each category within its column, and `prior` `(classes,)`, that of each class. A category that the
    training set lacks says nothing.
    """

    settings: NaiveBayes

    def fit(self, training: Training) -> Arrays:
        """Means, variances and shares by class."""
        inputs, labels, weights = training.inputs, training.labels, training.weights
        prior = np.bincount(labels, weights)
        return {
            **self._gaussian(inputs.numbers, labels, weights),
            _CATEGORIES: self._categories(inputs, labels, weights),
            _PRIOR: np.log(prior / prior.sum()),
        }

    def probabilities(self, model: Arrays, inputs: Inputs) -> Floats:
        """Bayes' rule, with features that are independent within a class."""
        scores = model[_PRIOR] + inputs.onehot @ model[_CATEGORIES]  # (n, classes)
        means, variances = model[_MEANS], model[_VARIANCES]
        for number in range(means.shape[1]):
            squared = (inputs.numbers[:, number, None] - means[:, number]) ** 2 / variances[:, number]
            scores = scores - 0.5 * (squared + np.log(2.0 * np.pi * variances[:, number]))
        return softmax(scores)

    def _gaussian(self, numbers: Floats, labels: Ints, weights: Floats) -> Arrays:
        from sklearn.naive_bayes import GaussianNB

        if not numbers.shape[1]:
            nothing = np.zeros((int(labels.max()) + 1, 0))
            return {_MEANS: nothing, _VARIANCES: nothing}
        fitted = GaussianNB(var_smoothing=self.settings.var_smoothing).fit(numbers, labels, sample_weight=weights)
        # A number that does not vary within a class would make every other value of it impossible.
        return {_MEANS: fitted.theta_, _VARIANCES: np.maximum(fitted.var_, 1e-9)}

    def _categories(self, inputs: Inputs, labels: Ints, weights: Floats) -> Floats:
        from sklearn.naive_bayes import CategoricalNB

        columns = np.unique(inputs.column)
        if not len(columns):
            return np.zeros((0, int(labels.max()) + 1))
        codes = np.column_stack([inputs.onehot[:, inputs.column == column].argmax(1) for column in columns])
        fitted = CategoricalNB(alpha=self.settings.alpha).fit(codes, labels, sample_weight=weights)
        return np.concatenate([shares.T for shares in fitted.feature_log_prob_])
