"""The domain "textclass": its contract, splits, metrics and labels."""

import re

import numpy as np
import pytest
from pydantic import ValidationError
from support import textclass
from support.textclass import SMALL

from biasloop.contract.context import Work
from biasloop.contract.data import Frame, Samples
from biasloop.contract.domains import Demands, Grouped, Honouring, Labelling, Probabilistic, Sampled, Sparing, Storing
from biasloop.contract.labels import ARGMAX
from biasloop.contract.losing import Dropping, Heading, Losing, Varied
from biasloop.contract.randomness import Streams
from biasloop.errors import InvalidInput
from biasloop_textclass import TextClassDomain, century
from biasloop_textclass.recipes import recipe


@pytest.fixture
def table(tmp_path):
    return str(textclass.write(tmp_path / "own.csv", textclass.rows()))


def work(name: str = "call") -> Work:
    return Work(Streams((0, name)))


def samples(domain: TextClassDomain, ids=None, **more) -> Samples:
    splits = domain.splits()
    ids = np.setdiff1d(splits.pool, splits.unlabelled) if ids is None else ids
    return Samples(ids, np.zeros(len(ids), bool), domain.human_labels(ids), **more)


@pytest.mark.parametrize(
    "capability",
    [Dropping, Grouped, Heading, Honouring, Labelling, Losing, Probabilistic, Sampled, Sparing, Storing, Varied],
)
def test_it_has_the_capabilities_that_feedback_asks_for(capability):
    assert issubclass(TextClassDomain, capability)


def test_the_data_that_come_along_are_two_halves_of_a_century_of_near_equal_size():
    texts = century.read()
    assert texts.classes == ("early", "late")
    assert np.bincount(texts.labels).tolist() == [11_968, 12_322]
    assert texts.seconds is None
    assert texts.fingerprint == "316f858876ee962afb287e9e503ca7ba"


def test_splits_share_no_text_and_rows_without_a_label_are_in_the_pool(tmp_path, table):
    splits = textclass.domain(tmp_path, path=table, **SMALL).splits()
    assert (len(splits.test), len(splits.holdout), len(splits.pool)) == (20, 6, 64)
    assert splits.unlabelled.tolist() == [*range(84, 90)]
    assert np.array_equal(np.sort(np.concatenate([splits.test, splits.holdout, splits.pool])), np.arange(90))


def test_a_class_can_be_made_more_frequent(tmp_path, table):
    domain = textclass.domain(tmp_path, path=table, imbalance={"class": "pos", "factor": 4}, **SMALL)
    splits = domain.splits()
    ids = np.concatenate([splits.test, splits.holdout, np.setdiff1d(splits.pool, splits.unlabelled)])
    labels = domain.human_labels(ids)["target"]
    counts = np.bincount(labels)
    assert counts[1] == 4 * counts[0]
    assert domain.measure(domain.references(work()), samples(domain), {**vocabularies(domain)})["share_target"].n == 20


def vocabularies(domain):
    return {name: column.strings() for name, column in domain.vocabularies().items()}


def test_a_fit_learns_which_words_tell_the_class(tmp_path, table):
    domain = textclass.domain(tmp_path, path=table, **SMALL | {"epochs": 30, "learning_rate": 0.01})
    model = domain.fit(samples(domain), work("fit"))
    tables = {"test": domain.references(work())["test"].plus(domain.predict(model, work("predict"))["test"])}
    metrics = domain.measure(tables, samples(domain), vocabularies(domain))
    assert metrics["accuracy"].value >= 0.9
    assert {"recall.neg", "recall.pos", "worst_class_recall", "ece"} <= metrics.keys()


def test_metrics_compare_the_groups_of_the_table(tmp_path, table):
    domain = textclass.domain(tmp_path, path=table, columns={"group": ["sex", "age"]}, follow="neg", **SMALL)
    model = domain.fit(samples(domain), work("fit"))
    tables = {"test": domain.references(work())["test"].plus(domain.predict(model, work("predict"))["test"])}
    metrics = domain.measure(tables, samples(domain), vocabularies(domain))
    for column, values in {"sex": ("f", "m"), "age": ("old", "young")}.items():
        names = [f"accuracy.{value}.{column}" for value in values]
        assert metrics[f"worst_group_accuracy.{column}"].value == min(metrics[name].value for name in names)
        assert sum(metrics[name].n for name in names) == 20
        for name in ("bias_amp", "demographic_parity_difference", "equalized_odds_difference"):
            assert f"{name}.{column}" in metrics
    assert metrics["share_target"].n == 20


