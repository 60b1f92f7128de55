"""Fits, and predictions with what is kept of them; scikit-learn is imported by a fit alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from biasloop.contract.context import Work
from biasloop.contract.data import Arrays, Floats, Ints, Samples
from biasloop.contract.names import TARGET
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop_tabular import config as settings
from biasloop_tabular.encoding import Table
from biasloop_tabular.estimators.boosting import BoostingEstimator
from biasloop_tabular.estimators.estimator import Estimator, Training, computing
from biasloop_tabular.estimators.forest import ForestEstimator, TreeEstimator
from biasloop_tabular.estimators.logistic import LogisticEstimator
from biasloop_tabular.estimators.naive_bayes import BayesEstimator

_OLDEST = (1, 7)  # of scikit-learn
_BLOCK = 2**22  # numbers of inputs at a time: 32 MB
_CLASSES = "fitted_classes"  # of a model: the classes that its training set has
ESTIMATORS: Mapping[str, Callable[[settings.Config], Estimator]] = {
    settings.LOGISTIC: lambda config: LogisticEstimator(config.logistic),
    settings.BOOSTING: lambda config: BoostingEstimator(config.gradient_boosting),
    settings.FOREST: lambda config: ForestEstimator(config.random_forest),
    settings.TREE: lambda config: TreeEstimator(config.decision_tree),
    settings.BAYES: lambda config: BayesEstimator(config.naive_bayes),
}


def require() -> None:
    """Whether scikit-learn is installed, and new enough; it is not imported for it.

    Raises:
        InvalidInput: it is not.
    """
    installed = sklearn_version()
    if installed is None:
        raise InvalidInput(
            f"the domain tabular needs scikit-learn, which is not installed; type: pip install '{settings.EXTRA}'"
        )
    if tuple(map(int, re.findall(r"\d+", installed)[:2])) < _OLDEST:
        raise InvalidInput(
            f"the domain tabular needs scikit-learn 1.7 or newer, and {installed} is installed; type: pip install "
            f"--upgrade '{settings.EXTRA}'"
        )


def sklearn_version() -> str | None:
    """What is installed; None for none."""
    if find_spec("sklearn") is None:
        return None
    try:
        return version("scikit-learn")
    except PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Learner:
    """Classifiers of the rows of one table.

    A model is named arrays: what its encoder has learnt, the classes of its training set, and what its estimator keeps.
    Of a training set of one class nothing is fitted, and that class is predicted.

    Attributes:
        config: the domain's settings.
        table: features of all rows.
        classes: how many there are.
        threads: to compute with, 1 or more.
    """

    config: settings.Config
    table: Table
    classes: int
    threads: int

    def fit(self, train: Samples, work: Work) -> Arrays:
        """A new model of the samples' labels and weights; samples of weight 0 are left out.

        Raises:
            InvalidInput: no sample has a weight.
        """
        import sklearn  # noqa: F401 # before threads are limited, which libraries that are loaded later do not heed

        weights = np.ones(len(train)) if train.weights is None else np.asarray(train.weights, np.float64)
        rows = np.flatnonzero(weights > 0)
        if not len(rows):
            raise InvalidInput("a fit needs a sample with a weight above 0, and there is none")
        ids, weights = train.ids[rows], weights[rows]
        present, labels = np.unique(train.labels[TARGET][rows], return_inverse=True)
        learnt = self.table.learnt(ids, weights)
        model = {**learnt, _CLASSES: present.astype(np.int64)}
        if len(present) == 1:
            work.note("all labels of the training set are of one class, which is what its model predicts")
            return model
        if self.config.class_weight == "balanced":
            weights = weights * (weights.sum() / len(present) / np.bincount(labels, weights))[labels]
        seed = work.streams.at("estimator").seed % 2**32
        training = Training(self.table.encoded(ids, learnt), labels.astype(np.int64), weights, seed, work.note)
        with computing(self.threads):
            model |= self._estimator.fit(training)
        work.tick(1, 1)
        return model

    def probabilities(self, model: Arrays, ids: Ints) -> Floats:
        """`(n, classes)` float64; a class that the training set lacked has 0."""
        present = model[_CLASSES]
        probabilities = np.zeros((len(ids), self.classes))
        if len(present) == 1:
            probabilities[:, present] = 1.0
            return probabilities
        size = max(1, _BLOCK // max(1, self.table.width))
        with computing(self.threads):
            for start in range(0, len(ids), size):
                inputs = self.table.encoded(ids[start : start + size], model)
                probabilities[start : start + size, present] = self._estimator.probabilities(model, inputs)
        return probabilities

    def environment(self) -> dict[str, str]:
        """What results are the same bits on."""
        return {"device": "cpu", "threads": str(self.threads), "scikit-learn": sklearn_version() or "none"}

    @property
    def _estimator(self) -> Estimator:
        return ESTIMATORS[self.config.estimator](self.config)
