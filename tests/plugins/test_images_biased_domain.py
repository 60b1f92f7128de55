"""Biased data in the domain: splits, tables, pixels, metrics, and loops over them."""

import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.loops import OPTIONS, records
from support.standard_errors import assert_checked

from biasloop.config.experiment import Experiment
from biasloop.contract.context import Context, Work
from biasloop.contract.data import Frame, Samples
from biasloop.contract.domains import names_in
from biasloop.contract.randomness import Streams
from biasloop.datasets import LabelledImages
from biasloop.errors import InvalidInput
from biasloop.feedback.accumulate import Accumulate
from biasloop.running import engine
from biasloop.store.reader import Run
from biasloop_images import ImagesDomain
from biasloop_images import domain as module

torch.set_num_threads(1)
CLASSES = ("ring", "cross", "dots", "bars", "stars", "waves")
PER_CLASS = (31, 24, 40, 27, 25, 33)
TRAIN = 140
SETTINGS = {"data": "toy", "test": "published", "width": 2, "epochs": 1, "batch_size": 8, "augment": False}
TASKS = [["ring", "dots"], ["cross", "bars"]]
OVERLAY = {
    "attribute": "overlay",
    "eta": 40,
    "epsilon": 20,
    "tasks": [["ring"], ["dots"]],
    "groups": [["waves"], ["bars"]],
}


def toy():
    """Six classes of unequal size, 8x8 grey, in no order."""
    draws = np.random.default_rng(3)
    labels = draws.permutation(np.repeat(np.arange(6), PER_CLASS))
    images = draws.integers(0, 60, (len(labels), 8, 8, 1), np.uint8)
    for row, label in enumerate(labels):
        images[row, label : label + 3, 2:6] += 150
    return LabelledImages(images, labels, CLASSES, {})


@pytest.fixture
def data(monkeypatch):
    held = SimpleNamespace(images=toy())
    dataset = SimpleNamespace(
        classes=CLASSES, bytes=1, present=lambda _: True, open=lambda _: held.images, mean=None, std=None,
        splits={"train": slice(0, TRAIN), "test": slice(TRAIN, sum(PER_CLASS))},
    )  # fmt: skip
    monkeypatch.setattr(module.sources.datasets, "get", lambda name: {"toy": dataset}[name])
    return held


def make(place, bias=None, **changes):
    config = ImagesDomain.Config.model_validate({**SETTINGS, **({} if bias is None else {"bias": bias}), **changes})
    return ImagesDomain(config, Context(place, Streams((0, "data")), threads=1))


def work(*names):
    return Work(Streams((0, *names)))


def labelled(domain, ids):
    return Samples(ids, np.zeros(len(ids), np.bool_), domain.human_labels(ids))


def seen(domain, ids):
    """The images that models see."""
    kept = domain._pictures[0]
    return kept.images[kept.rows(ids)]


def everything(splits):
    return np.concatenate([splits.test, splits.holdout, splits.pool])


def test_the_published_test_split(data, tmp_path):
    splits = make(tmp_path, holdout=10).splits()
    assert np.array_equal(splits.test, np.arange(TRAIN, sum(PER_CLASS)))
    assert (len(splits.holdout), len(splits.pool)) == (10, TRAIN - 10)
    assert set(everything(splits).tolist()) == set(range(sum(PER_CLASS)))
    with pytest.raises(InvalidInput, match=f'test "published" and domain.holdout {TRAIN} leave nothing to train on'):
        make(tmp_path, holdout=TRAIN).splits()


def test_data_without_a_published_test_split(data, tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, images=data.images.images, labels=data.images.labels)
    own = ImagesDomain(
        ImagesDomain.Config.model_validate({"data": "npz", "path": str(path), "test": "published"}),
        Context(tmp_path, Streams((0, "data"))),
    )
    with pytest.raises(InvalidInput, match="no published test split .it is not a published one.; set domain.test to a"):
        own.splits()


def test_a_data_set_that_is_a_test_split_leaves_nothing(tmp_path):
    config = ImagesDomain.Config.model_validate({"test": "published"})
    with pytest.raises(InvalidInput, match='"published" leaves nothing to train on: .* set domain.test to a number'):
        ImagesDomain(config, Context(tmp_path, Streams((0, "data")))).splits()


