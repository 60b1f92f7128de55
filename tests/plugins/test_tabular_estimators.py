"""Estimators against scikit-learn's own predictions, on the same inputs."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import CategoricalNB, GaussianNB
from sklearn.tree import DecisionTreeClassifier
from support import tabular

from biasloop.contract.testing.sameness import same_arrays
from biasloop_tabular.config import Config
from biasloop_tabular.encoding import Inputs, Table
from biasloop_tabular.estimators.estimator import Training
from biasloop_tabular.estimators.trees import Trees
from biasloop_tabular.learner import ESTIMATORS, Learner
from biasloop_tabular.rows import Categorical, Numeric

SETTINGS = {
    "logistic": {"C": 0.3}, "decision-tree": {"max_depth": 6, "ccp_alpha": 1e-3, "criterion": "entropy"},
    "random-forest": {"n_estimators": 9, "max_features": 0.5, "min_samples_leaf": 2},
    "gradient-boosting": {"max_iter": 6, "learning_rate": 0.3, "max_leaf_nodes": 8, "l2_regularization": 0.1},
    "naive-bayes": {"var_smoothing": 1e-3, "alpha": 0.5},
}  # fmt: skip
OWN = {"decision-tree": DecisionTreeClassifier, "random-forest": RandomForestClassifier}
SEED = 7


def inputs(count, seed):
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 3, count)
    onehot = np.hstack([np.eye(3)[words], np.eye(2)[rng.integers(0, 2, count)]])
    return Inputs(rng.normal(size=(count, 3)), onehot, np.array([0, 0, 0, 1, 1]))


def training(classes, count=300):
    given = inputs(count, 1)
    rng = np.random.default_rng(2)
    score = given.numbers[:, 0] + given.onehot[:, 1] + 0.3 * rng.normal(size=count)
    labels = np.clip(np.floor(score + classes / 2), 0, classes - 1).astype(np.int64)
    return Training(given, labels, rng.uniform(0.2, 2, count), SEED, lambda text: None)


def by_scikit_learn(name, data, test):
    """Probabilities of an estimator of its own, predicted by itself."""
    fitted = {"sample_weight": data.weights}
    if name == "naive-bayes":
        settings = SETTINGS[name]
        gauss = GaussianNB(var_smoothing=settings["var_smoothing"]).fit(data.inputs.numbers, data.labels, **fitted)
        codes, asked = (np.column_stack([each.onehot[:, :3].argmax(1), each.onehot[:, 3:].argmax(1)])
                        for each in (data.inputs, test))  # fmt: skip
        category = CategoricalNB(alpha=settings["alpha"]).fit(codes, data.labels, **fitted)
        joint = gauss.predict_joint_log_proba(test.numbers) + category.predict_joint_log_proba(asked)
        odds = np.exp(joint - np.log(gauss.class_prior_))
        return odds / odds.sum(1, keepdims=True)
    made = {
        "logistic": lambda: LogisticRegression(**SETTINGS[name], max_iter=1000),
        "gradient-boosting": lambda: HistGradientBoostingClassifier(
            **SETTINGS[name], early_stopping=False, random_state=SEED
        ),
        **{tree: lambda: OWN[name](**SETTINGS[name], random_state=SEED) for tree in OWN},
    }[name]()
    rounded = [each.matrix.astype(np.float32).astype(np.float64) if name == "gradient-boosting" else each.matrix
               for each in (data.inputs, test)]  # fmt: skip
    return made.fit(rounded[0], data.labels, **fitted).predict_proba(rounded[1])


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_probabilities_are_those_of_scikit_learn(name, classes):
    data, test = training(classes), inputs(500, 3)
    estimator = ESTIMATORS[name](Config.model_validate({name: SETTINGS[name]}))
    model = estimator.fit(data)
    assert all(isinstance(values, np.ndarray) and values.dtype.kind in "if" for values in model.values())
    probabilities = estimator.probabilities(model, test)
    assert probabilities.shape == (500, classes)
    assert np.allclose(probabilities, by_scikit_learn(name, data, test), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_more_threads_give_the_same_bits(name):
    rng = np.random.default_rng(4)
    features = [*(Numeric(f"n{i}", rng.normal(size=400)) for i in range(3)),
                Categorical("c", rng.integers(-1, 3, 400), ("a", "b", "c"))]  # fmt: skip
    labels = (features[0].values + rng.normal(size=400) > 0).astype(np.int64)
    samples = tabular.samples(np.arange(0, 400, 2), labels[::2])
    config = Config.model_validate({"estimator": name, name: SETTINGS[name]})
    models = [Learner(config, Table.of(features), 2, threads).fit(samples, tabular.work()) for threads in (1, 2)]
    assert same_arrays(*models)


def test_a_fit_that_does_not_converge_says_so():
    notes = []
    data = training(2)
    data = Training(data.inputs, data.labels, data.weights, SEED, notes.append)
    ESTIMATORS["logistic"](Config.model_validate({"logistic": {"max_iter": 2}})).fit(data)
    assert [note.split(";")[0] for note in notes] == [
        "logistic regression stopped after 2 iterations before it converged"
    ]


def test_rows_go_through_trees_by_hand():
    stump = Trees.one(np.array([1, 9, 9]), np.array([0.5, 9, 9]), np.array([1, -1, -1]), np.array([2, -1, -1]),
                      np.array([[9.0], [1.0], [2.0]]))  # fmt: skip
    leaf = Trees.one(np.array([9]), np.array([9.0]), np.array([-1]), np.array([-1]), np.array([[10.0]]))
    inputs = np.array([[0.0, 0.5], [0.0, 0.6], [0.0, 0.5 + 1e-12]])  # the last is 0.5 in float32
    assert Trees.joined([stump, leaf, stump]).summed(inputs).tolist() == [[12.0], [14.0], [12.0]]
