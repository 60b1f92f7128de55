"""`docs/own-programs.md`: its commands as real processes, its preset, its table, and its programs by themselves."""

import csv
import json
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tomli
from support import toy
from support.loops import assert_same_run

from biasloop.store.reader import Run
from biasloop_command import CommandDomain

PAGE = (toy.PROJECT / "docs" / "own-programs.md").read_text()
PROGRAMS = toy.PROJECT / "docs" / "own-programs"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the page's commands have been run."""
    place = tmp_path_factory.mktemp("own-programs")
    shutil.copytree(PROGRAMS, place / "docs" / "own-programs")
    commands = re.findall(r"^    ((?:python|biasloop) .*)$", PAGE, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        program, *arguments = shlex.split(command)
        own = [sys.executable] if program == "python" else toy.command()
        done = subprocess.run(
            [*own, *arguments], cwd=place, env=toy.environment((), {"BIASLOOP_DATA": str(place / "data")}), text=True,
            capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return place


def metrics(run):
    return [run.read(f"round-{number:04}").evaluations["test"].metrics for number in run.rounds]


def test_the_table_of_the_page_is_what_the_run_found(place):
    shown = ("accuracy", "bias", "share_train", "bias_amp")
    rows = [
        f"| {number} | {' | '.join(f'{found[name].value:.4f}' for name in shown)} |"
        for number, found in enumerate(metrics(Run.open(place / "runs" / "python" / "seed-0")))
    ]
    assert len(rows) == 4
    assert "\n".join(rows) in PAGE


def test_the_shell_script_learns_something(place):
    found = metrics(Run.open(place / "runs" / "awk" / "seed-0"))
    assert len(found) == 4
    assert found[0]["accuracy"].value > 0.15
    assert {"bias_amp", "ece", "demographic_parity_difference"} <= found[0].keys()


def test_rows_that_nobody_labelled_come_first(place):
    first = Run.open(place / "runs" / "python" / "seed-0").read("round-0001")
    given = first.added.ids[first.added.origin >= 0]
    assert len(given) == 180
    assert given.min() >= 1800
    with (place / "labels.csv").open() as file:
        labels = {int(row["id"].removeprefix("image-")): row for row in csv.DictReader(file)}
    assert not any(labels[row]["target"] for row in given.tolist())
    assert sum(row["target"] == "" for row in labels.values()) == 200
    assert all(0 < float(row["confidence"]) <= 1 for row in labels.values())


def test_a_second_run_has_the_same_bits(place):
    arguments = ("loop", "--preset", "docs/own-programs/awk.toml", "--out", "again")
    done = toy.biasloop(*arguments, cwd=place, extra={"BIASLOOP_DATA": str(place / "data")})
    assert done.returncode == 0, done.stderr
    assert_same_run(place / "again" / "seed-0", place / "runs" / "awk" / "seed-0")


def test_the_preset_on_the_page_is_the_file(place):
    block = re.search(r"^    \[domain\]\n(?:    .*\n)+", PAGE, re.MULTILINE)
    shown = tomli.loads(block[0])["domain"]
    stored = tomli.loads((PROGRAMS / "python.toml").read_text())["domain"]
    assert shown.items() <= stored.items()
    assert stored.keys() - shown.keys() == {"train_seconds", "predict_seconds"}


def test_every_setting_is_on_the_page():
    for name in CommandDomain.Config.model_fields:
        assert f"`{name}`" in PAGE or f"\n    {name} = " in PAGE, name


def test_the_naive_bayes_is_one(place):
    """Against NumPy, on the model of the last round."""
    model = Run.open(place / "runs" / "python" / "seed-0").read("round-0003", models=True).models["model"].arrays
    learnt = json.loads(model["model.json"].tobytes())
    classes = sorted(learnt["classes"])
    with (place / "clothes.csv").open() as file:
        pixels = np.array([[float(row[f"p{n}"]) for n in range(16)] for row in csv.DictReader(file)])
    means, variances = (np.array([learnt["classes"][name][key] for name in classes]) for key in ("means", "variances"))
    shares = np.array([learnt["classes"][name]["share"] for name in classes])
    distances = (pixels[:, None] - means) ** 2 / variances + np.log(variances)
    scores = np.exp(np.log(shares) - distances.sum(-1) / 2)
    run = Run.open(place / "runs" / "python" / "seed-0")
    test = run.read("setup").evaluations["test"].tables["test"]["ids"]
    found = run.read("round-0003").evaluations["test"].tables["test"]
    assert found["prediction"].tolist() == scores[test].argmax(1).tolist()
    confidence = (scores / scores.sum(1, keepdims=True))[test].max(1)
    assert np.abs(found["confidence"] - confidence).max() < 1e-6
