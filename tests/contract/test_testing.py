"""The conformance kit: every bundled domain and the toy pass it, and it names the one defect of each broken toy."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tomli
from biasloop_toy import ToyDomain
from support import broken_toys, commands, defects, imsitu, scenes, small_generators, tabular, textclass

from biasloop.contract.testing import Broken, check
from biasloop_command import CommandDomain
from biasloop_generators.domain import GeneratorsDomain
from biasloop_images import ImagesDomain
from biasloop_language.domain import LanguageDomain
from biasloop_roles import RolesDomain
from biasloop_tabular import TabularDomain
from biasloop_tabular.learner import ESTIMATORS
from biasloop_textclass import TextClassDomain

KEPT = Path(__file__).parents[1] / "runs_before"
SMALL = {"data": "npz", "network": "small-cnn", "width": 2, "epochs": 2, "batch_size": 20, "evaluation_batch": 50,
         "test": 20, "holdout": 6}  # fmt: skip
TOY = {"pool": 60, "test": 20, "labels": "bits", "unlabelled": 7}
ALL = ["protocols", "requirements, vocabularies, honours", "splits, human labels, references",
       "fits, checkpoints, stored models, predictions, metrics", "labels"]  # fmt: skip


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    images = (rng.integers(0, 90, (90, 8, 8)) + 80 * labels[:, None, None]).astype(np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.where(np.arange(90) < 84, labels, -1))
    return str(tmp_path / "own.npz")


def test_the_toy_passes():
    assert check(ToyDomain, **TOY) == ALL


@pytest.mark.parametrize("domain", [scenes.ScenesDomain, scenes.PlainScenes])
def test_labels_of_several_columns_pass(domain):
    assert check(domain, unlabelled=20) == ALL


DRAWN = {"noise": {"share": 0.5}, "sampling": {"class": "1", "share": 0.2}, "balanced": ["holdout", "pool"],
         "categories": {"round": ["0", "1"], "straight": ["2"]}, "optimizer": "adamw"}  # fmt: skip


@pytest.mark.parametrize("more", [{}, {"imbalance": {"class": "1", "factor": 2}, "drop_last": True}, DRAWN])
def test_images_pass(pictures, tmp_path, more):
    assert check(ImagesDomain, data_directory=tmp_path, path=pictures, **SMALL, **more) == ALL


def test_biased_images_pass(tmp_path):
    rng = np.random.default_rng(1)
    labels = np.arange(80) % 2
    np.savez(tmp_path / "two.npz", images=rng.integers(0, 256, (80, 8, 8)).astype(np.uint8), labels=labels)
    more = {"bias": {"epsilon": 30, "tasks": [["0"], ["1"]]}}
    assert check(ImagesDomain, data_directory=tmp_path, path=str(tmp_path / "two.npz"), **SMALL, **more) == ALL


def test_programs_pass(tmp_path):
    commands.table(tmp_path)
    assert check(CommandDomain, data_directory=tmp_path, **commands.settings(tmp_path, group="sex", follow="b")) == ALL


@pytest.mark.parametrize("columns", [{}, {"group": ["sex", "age"], "text2": "more"}])
def test_classified_texts_pass(tmp_path, columns):
    table = textclass.write(tmp_path / "own.csv", textclass.rows())
    settings = {**textclass.SMALL, "path": str(table), "columns": columns}
    assert check(TextClassDomain, data_directory=tmp_path, **settings) == ALL


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_tables_pass(tmp_path, estimator):
    path = str(tabular.write(tmp_path / "own.csv", tabular.rows()))
    settings = {**tabular.OWN, **tabular.SMALL, "estimator": estimator, "path": path, "id": "person"}
    assert check(TabularDomain, data_directory=tmp_path, **settings) == ALL


@pytest.mark.parametrize("data", ["emoji-roles", "folder"])
def test_situations_pass(tmp_path, data):
    settings = {"epochs": 2, "batch_size": 32, "width": 2, "pictures": {"pool": 2, "test": 2, "shares": [0.5]}}
    if data == "folder":
        imsitu.write(tmp_path / "own", images_per_verb=12, side=32)
        settings = {"epochs": 1, "batch_size": 8, "width": 2, "path": str(tmp_path / "own"), "test_per_verb": 4,
                    "side": 16}  # fmt: skip
    assert check(RolesDomain, data_directory=tmp_path / "data", data=data, **settings) == ALL


def test_language_passes(tmp_path, monkeypatch):
    shutil.copytree(KEPT / "language", tmp_path / "language")
    monkeypatch.chdir(tmp_path / "language")
    settings = {**tomli.loads(Path("preset.toml").read_text())["domain"], "epochs": 1}
    settings.pop("name")
    assert check(LanguageDomain, data_directory=tmp_path, **settings) == ALL


@pytest.fixture
def chain(tmp_path, monkeypatch):
    """Settings of a small domain of generators."""
    small_generators.put_in(monkeypatch.setattr)
    shutil.copy(KEPT / "generators" / "pictures.npz", tmp_path)
    settings = {**tomli.loads((KEPT / "generators" / "preset.toml").read_text())["domain"]}
    settings |= {"path": str(tmp_path / "pictures.npz"), "classifier_epochs": 2}
    settings.pop("name")
    return settings


def test_pictures_that_are_no_bytes_are_named(tmp_path, chain):
    class Bright(GeneratorsDomain):
        def samples(self, generator, count, work):
            return super().samples(generator, count, work) / 255

    with pytest.raises(Broken, match=r"Bright\.samples gives float64 .*, expected uint8 \(3, H, W, C\)"):
        check(Bright, data_directory=tmp_path, **chain)


def test_generators_pass(tmp_path, chain):
    checked = check(GeneratorsDomain, data_directory=tmp_path, **chain)
    assert checked == [*ALL[:2], "annotators, generators, classifiers, populations"]


BROKEN = {**broken_toys.BROKEN, **defects.BROKEN}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_domain_is_named_by_its_defect(kind):
    with pytest.raises(Broken, match=BROKEN[kind]):
        check(kind, **TOY)


def test_what_is_no_domain_is_said():
    with pytest.raises(Broken, match="int has no pydantic model `Config`"):
        check(int)


def test_settings_that_are_none_are_refused_as_in_a_preset():
    with pytest.raises(ValueError, match="pol"):
        check(ToyDomain, pol=3)
