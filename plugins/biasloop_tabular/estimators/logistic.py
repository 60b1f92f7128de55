"""Logistic regression."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from biasloop.contract.data import Arrays, Floats
from biasloop.contract.labels import softmax
from biasloop.lazy import numpy as np

if TYPE_CHECKING:
    from biasloop_tabular.encoding import Inputs
    from biasloop_tabular.estimator_settings import Logistic
    from biasloop_tabular.estimators.estimator import Training

COEFFICIENTS, INTERCEPTS = "coefficients", "intercepts"


@dataclass(frozen=True)
class LogisticEstimator:
    """`sklearn.linear_model.LogisticRegression`: of two classes a sigmoid, of more a softmax.

    A model is `coefficients` `(inputs, classes)` and `intercepts` `(classes,)`; those of the first of two are 0.
    """

    settings: Logistic

    def fit(self, training: Training) -> Arrays:
        """The coefficients that scikit-learn finds."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        estimator = LogisticRegression(C=self.settings.C, max_iter=self.settings.max_iter)
        with warnings.catch_warnings(record=True) as raised:
            warnings.simplefilter("always", ConvergenceWarning)
            estimator.fit(training.inputs.matrix, training.labels, sample_weight=training.weights)
        if any(issubclass(warning.category, ConvergenceWarning) for warning in raised):
            training.note(
                f"logistic regression stopped after {self.settings.max_iter:,} iterations before it converged; raise "
                "domain.logistic.max_iter, or lower domain.logistic.C"
            )
        coefficients, intercepts = estimator.coef_.T, estimator.intercept_  # (inputs, classes or 1)
        if coefficients.shape[1] == 1:
            coefficients = np.hstack([np.zeros_like(coefficients), coefficients])
            intercepts = np.array([0.0, intercepts[0]])
        return {COEFFICIENTS: np.ascontiguousarray(coefficients), INTERCEPTS: intercepts}

    def probabilities(self, model: Arrays, inputs: Inputs) -> Floats:
        """The softmax of the linear scores."""
        return softmax(inputs.matrix @ model[COEFFICIENTS] + model[INTERCEPTS])
