import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from biasloop.contract import labels
from biasloop.contract.context import Context, Work
from biasloop.contract.data import Column, Frame, Samples
from biasloop.contract.domains import (
    Demands,
    Domain,
    Labelling,
    Learning,
    Probabilistic,
    Sampled,
    Storing,
    missing_methods,
)
from biasloop.contract.losing import Losing
from biasloop.contract.randomness import Streams
from biasloop.datasets import LabelledImages
from biasloop.discovery import checked
from biasloop.errors import Interrupted, InvalidInput
from biasloop_images import ImagesDomain
from biasloop_images import domain as module

torch.set_num_threads(1)
CLASSES = ("ring", "cross", "dots", "bars")
SETTINGS = {"data": "toy", "test": 12, "width": 2, "epochs": 3, "batch_size": 8, "evaluation_batch": 7}
IMBALANCE = {"class": "cross", "factor": 2}


def toy(per_class=20, channels=1):
    """Four classes of 8x8 images that differ in where they are bright."""
    draws = np.random.default_rng(3)
    labels = draws.permutation(np.repeat(np.arange(4), per_class))
    images = draws.integers(0, 90, (len(labels), 8, 8, channels), np.uint8)
    for row, label in enumerate(labels):
        images[row, 4 * (label // 2) : 4 * (label // 2) + 4, 4 * (label % 2) : 4 * (label % 2) + 4] += 150
    return LabelledImages(images, labels, CLASSES, {"all": slice(0, len(labels))})


@pytest.fixture
def data(monkeypatch):
    """The toy set under the name "toy"; its images can be replaced."""
    held = SimpleNamespace(images=toy(), loads=0)

    def load(_):
        held.loads += 1
        return held.images

    dataset = SimpleNamespace(
        classes=CLASSES, bytes=123, present=lambda path: path.name == "here", open=load, mean=None, std=None
    )
    monkeypatch.setattr(module.sources.datasets, "get", lambda name: {"toy": dataset}[name])
    return held


def make(tmp_path, seed=0, **changes):
    config = ImagesDomain.Config.model_validate({**SETTINGS, **changes})
    return ImagesDomain(config, Context(tmp_path, Streams((seed, "data")), threads=1))


def work(*names):
    return Work(Streams((0, *names)))


def samples(domain, count=40):
    ids = domain.splits().pool[:count]
    return Samples(ids, np.zeros(len(ids), np.bool_), domain.human_labels(ids))


def same(left, right):
    assert list(left.columns) == list(right.columns)
    for name in left.columns:
        assert left[name].dtype == right[name].dtype
        np.testing.assert_array_equal(left[name], right[name])


def test_has_the_capabilities_it_says(data):
    assert checked("images", ImagesDomain) is ImagesDomain
    for protocol in (Domain, Sampled, Learning, Labelling, Storing, Probabilistic, Losing):
        assert missing_methods(ImagesDomain, protocol) == []
        assert protocol not in ImagesDomain.__mro__


def test_import_loads_neither_torch_nor_other_heavy_packages():
    code = (
        "import sys, biasloop_images; "
        "heavy = 'torch', 'scipy', 'pandas', 'matplotlib', 'sklearn', 'PIL', 'h5py'; "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_requirements_without_loading(data, tmp_path):
    (absent,) = make(tmp_path).requirements()
    assert (absent.name, absent.kind, absent.bytes, absent.present) == ("toy", "data", 123, False)
    assert make(tmp_path / "here").requirements()[0].present
    assert data.loads == 0


def test_vocabulary_is_the_classes(data, tmp_path):
    assert make(tmp_path).vocabularies()["classes"].strings() == list(CLASSES)


def test_fingerprint_is_of_the_source_data(data, tmp_path):
    first = make(tmp_path).fingerprint()
    assert first == make(tmp_path, seed=5, imbalance=IMBALANCE, test=3).fingerprint()
    images = data.images.images.copy()
    images[0, 0, 0, 0] ^= 1
    data.images = LabelledImages(images, data.images.labels, CLASSES, {})
    changed = make(tmp_path).fingerprint()
    assert changed != first
    data.images = LabelledImages(images, data.images.labels[::-1].copy(), CLASSES, {})
    assert make(tmp_path).fingerprint() not in {first, changed}


def test_splits_partition_what_was_resampled(data, tmp_path):
    domain = make(tmp_path, imbalance=IMBALANCE, test=12, holdout=5)
    splits = domain.splits()
    together = np.concatenate([splits.test, splits.holdout, splits.pool])
    assert (len(splits.test), len(splits.holdout), len(splits.pool)) == (12, 5, 20 + 3 * 10 - 17)
    assert len(set(together.tolist())) == len(together)
    assert np.bincount(data.images.labels[together]).tolist() == [10, 20, 10, 10]
    assert len(splits.unlabelled) == 0


def test_test_set_is_a_uniform_draw(data, tmp_path):
    hits = np.zeros(80)
    for seed in range(300):
        hits[make(tmp_path, seed=seed).splits().test] += 1
    expected = 300 * 12 / 80
    chi_square = ((hits - expected) ** 2 / (expected * (1 - 12 / 80))).sum()
    assert chi_square < 130  # 79 degrees of freedom: exceeded once in 4,000


def test_data_seed_decides_the_splits(data, tmp_path):
    first = make(tmp_path, epochs=9).splits().test
    np.testing.assert_array_equal(first, make(tmp_path).splits().test)
    assert not np.array_equal(first, make(tmp_path, seed=1).splits().test)


@pytest.mark.parametrize(("test", "holdout", "fine"), [(79, 0, True), (80, 0, False), (70, 9, True), (70, 10, False)])
def test_a_test_set_that_leaves_nothing_is_refused(data, tmp_path, test, holdout, fine):
    domain = make(tmp_path, test=test, holdout=holdout)
    if fine:
        assert len(domain.splits().pool) == 1
        return
    with pytest.raises(InvalidInput, match=r"domain\.test \d+.* leaves? nothing to train on: toy has 80 images"):
        domain.splits()


def test_truth(data, tmp_path):
    ids = np.array([5, 3, 70])
    truth = make(tmp_path).human_labels(ids)
    np.testing.assert_array_equal(truth["target"], data.images.labels[ids])
    assert truth["confidence"].tolist() == [1, 1, 1]
    columns = truth.columns
    assert {name: (c.values.dtype.name, c.role, c.vocabulary) for name, c in columns.items()} == {
        "target": ("int64", "target", "classes"),
        "confidence": ("float32", "confidence", ""),
    }


def test_learns_the_toy_and_predicts_its_test_set(data, tmp_path):
    domain = make(tmp_path, epochs=30, width=4, augment=False)
    model = domain.fit(samples(domain, 60), work("fit"))
    test = domain.references(work("answers"))["test"].plus(domain.predict(model, work("predict"))["test"])
    np.testing.assert_array_equal(test["ids"], domain.splits().test)
    np.testing.assert_array_equal(test["target"], data.images.labels[test["ids"]])
    assert (test["prediction"] == test["target"]).mean() > 0.9
    assert test["prediction"].dtype == np.int64
    assert test["confidence"].dtype == np.float32
    assert ((test["confidence"] > 0.25) & (test["confidence"] <= 1)).all()


def test_fit_is_from_scratch_and_a_function_of_streams_and_samples(data, tmp_path):
    domain = make(tmp_path)
    train = samples(domain)
    first = domain.save("m", domain.fit(train, work(0, "fit")))
    torch.manual_seed(4)
    again = domain.save("m", domain.fit(train, work(0, "fit")))
    other = domain.save("m", domain.fit(train, work(1, "fit")))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_fit_trains_on_the_labels_it_is_given(data, tmp_path):
    domain = make(tmp_path, epochs=10)
    ids = domain.splits().pool
    zeros = Column(np.zeros(len(ids), np.int64), role="target", vocabulary="classes")
    model = domain.fit(Samples(ids, np.ones(len(ids), np.bool_), Frame({"target": zeros})), work("fit"))
    assert (domain.predict(model, work("p"))["test"]["prediction"] == 0).all()


def test_interrupted_fit_resumes_to_the_same_bits(data, tmp_path):
    class Stopping(Work):
        kept = None

        def tick(self, done, total, state=None, epoch=None):
            self.kept = state() if state else self.kept
            if done == 8:
                raise Interrupted

    class Resuming(Work):
        def resume(self):
            return stopped.kept

    domain = make(tmp_path)
    train = samples(domain)
    whole = domain.save("m", domain.fit(train, work("fit")))
    stopped = Stopping(Streams((0, "fit")))
    with pytest.raises(Interrupted):
        domain.fit(train, stopped)
    assert stopped.kept["epoch"] == 1
    resumed = domain.save("m", domain.fit(train, Resuming(Streams((0, "fit")))))
    assert {name: a.tobytes() for name, a in resumed.items()} == {name: a.tobytes() for name, a in whole.items()}


@pytest.mark.parametrize("network", ["small-cnn", "resnet18"])
@pytest.mark.parametrize("channels", [1, 3])
def test_saved_and_loaded_predicts_the_same_bits(data, tmp_path, network, channels):
    data.images = toy(channels=channels)
    domain = make(tmp_path, network=network, epochs=1)
    model = domain.fit(samples(domain), work("fit"))
    arrays = {name: np.array(array) for name, array in domain.save("model", model).items()}
    state = torch.get_rng_state()
    other = make(tmp_path, network=network, epochs=1).load("model", arrays)
    assert torch.equal(torch.get_rng_state(), state)
    same(domain.predict(other, work("p"))["test"], domain.predict(model, work("p"))["test"])


def test_label_has_the_columns_of_truth(data, tmp_path):
    domain = make(tmp_path)
    model = domain.fit(samples(domain), work("fit"))
    ids = domain.splits().pool[-9:]
    for by in domain.label_rules():
        given, truth = domain.label(model, ids, by, work("label")), domain.human_labels(ids)
        assert len(Frame.join([given, truth])) == 18
        for name, column in truth.columns.items():
            mine = given.columns[name]
            assert (mine.values.dtype, mine.role, mine.vocabulary) == (
                column.values.dtype,
                column.role,
                column.vocabulary,
            )
        assert len(domain.label(model, ids[:0], by, work("label"))) == 0


def test_argmax_labels_are_the_predictions(data, tmp_path):
    domain = make(tmp_path)
    model = domain.fit(samples(domain), work("fit"))
    given = domain.label(model, domain.splits().test, "argmax", work("label"))
    predicted = domain.predict(model, work("predict"))["test"]
    np.testing.assert_array_equal(given["target"], predicted["prediction"])
    np.testing.assert_array_equal(given["confidence"], predicted["confidence"])


def test_sampled_labels_depend_on_stream_and_id(data, tmp_path):
    domain = make(tmp_path, epochs=1)
    model = domain.fit(samples(domain), work("fit"))
    ids = domain.splits().pool
    whole = domain.label(model, ids, "sample", work("label"))["target"]
    assert not np.array_equal(whole, domain.label(model, ids, "argmax", work("label"))["target"])
    for part in (ids[::-1], ids[10:13], ids[3:4]):
        places = np.searchsorted(ids, part)
        np.testing.assert_array_equal(domain.label(model, part, "sample", work("label"))["target"], whole[places])
    assert not np.array_equal(whole, domain.label(model, ids, "sample", work("other"))["target"])


def test_an_unknown_label_rule_is_refused(data, tmp_path):
    with pytest.raises(InvalidInput, match="'beam'; domain images knows argmax and sample"):
        make(tmp_path).label(None, np.arange(3), "beam", work("label"))


def test_probabilities_are_what_labels_and_predictions_are_given_by(data, tmp_path):
    domain = make(tmp_path)
    model = domain.fit(samples(domain), work("fit"))
    ids = domain.splits().test
    probabilities = domain.probabilities(model, ids, work("probabilities"))
    assert (probabilities.shape, probabilities.dtype) == ((12, 4), np.float64)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-12)
    predicted = domain.predict(model, work("predict"))["test"]
    np.testing.assert_array_equal(probabilities.argmax(1), predicted["prediction"])
    np.testing.assert_array_equal(probabilities.max(1).astype(np.float32), predicted["confidence"])
    drawn = domain.label(model, ids, "sample", work("label"))
    expected = labels.labelled(probabilities, "sample", ids, work("label").streams)
    np.testing.assert_array_equal(drawn["target"], expected["target"])
    np.testing.assert_array_equal(drawn["confidence"], expected["confidence"])
    assert domain.probabilities(model, ids[:0], work("probabilities")).shape == (0, 4)


def test_probabilities_and_losses_of_a_row_depend_on_no_other(data, tmp_path):
    domain = make(tmp_path)
    train = samples(domain)
    model = domain.fit(train, work("fit"))
    order = np.random.default_rng(0).permutation(len(train))[:23]  # in other batches, in another order
    some = Samples(train.ids[order], train.synthetic[order], train.labels.take(order))
    together = domain.probabilities(model, train.ids, work("p"))
    np.testing.assert_allclose(domain.probabilities(model, some.ids, work("p")), together[order], atol=1e-6)
    losses = domain.losses(model, train, work("l"))
    np.testing.assert_allclose(domain.losses(model, some, work("l")), losses[order], atol=1e-5)


def test_losses_are_cross_entropies_without_weights_and_leave_the_network_in_its_mode(data, tmp_path):
    domain = make(tmp_path)
    train = samples(domain)
    model = domain.fit(train, work("fit"))
    model.train()
    losses = domain.losses(model, replace(train, weights=np.full(len(train), 3.0)), work("losses"))
    assert (losses.shape, losses.dtype, model.training) == ((40,), np.float64, True)
    given = domain.probabilities(model, train.ids, work("p"))[np.arange(40), train.labels["target"]]
    np.testing.assert_allclose(losses, -np.log(given), rtol=1e-9)


def test_categories_are_the_classes(data, tmp_path):
    domain = make(tmp_path)
    train = samples(domain)
    np.testing.assert_array_equal(domain.categories(train), train.labels["target"])


def test_predicting_leaves_modes_and_generators_alone(data, tmp_path):
    domain = make(tmp_path)
    model = domain.fit(samples(domain), work("fit"))
    expected = domain.predict(model, work("p"))["test"]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    state = torch.get_rng_state()
    same(domain.predict(model, work("p"))["test"], expected)
    domain.label(model, domain.splits().pool, "sample", work("l"))
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_data_are_loaded_once(data, tmp_path):
    domain = make(tmp_path)
    domain.predict(domain.fit(samples(domain), work("fit")), work("p"))
    domain.fingerprint()
    assert data.loads == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"epoch": 3},
        {"epochs": 0},
        {"epochs": "3"},
        {"width": 0},
        {"test": 0},
        {"network": ""},
        {"momentum": 1.0},
        {"imbalance": {"class": "cross"}},
        {"imbalance": {"class": "cross", "factor": 0}},
        {"imbalance": {"class": "cross", "factor": 2, "more": 1}},
        {"augment": {"padding": -1}},
        {"augment": 3},
        {"learning_rate": -0.1},
    ],
)
def test_settings_that_make_no_sense_are_refused(changes):
    with pytest.raises(ValidationError):
        ImagesDomain.Config.model_validate({**SETTINGS, **changes})