def test_categories_are_classes_and_where_there_are_groups_classes_in_groups(tmp_path, table):
    plain = textclass.domain(tmp_path, path=table, **SMALL)
    assert np.array_equal(plain.categories(samples(plain)), samples(plain).labels["target"])
    grouped = textclass.domain(tmp_path, path=table, columns={"group": ["sex", "age"]}, **SMALL)
    given = samples(grouped)
    sex, age = (grouped.groups(given.ids)[f"group.{name}"] for name in ("sex", "age"))
    assert np.array_equal(grouped.categories(given), given.labels["target"] * 4 + sex * 2 + age)


def test_losses_are_of_the_labels_that_samples_have(tmp_path, table):
    domain = textclass.domain(tmp_path, path=table, **SMALL)
    model, given = domain.fit(samples(domain), work("fit")), samples(domain)
    probabilities = domain.probabilities(model, given.ids, work())
    expected = -np.log(probabilities[np.arange(len(given)), given.labels["target"]])
    np.testing.assert_allclose(domain.losses(model, given, work()), expected, rtol=1e-5)


def test_weights_of_zero_leave_samples_out(tmp_path, table):
    domain = textclass.domain(tmp_path, path=table, **SMALL | {"epochs": 20, "learning_rate": 0.01})
    every = samples(domain)
    only = samples(domain, weights=(every.labels["target"] == 1).astype(float))
    model = domain.fit(only, work("fit"))
    assert (domain.label(model, every.ids, ARGMAX, work())["target"] == 1).all()


def test_pairs_are_learnt_from_both_texts(tmp_path):
    table = textclass.rows(120, 120)
    for number, row in enumerate(table):
        row["more"] = ("yes indeed", "no never")[number % 2]
        row["label"] = ("same", "other")[number % 2]
    path = textclass.write(tmp_path / "pairs.csv", table)
    settings = SMALL | {"epochs": 30, "learning_rate": 0.01, "length": 24}
    domain = textclass.domain(tmp_path, path=str(path), columns={"text2": "more"}, **settings)
    model = domain.fit(samples(domain), work("fit"))
    ids = domain.splits().test
    assert (domain.label(model, ids, ARGMAX, work())["target"] == domain.human_labels(ids)["target"]).mean() >= 0.9


def test_a_transformer_can_be_put_between(tmp_path, table):
    settings = SMALL | {"small": {"vocabulary": 300, "width": 8, "layers": 2}}
    domain = textclass.domain(tmp_path, path=table, **settings)
    model = domain.fit(samples(domain), work("fit"))
    assert len(model.blocks) == 2
    assert domain.probabilities(model, domain.splits().test, work()).shape == (20, 2)


def test_texts_are_encoded_once_for_all_runs(tmp_path, table, monkeypatch):
    from biasloop_textclass import encoding

    first = textclass.domain(tmp_path, path=table, **SMALL)
    model = first.fit(samples(first), work("fit"))
    monkeypatch.setattr(encoding.byte_pairs, "learn", lambda *_: pytest.fail("learnt again"))
    monkeypatch.setattr(encoding, "_batches", lambda *_: pytest.fail("encoded again"))
    second = textclass.domain(tmp_path, path=table, **SMALL)
    arrays = second.save("fit", second.fit(samples(second), work("fit")))
    for name, array in first.save("fit", model).items():
        assert np.array_equal(array, arrays[name])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": "file"}, 'data = "file" needs path'),
        ({"path": "own.csv"}, "path is given, and data is 'sotu-halves'"),
        ({"classes": ["a", "b"]}, 'of data = "file"'),
        ({"data": "file", "path": "own.csv", "classes": ["a", "a"]}, "`classes` names a class twice"),
        ({"data": "file", "path": "x", "columns": {"text2": "text"}}, "the column 'text' is named twice"),
        ({"data": "file", "path": "x", "columns": {"group": ["a/b"]}}, "cannot have a '/'"),
        ({"test": "published", "holdout": 5}, "stands for all splits as published"),
        ({"balanced_holdout": True}, 'goes with test = "published"'),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        TextClassDomain.Config.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"follow": "so-so"}, "domain.follow is 'so-so', and the classes are neg, pos"),
        ({"imbalance": {"class": "po", "factor": 2}}, "domain.imbalance.class is 'po', .* did you mean 'pos'"),
        ({"test": 80}, "domain.test 80 and domain.holdout 6 leave nothing to train on: .* 84 labelled texts"),
    ],
)
def test_check_refuses_what_a_run_would_fail_on(tmp_path, table, settings, message):
    with pytest.raises(InvalidInput, match=message):
        textclass.domain(tmp_path, path=table, **SMALL | settings).check(Demands())