def test_merged_and_inverted(data, tmp_path):
    domain = make(tmp_path, {"epsilon": 30, "assignment": 4}, holdout=20)
    splits, labels, images = domain.splits(), data.images.labels, data.images.images
    design, ids = domain._design, everything(domain.splits())
    names = {name: column.strings() for name, column in domain.vocabularies().items()}
    assert names == {"classes": ["task0", "task1"], "groups": ["plain", "inverted"], "sources": list(CLASSES)}
    assert np.array_equal(domain.human_labels(ids)["target"], design.task_of[labels[ids]])
    assert domain.human_labels(ids).columns["target"].vocabulary == "classes"
    groups = domain._biased.groups
    for part in (splits.test, splits.holdout, splits.pool):
        for task, percent in ((0, 80), (1, 20)):
            inside = design.task_of[labels[part]] == task
            assert 2 * abs(100 * int(groups[part][inside].sum()) - percent * int(inside.sum())) <= 100
    flipped = groups[ids] == 1
    found = seen(domain, ids)
    assert np.array_equal(found[flipped], 255 - images[ids][flipped])
    assert np.array_equal(found[~flipped], images[ids][~flipped])
    assert len(splits.pool) + len(splits.holdout) == TRAIN
    assert np.array_equal(data.images.images, toy().images)


def test_the_test_set_can_be_halved(data, tmp_path):
    """Of each task an even number: at epsilon 0 tasks and groups are exactly independent."""
    for row in range(6):
        domain = make(tmp_path, {"epsilon": 0, "assignment": row}, test=57)
        references = domain.references(work("a"))["test"]
        counts = np.zeros((2, 2), int)
        np.add.at(counts, (references["group"], references["target"]), 1)
        assert np.array_equal(counts[0], counts[1])
        assert 55 <= len(references) <= 57
        predicted = np.random.default_rng(row).integers(0, 2, len(references))
        guessed = Frame({"prediction": references.columns["target"].__class__(predicted)})
        found = domain.measure(
            {"test": references.plus(guessed)}, labelled(domain, domain.splits().pool), names_in(domain)
        )
        assert found["bias_amp"].value == pytest.approx(0, abs=1e-12)
        share = (references["target"] == 0).mean()
        assert found["epsilon_target"].value == pytest.approx(abs(share - 0.5))
    one = make(tmp_path, {"epsilon": 50}, test=57).splits().test
    assert np.array_equal(one, make(tmp_path, {"epsilon": 0}, test=57).splits().test)


def test_answers_have_group_and_source(data, tmp_path):
    domain = make(tmp_path, {"epsilon": 20})
    references = domain.references(work("a"))["test"]
    assert {name: (column.role, column.vocabulary) for name, column in references.columns.items()} == {
        "ids": ("ids", ""),
        "target": ("target", "classes"),
        "group": ("group", "groups"),
        "source": ("", "sources"),
    }
    assert np.array_equal(references["source"], data.images.labels[references["ids"]])
    assert np.array_equal(references["target"], domain._design.task_of[references["source"]])
    assert np.array_equal(references["group"], domain._biased.groups[references["ids"]])


def test_classes_in_no_task_are_left_out(data, tmp_path):
    domain = make(tmp_path, {"epsilon": 20, "tasks": TASKS})
    ids = everything(domain.splits())
    assert set(data.images.labels[ids].tolist()) == {0, 1, 2, 3}
    of_pool = np.isin(data.images.labels[:TRAIN], [0, 1, 2, 3])
    assert np.array_equal(domain.splits().pool, np.flatnonzero(of_pool))


def test_three_tasks(data, tmp_path):
    domain = make(tmp_path, {"epsilon": 40, "task_count": 3, "probabilities": "evenly-spaced"})
    pool = domain.splits().pool
    targets, groups = domain.human_labels(pool)["target"], domain._biased.attributes[pool]
    shares = [groups[targets == task].mean() for task in range(3)]
    assert np.allclose(shares, [0.1, 0.5, 0.9], atol=0.02)
    model = domain.fit(labelled(domain, pool), work("fit"))
    test = domain.references(work("a"))["test"].plus(domain.predict(model, work("p"))["test"])
    found = domain.measure({"test": test}, labelled(domain, pool), names_in(domain))
    assert {"bias_amp", "bias_amp.inverted.task2", "recall.task2", "mce"} <= set(found)
    assert "effective_epsilon" not in found