def test_settings_survive_a_round_trip():
    config = ImagesDomain.Config.model_validate({**SETTINGS, "imbalance": IMBALANCE, "augment": {"padding": 2}})
    dumped = config.model_dump()
    assert dumped["imbalance"] == IMBALANCE
    assert ImagesDomain.Config.model_validate(dumped) == config


def test_every_setting_is_described():
    for name, held in ImagesDomain.Config.model_fields.items():
        assert held.description, name


def test_an_unknown_class_is_refused_before_loading(data, tmp_path):
    with pytest.raises(InvalidInput, match="did you mean 'cross'"):
        make(tmp_path, imbalance={"class": "crss", "factor": 2}).check(Demands())
    assert data.loads == 0


def test_shipped_data_resampled_for_the_quickstart(tmp_path):
    """1,000 images a class: 999 shirts and 111 of each other class at factor 9."""
    config = {"data": "fashion-mnist-t10k", "test": 500, "imbalance": {"class": "shirt", "factor": 9}}
    domain = ImagesDomain(ImagesDomain.Config.model_validate(config), Context(tmp_path, Streams((0, "data"))))
    splits = domain.splits()
    assert len(splits.test) == 500
    assert len(splits.pool) == 1_498
    targets = domain.human_labels(np.concatenate([splits.test, splits.pool]))["target"]
    assert np.bincount(targets).tolist() == [111] * 6 + [999] + [111] * 3


def test_a_page_shows_the_pool_and_counts_labelled_images(data, tmp_path):
    labels = data.images.labels.copy()
    labels[:4] = -1
    data.images = LabelledImages(data.images.images, labels, CLASSES, data.images.splits)
    domain = make(tmp_path, holdout=8)
    splits, page = domain.splits(), domain.page(30, work("page"))
    assert page.pictures.shape == (30, 8, 8, 1)
    rows = {image.tobytes(): row for row, image in enumerate(data.images.images)}
    shown = [rows[picture.tobytes()] for picture in page.pictures]
    assert len(set(shown)) == 30
    assert set(shown) <= set(splits.pool.tolist())
    assert shown != sorted(shown)  # files are often sorted by class
    assert list(page.counts) == ["pool", "holdout", "test"]
    assert page.counts["pool"].sum() == len(splits.pool) - 4
    for name, ids in (("holdout", splits.holdout), ("test", splits.test)):
        assert page.counts[name].tolist() == [(labels[ids] == i).sum() for i in range(4)]
    assert (page.targets, page.classes) == (("class",), (CLASSES,))
