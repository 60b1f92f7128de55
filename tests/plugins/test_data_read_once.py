"""Domains of one plan share what they read where their settings say that it is the same, and nowhere else."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from support import commands, tabular, textclass

from biasloop.contract.context import Context
from biasloop.contract.data import Column
from biasloop.contract.randomness import Streams
from biasloop.datasets import get, glue
from biasloop.datasets.decoded import decoded
from biasloop.datasets.texts import SST2
from biasloop_command import CommandDomain
from biasloop_command import config as command
from biasloop_generators import config as generators
from biasloop_generators.domain import GeneratorsDomain
from biasloop_images import ImagesDomain
from biasloop_images import config as images
from biasloop_language import config as language
from biasloop_language.domain import LanguageDomain
from biasloop_tabular import TabularDomain
from biasloop_tabular import config as tables
from biasloop_textclass import TextClassDomain
from biasloop_textclass import config as texts

Settings = dict[str, object]


@dataclass(frozen=True)
class Case:
    """A domain, and two settings of each of its keys that differ in that key (with what else goes along).

    Attributes:
        domain: the class.
        base: settings that both have.
        shared: keys that data and splits do not depend on, each with another value.
        own: keys that they depend on, each with settings that have another value there.
        data: what is read and drawn.
    """

    domain: type
    base: Settings
    shared: Settings
    own: dict[str, tuple[Settings, Settings]]
    data: Callable[[object], list[object]]


def of_images(domain):
    splits = domain.splits()
    labels = domain.human_labels(splits.pool)["target"]
    return [splits.test, splits.pool, splits.holdout, splits.unlabelled, labels, domain._data.labels]


def of_command(domain):
    splits, table = domain.splits(), domain._table
    groups = [group.values for group in table.groups.values()]
    return [splits.test, splits.pool, splits.holdout, table.labels, table.classes, table.names, *groups,
            table.features.to_dict(as_series=False)]  # fmt: skip


def of_language(domain):
    return [domain.splits().test, domain.splits().pool, domain.fingerprint(), domain._pairs.prompts.strings()]


def of_texts(domain):
    splits, rows = domain.splits(), domain._texts
    groups = [group.values for group in rows.groups.values()]
    return [splits.test, splits.pool, splits.holdout, rows.labels, rows.classes, rows.fingerprint, *groups]


def of_tables(domain):
    splits, rows = domain.splits(), domain._rows
    groups = [group.values for group in rows.groups.values()]
    return [splits.test, splits.pool, splits.holdout, rows.labels, rows.classes, rows.fingerprint, *groups,
            domain._learner.table.slots]  # fmt: skip


def of_generators(domain):
    data = domain._data
    return [data.digest, data.labels, data.groups, data.train, data.valid, data.test]


def images_case(place):
    dataset = get("fashion-mnist-t10k").load(place)
    for name, rows in (("a", slice(0, 300)), ("b", slice(300, 600))):
        np.savez(place / f"{name}.npz", images=dataset.images[rows], labels=dataset.labels[rows])
        for number in range(4):
            folder = place / "folder" / "xy"[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            save(folder / f"{name}{number}.png", dataset.images[rows][number])
    base = {"data": "fashion-mnist-t10k", "test": 50}
    npz, folder = {"data": "npz", "path": str(place / "a.npz")}, {"data": "folder", "path": str(place / "folder")}
    shared = {
        "network": "resnet18", "width": 8, "depth": 8, "augment": False, "epochs": 3, "epochs_for": 100,
        "batch_size": 5, "learning_rate": 0.5, "momentum": 0.5, "nesterov": False, "weight_decay": 0.0,
        "decay_norms": False, "underfit": True, "schedule": "constant", "warm_up": 0.5, "warm_up_whole_epochs": True,
        "drop_last": True, "precision": "float32", "compile": True, "evaluation_batch": 7, "compat": "released",
        "shape": [32, 32, 3], "pixel_mean": [0.5], "pixel_std": [0.5], "optimizer": "adamw",
        "pretrained": False,
    }  # fmt: skip
    stream, rarer = ({"holdout": 200, "sampling": {"class": "coat", "share": share}} for share in (0.05, 0.01))
    own = {
        "data": ({}, npz),
        "path": (npz, {**npz, "path": str(place / "b.npz")}),
        "size": ({**folder, "test": 2, "size": 8}, {**folder, "test": 2, "size": 9}),
        "test": ({}, {"test": 60}),
        "holdout": ({}, {"holdout": 5}),
        "imbalance": ({"imbalance": {"class": "shirt", "factor": 9}}, {"imbalance": {"class": "shirt", "factor": 8}}),
        "split": ({}, {"split": "even-odd"}),
        "balanced": ({}, {"balanced": ["test"]}),
        "holdout_like": (stream, {**stream, "holdout_like": "stream"}),
        "classes": ({"classes": ["coat", "bag"]}, {"classes": ["coat", "shirt"]}),
        "relevant": ({}, {"relevant": ["coat"]}),
        "sampling": ({**stream, "holdout_like": "stream"}, {**rarer, "holdout_like": "stream"}),
        "noise": ({}, {"noise": {"share": 0.5}}),
        "categories": (
            {"categories": {"a": [0, 1, 2, 3, 4], "b": [5, 6, 7, 8, 9]}},
            {"categories": {"a": [0, 1], "b": [2, 3, 4, 5, 6, 7, 8, 9]}},
        ),
        "bias": ({"bias": {"epsilon": 30, "assignment": 0}}, {"bias": {"epsilon": 30, "assignment": 1}}),
    }
    return Case(ImagesDomain, base, shared, own, of_images)


def save(path, image):
    from PIL import Image

    Image.fromarray(image[:, :, 0]).save(path)


def command_case(place):
    rows = list(csv.DictReader(commands.table(place).open()))
    for name, changes in (("other", {"class": "a"}), ("split", {})):
        with (place / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, [*rows[0], "part", "third"])
            writer.writeheader()
            for number, row in enumerate(rows):
                part = "test" if number % 4 == 0 and row["class"] else "train"
                writer.writerow(
                    {**row, **(changes if number % 3 == 0 else {}), "part": part, "third": "uvw"[number % 3]}
                )
    split = {"data": str(place / "split.csv")}
    by_column = {**split, "test": None, "split": "part"}
    shared = {
        "train": ["sh", "other", "{train}", "{model}"], "predict": ["sh", "other", "{model}", "{input}", "{output}"],
        "train_seconds": 5.0, "predict_seconds": 5.0, "model_megabytes": 5, "output_megabytes": 5, "version": "2",
    }  # fmt: skip
    own = {
        "data": ({}, {"data": str(place / "other.csv")}),
        "target": ({}, {"target": "sex"}),
        "id": ({}, {"id": None}),
        "group": ({"group": "sex"}, {"group": "note"}),
        "split": (split, by_column),
        "test": ({}, {"test": 7}),
        "holdout": ({}, {"holdout": 3}),
        "classes": ({}, {"classes": ["b", "a"]}),
        "follow": ({}, {"follow": "a"}),
        "format": ({}, {"format": "jsonl"}),
    }
    return Case(CommandDomain, commands.settings(place), shared, own, of_command)


def language_case(place):
    for name in ("a", "b"):
        rows = [{"prompt": f"{name} {n}", "q": f"{n} {name}", "continuation": f"so {n}", "c": "" if n % 2 else "x"}
                for n in range(40)]  # fmt: skip
        (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lexicon = {"scorers": ["lexicon"], "lexicon": {"a": ["b"], "c": ["d"]}}
    shared = {
        "network": "small", "small": {"layers": 1}, "decoder": "beam", "top_p": 0.5, "beams": 3, "new_tokens": 4,
        "generation_tokens": 100, "epochs": 4, "batch_size": 2, "accumulation": 2, "learning_rate": 0.5,
        "evaluation_batch": 3, "scorers": lexicon, "lexicon": lexicon,
        "ratios": {**lexicon, "ratios": {"r": ["a", "c"]}}, "memorization": [3], "compat": "released",
    }  # fmt: skip
    own = {
        "data": ({}, {"data": str(place / "b.jsonl")}),
        "corpus": ({}, {"corpus": {"prompt": "q"}}),
        "test": ({}, {"test": 7}),
    }
    return Case(LanguageDomain, {"data": str(place / "a.jsonl"), "test": 6}, shared, own, of_language)


def texts_case(place):
    for name, count in (("a", 60), ("b", 70)):
        textclass.write(place / f"{name}.csv", textclass.rows(count, 50))

    def phrases(writer):  # as fetched and read
        writer.append("text0", Column.text([f"phrase {number}" for number in range(30)]))
        writer.append(glue.LABELS, Column((np.arange(30) % 6 < 2).astype(np.int64)))

    decoded(Context(place, Streams((0, "data"))), glue._name(SST2), phrases)
    own_file = {"data": "file", "path": str(place / "a.csv")}
    published = {"data": "sst2", "path": None, "test": "published"}
    shared = {
        "network": "./other", "small": {"width": 8}, "length": 9, "epochs": 3, "batch_size": 5, "learning_rate": 0.5,
        "weight_decay": 0.5, "schedule": "linear", "warm_up": 0.5, "precision": "float32", "evaluation_batch": 7,
        "follow": "pos",
    }  # fmt: skip
    own = {
        "data": ({}, {"data": "sst2", "path": None}),
        "path": ({}, {"path": str(place / "b.csv")}),
        "columns": ({}, {"columns": {"text2": "more", "group": ["sex"]}}),
        "classes": ({}, {"classes": ["pos", "neg"]}),
        "test": ({}, {"test": 7}),
        "holdout": ({}, {"holdout": 3}),
        "balanced_holdout": (published, {**published, "balanced_holdout": True}),
        "imbalance": ({"imbalance": {"class": "pos", "factor": 2}}, {"imbalance": {"class": "pos", "factor": 3}}),
    }
    return Case(TextClassDomain, {**own_file, "test": 6}, shared, own, of_texts)


def generators_case(place):
    draws = np.random.default_rng(0)
    for name in ("a", "b"):
        np.savez(
            place / f"{name}.npz",
            images=draws.integers(0, 256, (80, 32, 32), np.uint8), labels=np.arange(80) % 10,
        )  # fmt: skip
    base = {"data": "colored-npz", "path": str(place / "a.npz"), "generator": "testvae"}
    shared = {
        "generator": "vae", "classifier": "lenet", "latent": 5, "loss": "squared-mean", "generator_epochs": 3,
        "classifier_epochs": 3, "generator_batch": 5, "classifier_batch": 5, "generator_optimizer": "sgd",
        "classifier_optimizer": "adam", "generator_learning_rate": 0.5, "classifier_learning_rate": 0.5,
        "generator_weight_decay": 0.5, "classifier_weight_decay": 0.5, "classifier_steps": "loader",
        "match_samples": True, "freeze_norm": True, "mirror_evaluation": True, "evaluate_on": "test", "population": 5,
        "precision": "bfloat16", "evaluation_batch": 5,
    }  # fmt: skip
    own = {
        "data": ({}, {"data": "colored-fashion", "path": None}),
        "path": ({}, {"path": str(place / "b.npz")}),
        "images": ({}, {"images": 20}),
        "test_bias": ({"test_bias": "balanced"}, {"test_bias": "as-released"}),
        "threshold": ({}, {"threshold": 3}),
        "green": ({}, {"green": [0.1, 0.9]}),
        "noise": ({}, {"noise": 0.3}),
        "coloring_seed": ({}, {"coloring_seed": 3}),
        "compat": ({}, {"compat": "released"}),
    }
    return Case(GeneratorsDomain, base, shared, own, of_generators)


def tables_case(place):
    for name, count in (("a", 60), ("b", 70)):
        table = tabular.rows(count, 50)
        for number, row in enumerate(table):
            row |= {"part": "train" if number % 3 else "test" if number < 50 else "unlabelled", "number": str(number)}
        tabular.write(place / f"{name}.csv", table)
    trees = {"max_depth": 2}
    shared = {
        "estimator": "naive-bayes", "class_weight": "balanced", "follow": "no", "intersections": False,
        "logistic": {"C": 0.5}, "gradient_boosting": trees,
        "random_forest": trees, "decision_tree": trees,
        "naive_bayes": {"alpha": 2.0},
    }  # fmt: skip
    base = {"data": "file", "path": str(place / "a.csv"), "outcome": "repaid", "test": 6, "ignore": ["part"]}
    named = {"data": "adult", "path": None, "outcome": None, "ignore": None}
    own = {
        "data": ({}, named),
        "path": ({}, {"path": str(place / "b.csv")}),
        "outcome": ({}, {"outcome": "sex"}),
        "sensitive": ({}, {"sensitive": ["sex", "race"]}),
        "use_sensitive": ({"sensitive": "sex"}, {"sensitive": "sex", "use_sensitive": True}),
        "ignore": ({}, {"ignore": ["part", "job"]}),
        "id": ({}, {"id": "person"}),
        "split": ({}, {"split": "part", "test": None, "ignore": ["job"]}),
        "categorical": ({}, {"categorical": ["years"]}),
        "missing": ({}, {"missing": ["cook"]}),
        "bins": ({"sensitive": "years"}, {"sensitive": "years", "bins": {"years": [10]}}),
        "most_categories": ({}, {"most_categories": 199}),
        "classes": ({}, {"classes": ["yes", "no"]}),
        "test": ({}, {"test": 7}),
        "holdout": ({}, {"holdout": 3}),
    }
    return Case(TabularDomain, base, shared, own, of_tables)


CASES = {"images": images_case, "command": command_case, "language": language_case, "generators": generators_case,
         "tabular": tables_case, "textclass": texts_case}  # fmt: skip
TRAINING = {"images": images.TRAINING, "command": command.TRAINING, "language": language.TRAINING,
            "generators": generators.TRAINING, "tabular": tables.TRAINING, "textclass": texts.TRAINING}  # fmt: skip


@pytest.fixture(params=CASES)
def named(request, tmp_path):
    return request.param, CASES[request.param](tmp_path)


def build(case, changes, place, memory, seed=0):
    fields = case.domain.Config.model_fields  # settings go by the names of fields here, whatever a preset calls them
    settings = {fields[key].alias or key: value for key, value in {**case.base, **changes}.items()}
    config = case.domain.Config.model_validate(settings)
    return case.domain(config, Context(place, Streams((seed, "data")), memory=memory))


def same(left, right):
    """Whether two lists of what domains hold are equal, of arrays and anything else."""
    return len(left) == len(right) and all(
        np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in zip(left, right, strict=True)
    )


def test_it_is_said_of_every_setting_whether_data_depend_on_it(named):
    name, case = named
    assert case.shared.keys() | case.own.keys() == case.domain.Config.model_fields.keys()
    assert case.shared.keys() == TRAINING[name]


def test_data_are_shared_by_settings_that_they_do_not_depend_on(named, tmp_path):
    _, case = named
    for key, value in case.shared.items():
        changes = value if isinstance(value, dict) and key in value else {key: value}
        if key == "underfit":
            changes |= {"network": "resnet18"}
        memory = {}
        case.data(build(case, {}, tmp_path, memory))
        before = dict(memory)
        shared = case.data(build(case, changes, tmp_path, memory))
        assert memory, key
        assert all(memory[name][1] is before[name][1] for name in memory), key
        assert same(shared, case.data(build(case, changes, tmp_path, {}))), key


def test_data_are_read_anew_for_settings_that_they_depend_on(named, tmp_path):
    _, case = named
    for key, (left, right) in case.own.items():
        for changes in ((left, right), (right, left)):
            memory = {}
            case.data(build(case, changes[0], tmp_path, memory))
            assert same(
                case.data(build(case, changes[1], tmp_path, memory)), case.data(build(case, changes[1], tmp_path, {}))
            ), key


def test_what_is_drawn_with_another_seed_is_not_shared(named, tmp_path):
    _, case = named
    memory = {}
    first = case.data(build(case, {}, tmp_path, memory))
    other = case.data(build(case, {}, tmp_path, memory, seed=1))
    assert same(other, case.data(build(case, {}, tmp_path, {}, seed=1)))
    assert not same(other, first)