@pytest.mark.parametrize(("tasks", "swap"), [(TASKS, False), ([*TASKS, ["stars"]], False), ([*TASKS, ["stars"]], True)])
def test_losses_are_balanced_over_the_classes_of_each_group(data, tmp_path, tasks, swap):
    domain = make(tmp_path, {"epsilon": 20, "tasks": tasks, "swap": swap})
    ids = domain.splits().pool
    train = labelled(domain, ids)
    categories, groups = domain.categories(train), len(tasks) if swap else 2
    assert set(categories.tolist()) == set(range(2 * len(tasks)))
    np.testing.assert_array_equal(categories // groups, train.labels["target"])
    np.testing.assert_array_equal(categories % groups, domain.groups(ids)["group"])


def test_swapped(data, tmp_path):
    plain, swapped = (make(tmp_path, {"epsilon": 30, "swap": swap}) for swap in (False, True))
    one, other = (domain.references(work("a"))["test"] for domain in (plain, swapped))
    assert np.array_equal(one["target"], other["group"])
    assert np.array_equal(one["group"], other["target"])
    assert np.array_equal(seen(plain, one["ids"]), seen(swapped, one["ids"]))
    assert swapped.vocabularies()["classes"].strings() == ["plain", "inverted"]


def test_a_swapped_model_learns_what_is_inverted(data, tmp_path):
    domain = make(tmp_path, {"epsilon": 10, "swap": True}, epochs=8, width=4)
    model = domain.fit(labelled(domain, domain.splits().pool), work("fit"))
    test = domain.references(work("a"))["test"].plus(domain.predict(model, work("p"))["test"])
    found = domain.measure({"test": test}, labelled(domain, domain.splits().pool), names_in(domain))
    assert found["accuracy"].value > 0.9
    assert "accuracy.task0.inverted" in found


def test_an_overlay_blends_each_group_image_once(data, tmp_path):
    domain = make(tmp_path, OVERLAY)
    splits, biased, labels, images = domain.splits(), domain._biased, data.images.labels, data.images.images
    ids = everything(splits)
    assert set(labels[ids].tolist()) == {0, 2}
    partners = biased.partners[ids]
    assert len(set(partners.tolist())) == len(ids)
    assert np.array_equal(labels[partners], np.array([5, 3])[biased.groups[ids]])
    assert ((ids < TRAIN) == (partners < TRAIN)).all()  # within its split
    expected = images[ids].astype(float) + 0.4 * (images[partners].astype(float) - images[ids])
    assert np.abs(seen(domain, ids) - np.floor(expected + 1e-9)).max() <= 1
    for part in (splits.test, splits.pool):
        counts = np.bincount(labels[part], minlength=6)[[0, 2]]
        assert counts[0] == counts[1]
        assert counts[0] % 2 == 0
        first = biased.groups[part][labels[part] == 0] == 0
        assert abs(first.mean() - 0.7) <= 0.5 / len(first) + 1e-9
    assert domain.vocabularies()["groups"].strings() == ["waves", "bars"]


@pytest.mark.parametrize(("eta", "hidden"), [(0, "group"), (100, "task")])
def test_the_ends_of_eta(data, tmp_path, eta, hidden):
    domain = make(tmp_path, {**OVERLAY, "eta": eta})
    ids = domain.splits().pool
    shown = ids if hidden == "group" else domain._biased.partners[ids]
    assert np.array_equal(seen(domain, ids), data.images.images[shown])


def test_a_fraction_of_the_pool(data, tmp_path):
    whole = make(tmp_path, {"epsilon": 20})
    domain = make(tmp_path, {"epsilon": 20, "fraction": 0.5})
    pool, labels = domain.splits().pool, data.images.labels
    assert set(pool.tolist()) < set(whole.splits().pool.tolist())
    counts = np.bincount(labels[:TRAIN], minlength=6)
    assert np.array_equal(np.bincount(labels[pool], minlength=6), np.rint(counts * 0.5))
    assert np.array_equal(domain.splits().test, whole.splits().test)
    assert np.array_equal(domain.references(work("a"))["test"]["group"], whole.references(work("a"))["test"]["group"])
    smaller = make(tmp_path, {"epsilon": 20, "fraction": 0.2}).splits().pool
    assert set(smaller.tolist()) < set(pool.tolist())


def test_test_lists_are_shared_unless_told(data, tmp_path):
    def groups(row, **more):
        # With the groups' shares all equal the merge does not matter for the list.
        references = make(tmp_path, {"epsilon": 0, "assignment": row, "tasks": TASKS, **more}).references(work("a"))[
            "test"
        ]
        return references["group"]

    assert np.array_equal(groups(0), groups(1))
    assert not np.array_equal(groups(0, own_test_lists=True), groups(1, own_test_lists=True))


def test_pixels_are_normalised_as_if_nothing_were_inverted(data, tmp_path):
    plain, biased = make(tmp_path), make(tmp_path, {"epsilon": 50})
    assert np.array_equal(plain._pictures[0].mean, biased._pictures[0].mean)
    assert np.array_equal(plain._pictures[0].std, biased._pictures[0].std)
    assert plain.fingerprint() == biased.fingerprint()  # of the source data


def test_padding_stays_black(data, tmp_path):
    domain = make(tmp_path, {"epsilon": 50}, shape=[10, 10, 3])
    images = seen(domain, domain.splits().pool)
    assert images.shape[1:] == (10, 10, 3)
    assert images[:, 0].max() == 0


def test_a_page_counts_classes_and_groups(data, tmp_path):
    domain = make(tmp_path, {"epsilon": 30})
    page, splits = domain.page(20, work("page")), domain.splits()
    assert page.targets == ("class", "group")
    assert page.classes == (("task0", "task1"), ("plain", "inverted"))
    for name, ids in (("pool", splits.pool), ("test", splits.test)):
        expected = np.zeros((2, 2), int)
        np.add.at(expected, (domain._biased.tasks[ids], domain._biased.groups[ids]), 1)
        assert np.array_equal(page.counts[name], expected)
    rows = {image.tobytes(): row for row, image in enumerate(seen(domain, splits.pool))}
    assert all(picture.tobytes() in rows for picture in page.pictures)


def test_what_does_not_go_together(data, tmp_path):
    with pytest.raises(InvalidInput, match=r"domain\.imbalance .* and domain\.bias .* set one of the two"):
        make(tmp_path, {"epsilon": 1}, imbalance={"class": "ring", "factor": 2})
    with pytest.raises(InvalidInput, match="'bars' of domain.bias has 1 images in the test set, and needs 2; raise"):
        make(tmp_path, {"epsilon": 1, "tasks": [["ring"], ["bars"]]}, test=10).splits()
    with pytest.raises(InvalidInput, match=r"has 0 images in the part of the pool that domain.bias.fraction keeps"):
        make(tmp_path, {"epsilon": 1, "fraction": 0.01}).splits()
    labels = data.images.labels.copy()
    labels[TRAIN:][labels[TRAIN:] == 5] = 1
    data.images = LabelledImages(data.images.images, labels, CLASSES, {})
    with pytest.raises(InvalidInput, match="'waves' of domain.bias has 0 images in the test set, too few for an over"):
        make(tmp_path, OVERLAY).splits()
    labels = data.images.labels.copy()
    labels[:7] = -1
    data.images = LabelledImages(data.images.images, labels, CLASSES, {})
    with pytest.raises(InvalidInput, match=r"needs the class of every image, and 7 have no label; leave them out"):
        make(tmp_path, {"epsilon": 1}).splits()


@pytest.mark.parametrize("bias", [{"epsilon": 30}, {"epsilon": 30, "swap": True}, OVERLAY])
def test_a_loop_over_biased_data(data, tmp_path, bias):
    domain = make(tmp_path, bias)
    size = len(domain.splits().pool) // 2
    experiment = Experiment.model_validate(
        {
            "name": "biased",
            "domain": {"name": "images", **domain.config.model_dump()},
            "loop": {"start": size, "human": 2, "model": 6, "rounds": 2, "snapshots": 1},
        }
    )
    rule = Accumulate(experiment.loop, domain, "images", Streams((0,)))
    engine.run(engine.Prepared(experiment, 0, domain, rule), tmp_path / "run", OPTIONS)
    setup, *rounds = records(Run.open(tmp_path / "run"))
    assert setup.frames["vocabulary.groups"].columns["name"].strings() == list(domain._design.attributes)
    assert set(setup.evaluations["test"].metrics) == {"epsilon_target", "epsilon_train"}
    assert setup.evaluations["test"].tables["test"].columns["group"].role == "group"
    for number, record in enumerate(rounds):
        metrics = record.evaluations["test"].metrics
        named = {"bias_amp", "mce", "calibration_gap", "demographic_parity_difference", "effective_epsilon", "accuracy"}
        assert named <= set(metrics)
        assert math.isfinite(metrics["bias_amp"].value)
        assert metrics["epsilon_train"].n == size + 8 * number
        of_epoch = record.evaluations["epoch-0001"].metrics  # the only one: all that is not of labels is the same
        assert of_epoch.keys() == metrics.keys() - {"label_error"}
        assert of_epoch["epsilon_train"] == metrics["epsilon_train"]
    assert_checked(Run.open(tmp_path / "run"))


def test_references_and_metrics_need_no_torch():
    code = """
import sys
from pathlib import Path
import numpy as np
from biasloop.contract.data import Column, Frame, Samples
from biasloop.contract.context import Context, Work
from biasloop.contract.domains import names_in
from biasloop.contract.randomness import Streams
from biasloop_images import ImagesDomain
config = ImagesDomain.Config.model_validate({"test": 200, "bias": {"epsilon": 20}})
domain = ImagesDomain(config, Context(Path("unused"), Streams((0, "data"))))
pool = domain.splits().pool
answers = domain.references(Work(Streams((0,))))["test"]
domain.measure({"test": answers}, Samples(pool, np.zeros(len(pool), bool), domain.human_labels(pool)), names_in(domain))
domain.fingerprint()
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
