"""The domain "tabular": splits, fits, labels, and what is refused before anything is spent."""

import sys

import numpy as np
import pytest
import tomli
from support import tabular, toy

from biasloop.contract.data import Samples
from biasloop.contract.domains import Demands, names_in
from biasloop.contract.testing.sameness import same_arrays
from biasloop.errors import InvalidInput
from biasloop_tabular import learner
from biasloop_tabular.config import EXTRA, Config
from biasloop_tabular.estimators import estimator


@pytest.fixture
def domain(tmp_path):
    return tabular.domain(tmp_path, **tabular.OWN)


def test_rows_without_an_outcome_are_in_the_pool_and_never_tested(domain):
    splits = domain.splits()
    assert splits.unlabelled.tolist() == [*range(140, 150)]
    assert (len(splits.test), len(splits.holdout), len(splits.pool)) == (30, 6, 114)


def test_a_column_can_say_what_rows_are_for(tmp_path):
    table = tabular.rows()
    for number, row in enumerate(table):
        row["part"] = ("train", "test", "unlabelled", "holdout", "train")[number % 5]
    path = tabular.write(tmp_path / "split.csv", table)
    settings = {**tabular.OWN, "test": None, "holdout": 0, "path": str(path), "ignore": ["person"]}
    table[141]["part"] = "train"
    with pytest.raises(InvalidInput, match="row 142 of column 'repaid', which column 'part' puts into the test set"):
        tabular.domain(tmp_path, split="part", **settings).check(Demands())
    for row in table[140:]:
        row["part"] = "unlabelled"
    tabular.write(path, table)
    splits = tabular.domain(tmp_path, split="part", **settings).splits()
    assert splits.test.tolist() == [*range(1, 140, 5)]
    assert splits.holdout.tolist() == [*range(3, 140, 5)]
    assert splits.unlabelled.tolist() == [*range(2, 140, 5), *range(140, 150)]


def test_references_have_groups_and_labels_read_as_words(domain, tmp_path):
    test = domain.references(tabular.work())["test"]
    assert set(test.columns) == {"ids", "target", "group.sex", "group.race"}
    row = int(test["ids"][0])
    rows = tabular.rows()
    assert domain.vocabularies()["group.race"].strings()[test["group.race"][0]] == rows[row]["race"]
    named = tabular.domain(tmp_path, **tabular.OWN, id="person", path=domain.config.path)
    (described,) = named.describe(np.array([row]), named.human_labels(np.array([row])))
    assert described == {"target": rows[row]["repaid"], "confidence": 1.0, "id": f"p{row}"}


def test_features_have_no_sensitive_column_unless_that_is_asked_for(tmp_path, domain):
    told = tabular.domain(tmp_path, **tabular.OWN, use_sensitive=True, path=domain.config.path)
    samples = tabular.training(domain)
    without, given = (each.fit(samples, tabular.work())["coefficients"] for each in (domain, told))
    assert len(given) == len(without) + 5
    assert domain.fingerprint() != told.fingerprint()


def test_two_classes_follow_the_second_and_more_none(tmp_path):
    def metrics(classes, **more):
        path = str(tabular.write(tmp_path / f"{len(classes)}.csv", tabular.rows(classes=classes)))
        domain = tabular.domain(tmp_path, **tabular.OWN, ignore=["person"], path=path, **more)
        nobody = Samples(np.zeros(0, int), np.zeros(0, bool), domain.human_labels(np.zeros(0, int)))
        return domain.measure(domain.references(tabular.work()), nobody, names_in(domain))

    two, three = ("no", "yes"), ("high", "low", "mid")
    assert metrics(two)["share_target"].value == 1 - metrics(two, follow="no")["share_target"].value
    assert "share_target" not in metrics(three)
    assert "share_target" in metrics(three, follow="low")


@pytest.mark.parametrize("name", learner.ESTIMATORS)
@pytest.mark.parametrize("classes", [("no", "yes"), ("high", "low", "mid")])
def test_a_class_that_the_training_set_lacks_is_improbable(tmp_path, name, classes):
    path = str(tabular.write(tmp_path / "own.csv", tabular.rows(classes=classes)))
    settings = {**tabular.OWN, **tabular.SMALL, "estimator": name, "ignore": ["person"], "path": path}
    domain = tabular.domain(tmp_path, **settings)
    samples = tabular.training(domain)
    rows = samples.labels["target"] != 0
    fewer = Samples(samples.ids[rows], samples.synthetic[rows], samples.labels.take(rows))
    probabilities = domain.probabilities(domain.fit(fewer, tabular.work()), domain.splits().test, tabular.work())
    assert probabilities.shape == (30, len(classes))
    assert not probabilities[:, 0].any()
    assert np.allclose(probabilities.sum(1), 1)
    if len(classes) == 2:
        assert (probabilities[:, 1] == 1).all()


