"""A small run of pictures that selects, through the commands: planned, run, shown, exported, measured and compared."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tomli
import tomli_w
from typer.testing import CliRunner

from biasloop.cli.main import app
from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.store.claims import claimed
from biasloop.store.manifest import read_manifest
from biasloop.store.reader import Run

PRESET = """
summary = "A loop that selects"

[domain]
name = "images"
data = "fashion-mnist-t10k"
network = "small-cnn"
width = 2
epochs = 4
batch_size = 20
test = 60
holdout = 80

[loop]
start = 60
human = 10
model = 10
rounds = 2
snapshots = 1

[selection]
name = "reducr"
share = 0.25
best = "worst_class"

[selection.irreducible]
models = "heads"
domain = { epochs = 1 }
"""
ARMS = """
[arms.uniform]
selection = { name = "uniform" }

[arms.reducr]

[arms.added]
selection = { name = "uniform", best = "last", add_holdout = true }
"""


def answer(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run of the preset, at `out/seed-0`, and the preset beside it."""
    place, before = tmp_path_factory.mktemp("selecting"), Path.cwd()
    (place / "chosen.toml").write_text(PRESET)
    os.chdir(place)
    try:
        command = ["loop", "-p", "chosen.toml", "--out", "out", "--threads", "1", "--data", "data"]
        result = CliRunner().invoke(app, command)
    finally:
        os.chdir(before)
    assert result.exit_code == 0, result.output
    return place


@pytest.fixture
def run(made, workplace: Path) -> Path:
    """A copy of it in the working place."""
    shutil.copytree(made / "out" / "seed-0", workplace / "run")
    return Path("run")


def test_a_dry_run_counts_the_holdout_among_human_labels(cli, workplace: Path):
    (workplace / "presets" / "chosen.toml").write_text(PRESET + ARMS)
    told = answer(cli("loop", "--preset", "chosen", "--dry-run", "--json"))
    assert {item["arm"]: item["human_labels"] for item in told} == {
        "uniform": 60 + 80 + 10, "reducr": 60 + 80 + 10, "added": 60 + 80 + 10,
    }  # fmt: skip
    assert {item["state"] for item in told} == {"not begun"}
    text = cli("loop", "--preset", "chosen", "--dry-run").stdout
    assert "human labels: 450, of which finished rounds took 0" in text
    assert not [*workplace.rglob("*.h5")]


def test_a_dry_run_knows_what_is_finished(cli, workplace: Path, made):
    shutil.copytree(made / "out", workplace / "out")
    (workplace / "presets" / "chosen.toml").write_text(PRESET)
    (told,) = answer(cli("loop", "-p", "chosen", "--out", "out", "--dry-run", "--json"))
    assert (told["done"], told["human_labels_bought"]) == (2, 150)
    other = cli("loop", "-p", "chosen", "--out", "out", "--set", "selection.share=0.5", "--dry-run")
    assert other.exit_code and "selection.share" in str(other.exception)


@pytest.mark.parametrize("arms", ["", ARMS, '\n[grid]\n"selection.name" = ["rho", "reducr"]\n'])
def test_what_is_shown_of_a_preset_is_read_back_as_the_same(cli, workplace: Path, arms):
    (workplace / "presets" / "chosen.toml").write_text(PRESET + arms)
    as_json = answer(cli("presets", "show", "chosen", "--json"))
    as_text = tomli.loads(cli("presets", "show", "chosen").stdout)
    assert as_json["selection"]["options"]["reducr"]["eta"] == 1e-4
    if not arms:
        assert as_json["selection"].items() >= {"scoring": "eval", "judge": 0.0, "add_holdout": False}.items()
    for values in (as_json, as_text):
        (workplace / "copy.toml").write_text(tomli_w.dumps({k: v for k, v in values.items() if k != "name"}))
        ours, copied = arms_of(presets.read("chosen")), arms_of(presets.read("copy.toml"))
        assert [chosen for chosen, _ in copied] == [chosen for chosen, _ in ours]
        for (_, experiment), (_, other) in zip(ours, copied, strict=True):
            assert (other.arm, other.identity(0)) == (experiment.arm, experiment.identity(0))


def test_a_run_is_shown_with_its_selection_and_metrics_that_are_no_nan(cli, run):
    shown = answer(cli("runs", "show", str(run), "--json"))
    assert shown["experiment"]["selection"].items() >= {"name": "reducr", "share": 0.25}.items()
    for row in [row for row in shown["rounds"] if row["round"] >= 0]:
        metrics = row["metrics"]
        assert {"selected_share.coat", "offered_share.coat", "weight.coat", "weight_entropy"} <= metrics.keys()
        assert {"best_epoch", "recall_gap", "late_accuracy", "late_worst_class_recall"} <= metrics.keys()
        assert sum(metrics[name]["value"] for name in metrics if name.startswith("selected_share.")) == pytest.approx(1)
        assert 1 <= metrics["best_epoch"]["value"] <= 4
        assert metrics["late_accuracy"]["n"] == 2
        assert (metrics["late_accuracy"]["se"], metrics["best_epoch"]["se"]) == (None, None)
    text = cli("runs", "show", str(run)).stdout
    assert tomli.loads(text.partition("\n\n run")[0].partition(" round")[0])["selection"]["name"] == "reducr"
    assert cli("runs", "verify", str(run)).exit_code == 0


def test_a_run_is_exported_with_metrics_by_category(cli, run):
    exported = cli("export", str(run), "--format", "csv", "--output", "csv")
    assert exported.exit_code == 0, exported.output
    with Path("csv/metrics.csv").open() as file:
        rows = [*csv.DictReader(file)]
    shares = [row for row in rows if row["metric"].startswith("selected_share.") and row["round"] == "1"]
    assert len(shares) == 10
    assert sum(float(row["value"]) for row in shares) == pytest.approx(1)
    assert "nan" not in Path("csv/metrics.csv").read_text().lower()


def test_a_run_is_measured_again_where_no_data_are(cli, run, monkeypatch):
    monkeypatch.setenv("BIASLOOP_DATA", "nothing")
    again = answer(cli("evaluate", "run", str(run), "--json"))["rounds"]
    stored = [row for row in answer(cli("runs", "show", str(run), "--json"))["rounds"] if row["round"] >= 0]
    for row, before in zip(again, stored, strict=True):
        assert row["as_stored"] == []
        assert {name: row["metrics"][name] for name in before["metrics"]} == before["metrics"]


def test_a_model_that_is_fitted_again_labels_as_the_one_that_is_stored(cli, run):
    given = ("generate", "--run", str(run), "--of", "pool", "--count", "40", "--threads", "1", "--output")
    assert cli(*given, "stored.csv").exit_code == 0
    manifest = read_manifest(run)
    manifest.drop("model-0001.h5")
    with claimed(run) as claim:
        manifest.write(run, claim)
    (run / "model-0001.h5").unlink()
    again = cli(*given, "again.csv")
    assert again.exit_code == 0, again.output
    assert Path("again.csv").read_text() == Path("stored.csv").read_text()


def test_a_store_has_the_losses_of_every_label_beside_it(made):
    stored = Run.open(made / "out" / "seed-0")
    setup, _, second = (stored.read(step, models=True) for step in stored.manifest.steps())
    assert {*setup.models} == {"irreducible-heads"}
    for record, rows in ((setup, 60), (second, 20)):
        losses = record.added.payload["irreducible"]
        assert losses.shape == (rows, 10) and losses.dtype == np.float32 and (losses > 0).all()
    assert len(setup.vocabularies()["categories"]) == 10
