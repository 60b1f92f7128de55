"""Weights, propensities and inputs of samples: stored, gone on with, measured again, honoured or refused."""

import ast
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from biasloop_toy import ToyDomain
from support import toy
from support.loops import records, stored_bytes
from support.weighing import Heeding, Weighing, preset

from biasloop.contract.context import Context, Work
from biasloop.contract.data import Column, Frame, Samples
from biasloop.contract.randomness import Streams
from biasloop.errors import Mismatch
from biasloop.feedback import rules
from biasloop.feedback.rule import fit
from biasloop.store.reader import Run
from biasloop.store.repair import verify

IMAGES = 'data = "fashion-mnist-t10k"\nnetwork = "small-cnn"\nwidth = 4\nepochs = 1\ntest = 60\nbatch_size = 20'


@pytest.fixture
def weighing(cli, monkeypatch, tmp_path_factory):
    """The program, with the rule and a domain that heeds all; `weighing(...)` gives what is printed."""
    monkeypatch.setitem(rules.RULES, "weighing", Weighing)
    place = tmp_path_factory.mktemp("heeding")
    monkeypatch.syspath_prepend(toy.declare(place, "biasloop-heeding", "heeding", "support.weighing:Heeding"))

    def run(*arguments):
        result = cli(*arguments)
        assert result.exit_code == 0, result.exception
        return result.stdout

    return run


def write(name, *arguments, **settings):
    Path(f"presets/{name}.toml").write_text(preset(*arguments, **settings))


def test_what_rows_weigh_how_they_were_drawn_and_their_inputs_are_stored_and_measured_again(weighing):
    write("heed", "heeding")
    weighing("loop", "-p", "heed")
    run = Run.open(Path("runs/heed/seed-0"))
    assert verify(run.directory) == []
    setup, first, *later = records(run)
    assert setup.added.plain
    assert first.added is None
    for number, record in enumerate(later, 1):
        assert record.added.weight.tolist() == [0.25] * 10
        assert record.added.propensity == pytest.approx(np.full(10, 10 / (920 - 10 * (number - 1))))
        assert record.added.inputs["member"].tolist() == list(range(-1, 9))
        assert record.added.inputs["shard"].tolist() == [-1] + [number] * 9
        assert record.added.inputs.columns["shard"].vocabulary == "shards"
    last = later[-1].evaluations["test"].metrics
    assert last["weight"].value == 80 + 20 * 0.25
    assert last["propensity"].value == pytest.approx(10 * (10 / 920 + 10 / 910))
    assert last["made"].value == 18
    again = json.loads(weighing("evaluate", "run", str(run.directory), "--json"))
    assert {name: metric["value"] for name, metric in again["rounds"][-1]["metrics"].items()} == pytest.approx(
        {name: metric.value for name, metric in last.items()}
    )
    shown = json.loads(weighing("runs", "show", str(run.directory), "--json"))
    assert [row["sizes"]["train"] for row in shown["rounds"]] == [80, 90, 100]
    weighing("runs", "verify", str(run.directory))


def test_a_run_with_weights_goes_on_is_extended_and_is_repaired(weighing):
    write("short", "heeding", rounds=2)
    write("long", "heeding", rounds=4)
    weighing("loop", "-p", "short")
    weighing("loop", "-p", "long", "--out", "runs/short")
    weighing("loop", "-p", "long")
    ours, theirs = Path("runs/short/seed-0"), Path("runs/long/seed-0")
    assert stored_bytes(ours) == stored_bytes(theirs)
    hurt = Path(shutil.copytree(ours, "hurt"))
    data = bytearray((hurt / "round-0002.h5").read_bytes())
    data[len(data) // 2] ^= 1
    (hurt / "round-0002.h5").write_bytes(data)
    assert json.loads(weighing("runs", "repair", str(hurt), "--json"))["kept"] == 2
    shutil.move(hurt, "runs/hurt/seed-0")
    weighing("loop", "-p", "long", "--out", "runs/hurt")
    assert stored_bytes(Path("runs/hurt/seed-0")) == stored_bytes(theirs)


def test_images_take_weights_and_are_refused_inputs_before_anything_is_spent(weighing, cli):
    small = {"start": 40, "step": 20, "rounds": 2}
    write("images", "images", IMAGES, generated="false", **small)
    weighing("loop", "-p", "images", "--device", "cpu", "--threads", "1")
    *_, last = records(Run.open(Path("runs/images/seed-0")))
    assert last.added.weight.tolist() == [0.25] * 20
    assert not last.added.inputs.columns
    write("inputs", "images", IMAGES, **small)
    refused = cli("loop", "-p", "inputs", "--dry-run").exception
    assert isinstance(refused, Mismatch)
    assert str(refused) == (
        "the domain 'images' does not take generated inputs, and this run has some; use a domain that does, or a rule "
        "without any"
    )


def test_a_domain_that_weighs_nothing_is_refused_weights(weighing, cli):
    write("deaf", "toy", generated="false")
    refused = cli("loop", "-p", "deaf", "--dry-run").exception
    assert isinstance(refused, Mismatch)
    assert str(refused).startswith("the domain 'toy' does not weigh samples, and this run gives them weights; use")
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("given", "reason"),
    [({"weights": np.ones(2)}, "does not weigh"), ({"inputs": Frame({"shard": Column(np.zeros(2, int))})}, "inputs")],
)
def test_weights_and_inputs_that_nobody_demanded_are_dropped_by_no_fit(given, reason, tmp_path):
    train = Samples(np.arange(2), np.zeros(2, bool), Frame({"target": Column(np.ones(2))}), **given)
    context = Context(tmp_path, Streams((0, "data")))
    with pytest.raises(Mismatch, match=f"the domain 'toy' .*{reason}"):
        fit(ToyDomain(ToyDomain.Config(), context), "toy", train, Work(Streams((0,))))
    assert fit(Heeding(Heeding.Config(), context), "toy", train, Work(Streams((0,)))).share >= 1.05


def test_every_rule_fits_on_samples_through_the_function_that_drops_nothing():
    fits = {
        path.name
        for path in (toy.PROJECT / "biasloop" / "feedback").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "fit"
    }
    assert fits == {"rule.py"}
