"""Runs over texts: a feedback loop with groups, and selection of what is learnt from."""

import pytest
from support import textclass

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.running.engine import Options, prepare, run
from biasloop.store.reader import Run

TABLE = {("domain", "data"): "file", ("domain", "test"): 30, ("domain", "epochs"): 2, ("domain", "batch_size"): 10,
         ("domain", "small"): {"vocabulary": 300, "width": 4}, ("domain", "columns"): {"group": ["sex"]},
         ("domain", "follow"): "pos"}  # fmt: skip


@pytest.fixture
def table(tmp_path):
    return str(textclass.write(tmp_path / "own.csv", textclass.rows(240, 200)))


def made(name, place, changes):
    """The run of a preset with changes."""
    preset = presets.read(name).override(TABLE | changes, "test")
    preset.values.pop("grid", None)
    preset.values["domain"].pop("imbalance")
    options = Options(place / "data", threads=1)
    run(prepare(arms_of(preset)[0][1], 0, options), place / "run", options)
    return Run.open(place / "run")


def test_a_loop_feeds_labels_back_and_compares_groups(tmp_path, table):
    changes = {("domain", "path"): table, ("loop", "start"): 40, ("loop", "human"): 5, ("loop", "per_round"): 20,
               ("loop", "rounds"): 3}  # fmt: skip
    stored = made("quickstart-textclass", tmp_path, changes)
    rounds = list(stored.summaries())
    assert [sizes["trained"] for _, _, sizes, _ in rounds] == [40, 40, 40]
    for _, metrics, _, _ in rounds:
        assert {"accuracy", "share_predicted", "bias", "accuracy.f", "accuracy.m", "worst_group_accuracy", "bias_amp",
                "demographic_parity_difference"} <= metrics.keys()  # fmt: skip
        assert metrics["worst_group_accuracy"].value == min(metrics[f"accuracy.{sex}"].value for sex in "fm")
    assert set(stored.read("round-0002").added.origin.tolist()) == {-2, 1}


@pytest.mark.parametrize("models", ["each", "heads"])
def test_what_is_learnt_from_is_selected_over_classes_in_groups(tmp_path, table, models):
    changes = {("domain", "path"): table, ("domain", "holdout"): 60, ("selection", "name"): "reducr",
               ("selection", "share"): 0.3, ("selection", "irreducible", "models"): models,
               ("selection", "irreducible", "domain"): {"epochs": 1, "small": {"vocabulary": 300, "width": 8}},
    }  # fmt: skip
    stored = made("reducr-mnli-mini", tmp_path, changes)
    ((_, metrics, _, _),) = stored.summaries()
    categories = [f"{label}, {sex}" for label in ("neg", "pos") for sex in "fm"]
    for name in ("selected_share", "selection_amplification", "weight"):
        assert {f"{name}.{category}" for category in categories} <= metrics.keys()
    assert "worst_class_recall" in metrics