@pytest.mark.parametrize("name", learner.ESTIMATORS)
def test_samples_without_weight_are_not_learnt_from(tmp_path, name):
    domain = tabular.domain(tmp_path, **tabular.OWN, **tabular.SMALL, estimator=name, ignore=["person"])
    samples = tabular.training(domain)
    weights = np.where(np.arange(len(samples)) % 3 == 0, 0.0, 2.0)
    rows = weights > 0
    fewer = Samples(samples.ids[rows], samples.synthetic[rows], samples.labels.take(rows), weights=weights[rows])
    weighted = domain.fit(tabular.training(domain, weights), tabular.work())
    assert same_arrays(weighted, domain.fit(fewer, tabular.work()))
    with pytest.raises(InvalidInput, match="a sample with a weight above 0"):
        domain.fit(tabular.training(domain, np.zeros(len(samples))), tabular.work())


def test_a_forest_is_another_one_with_another_seed_or_round(tmp_path):
    domain = tabular.domain(
        tmp_path, **tabular.OWN, **{"estimator": "random-forest", "random-forest": {"n_estimators": 3}}
    )
    train = tabular.training(domain)
    first, again, other = (domain.fit(train, tabular.work(name)) for name in ("fit", "fit", "later"))
    assert same_arrays(first, again)
    assert not same_arrays(first, other)


def test_balanced_classes_weigh_the_same(tmp_path):
    domain = tabular.domain(tmp_path, **tabular.OWN, class_weight="balanced")
    plain = tabular.domain(tmp_path, **tabular.OWN, path=domain.config.path)
    target = tabular.training(domain).labels["target"]
    by_hand = len(target) / 2 / np.bincount(target)[target]

    def share(of, weights=None):
        model = of.fit(tabular.training(of, weights), tabular.work())
        return of.probabilities(model, of.splits().test, tabular.work())[:, 1].mean()

    # Numbers are standardised by rows in the one and by weights in the other, which moves the penalty a little.
    assert abs(share(domain) - share(plain, by_hand)) < 0.02 < abs(share(domain) - share(plain))


def test_balanced_classes_weigh_the_same_whatever_their_rows_weigh(tmp_path):
    balanced = {"class_weight": "balanced", "estimator": "decision-tree", "decision-tree": {"max_depth": 3}}
    domain = tabular.domain(tmp_path, **tabular.OWN, **balanced)
    target = tabular.training(domain).labels["target"]

    def shares(weights):
        model = domain.fit(tabular.training(domain, weights), tabular.work())
        return domain.probabilities(model, domain.splits().test, tabular.work())

    assert shares(np.where(target == 1, 10.0, 1.0)) == pytest.approx(shares(None), abs=1e-9)


def test_scikit_learn_that_is_not_there_is_said_with_the_line_that_gets_it(tmp_path, monkeypatch, domain):
    monkeypatch.setattr(learner, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"is not installed; type: pip install 'biasloop\[tabular\]'"):
        domain.check(Demands())
    monkeypatch.undo()
    monkeypatch.setattr(learner, "version", lambda name: "1.6.1")
    with pytest.raises(InvalidInput, match=r"1\.7 or newer, and 1\.6\.1 is installed; type: pip install --upgrade"):
        domain.check(Demands())


def test_the_extra_has_what_is_asked_for():
    extras = tomli.loads((toy.PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    _, _, name = EXTRA.removesuffix("]").partition("[")
    assert extras[name] == [f"scikit-learn>={'.'.join(map(str, learner._OLDEST))}"]


def test_settings_that_are_left_open_are_said():
    assert Config.model_validate({}).effective() == {
        "test": 1000, "outcome": "income", "sensitive": ["sex", "race"], "ignore": ["fnlwgt"],
    }  # fmt: skip


def test_what_cannot_be_followed_or_leaves_nothing_is_refused_at_once(tmp_path, domain):
    settings = {**tabular.OWN, "path": domain.config.path}
    with pytest.raises(InvalidInput, match="domain.follow is 'maybe', and the classes are no, yes"):
        tabular.domain(tmp_path, **settings, follow="maybe").check(Demands())
    with pytest.raises(InvalidInput, match=r"test 140 and .* leave nothing .* has 140 rows with an outcome"):
        tabular.domain(tmp_path, **{**settings, "test": 140}).check(Demands())
    domain.check(Demands())


def test_blocks_of_rows_are_predicted_like_all_at_once(domain, monkeypatch):
    model = domain.fit(tabular.training(domain), tabular.work())
    ids = np.arange(150)
    entire = domain.probabilities(model, ids, tabular.work())
    monkeypatch.setattr(learner, "_BLOCK", 100)
    assert np.allclose(domain.probabilities(model, ids, tabular.work()), entire, rtol=0, atol=1e-12)
    assert domain.probabilities(model, ids[:0], tabular.work()).shape == (0, 2)


def test_predictions_need_no_scikit_learn(domain, monkeypatch):
    model = domain.fit(tabular.training(domain), tabular.work())
    expected = domain.predict(model, tabular.work())["test"]
    for name in ["threadpoolctl", *(name for name in sys.modules if name.split(".")[0] == "sklearn")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(estimator, "find_spec", lambda name: None)
    again = domain.predict(domain.load("model", domain.save("model", model)), tabular.work())["test"]
    assert all(np.array_equal(expected[name], again[name]) for name in expected.columns)