def test_data_that_nobody_knows_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="domain.data is 'mlni', and no texts are called so .* did you mean 'mnli'"):
        textclass.domain(tmp_path, data="mlni")


def test_stored_results_are_measured_where_there_is_no_data(tmp_path):
    domain = textclass.domain(tmp_path, path=str(tmp_path / "gone.csv"), **SMALL)
    measured = domain.measure(
        {"test": Frame()} | tables(),
        Samples(np.zeros(0, np.int64), np.zeros(0, bool), Frame()),
        {"classes": ["neg", "pos"]},
    )
    assert measured["accuracy"].value == 0.5


def tables():
    from biasloop.contract.data import Column

    return {"test": Frame({
        "target": Column(np.array([0, 1])), "prediction": Column(np.array([1, 1])),
    })}  # fmt: skip


def test_several_heads_weigh_samples_each_in_its_own_way_and_come_back(tmp_path, table):
    domain = textclass.domain(tmp_path, path=table, **SMALL | {"epochs": 20, "learning_rate": 0.01})
    given = samples(domain)
    target = given.labels["target"]
    weights = np.stack([1.0 + 99 * (target == label) for label in range(2)])  # (heads, n)
    model = domain.fit_heads(given, weights, work("heads"))
    losses = domain.head_losses(model, given, work())
    assert losses.shape == (2, len(given))
    for label in range(2):
        assert losses[label, target == label].mean() < losses[1 - label, target == label].mean()
    again = domain.load_heads(domain.save_heads(model))
    assert np.array_equal(domain.head_losses(again, given, work()), losses)


def test_a_variant_trains_another_network_on_the_same_texts(tmp_path, table):
    domain = textclass.domain(tmp_path, path=table, **SMALL)
    other = domain.variant({"small": {"vocabulary": 300, "width": 4}, "epochs": 1})
    assert (other.fingerprint(), other.config.epochs) == (domain.fingerprint(), 1)
    assert np.array_equal(other.splits().test, domain.splits().test)
    assert other.fit(samples(other), work("fit")).tokens.embedding_dim == 4
    with pytest.raises(InvalidInput, match="test cannot be set for a model beside the run's own"):
        domain.variant({"test": 5})


def test_categories_have_names(tmp_path, table):
    assert textclass.domain(tmp_path, path=table, **SMALL).category_names() == ["neg", "pos"]
    grouped = textclass.domain(tmp_path, path=table, columns={"group": ["sex"]}, **SMALL)
    assert grouped.category_names() == ["neg, f", "neg, m", "pos, f", "pos, m"]


def test_the_learning_rate_depends_on_the_network_unless_it_is_set():
    for settings, rate in (
        ({}, 3e-3),
        ({"network": "./mine"}, 2e-5),
        ({"network": "./mine", "learning_rate": 1e-4}, 1e-4),
    ):
        config = TextClassDomain.Config.model_validate(settings)
        assert recipe(config).learning_rate == rate
        assert config.effective() == ({} if "learning_rate" in settings else {"learning_rate": rate})


def test_a_text_is_read_as_itself_whichever_others_are_used(tmp_path, table):
    every = textclass.domain(tmp_path, path=table, **SMALL)
    some = textclass.domain(tmp_path, path=table, imbalance={"class": "pos", "factor": 4}, **SMALL)
    ids, model = some.splits().pool, every.fit(samples(every), work())
    assert len(ids) < len(every.splits().pool)
    expected = every.probabilities(model, ids, work())
    np.testing.assert_allclose(some.probabilities(model, ids, work()), expected, atol=1e-6)
    assert len(np.unique(expected.round(5))) > 2


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_it_is_known_before_a_fit_whether_the_built_in_network_has_dropout(tmp_path, dropout):
    assert textclass.domain(tmp_path, small={"dropout": dropout}).has_dropout() is (dropout > 0)
