"""Interruption, checkpoints and curves."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from biasloop_toy import ToyDomain
from support.loops import OPTIONS, assert_same_run, toy_experiment, toy_prepared

from biasloop.contract.data import Column
from biasloop.errors import DamagedStore, Diverged
from biasloop.running import engine
from biasloop.running.engine import Committed, Options, Step
from biasloop.running.reopen import reopen, replay
from biasloop.store.claims import claimed
from biasloop.store.manifest import read_manifest
from biasloop.store.reader import Run
from biasloop.system import ram

EXPERIMENT = toy_experiment(loop={"rounds": 4}, epochs=5)


class StopAt:
    """Asks to stop at the n-th question."""

    def __init__(self, at):
        self.at, self.asked = at, 0

    def __call__(self):
        self.asked += 1
        return self.asked >= self.at


def test_stopping_at_every_moment_changes_no_bit(tmp_path):
    reference = tmp_path / "reference"
    engine.run(toy_prepared(EXPERIMENT), reference, OPTIONS)
    at, reasons = 0, []
    while not reasons or not reasons[-1]:
        at += 1
        directory = tmp_path / f"stopped-{at}"
        stopped = engine.run(
            toy_prepared(EXPERIMENT), directory, Options(Path("unused"), stopping=StopAt(at), interval=1e9)
        )
        reasons.append(stopped.reason)
        engine.run(toy_prepared(EXPERIMENT), directory, OPTIONS)
        assert_same_run(directory, reference)
    assert at > 20


def test_a_resumed_fit_goes_on_from_its_last_epoch(tmp_path):
    """Stopped in the 3rd epoch of round 1, the next process starts with the 4th."""
    events = []
    stop = [False]

    def watch(event):
        events.append(event)
        if isinstance(event, Step) and event.call == "round-0001/fit" and event.done == 3:
            stop[0] = True

    options = Options(Path("unused"), on_event=watch, stopping=lambda: stop[0], interval=1e9)
    directory = tmp_path / "run"
    outcome = engine.run(toy_prepared(EXPERIMENT), directory, options)
    assert (outcome.reason, outcome.rounds) == ("", 1)
    stop[0] = False
    events.clear()
    engine.run(toy_prepared(EXPERIMENT), directory, replace(options, stopping=lambda: False))
    steps = [event.done for event in events if isinstance(event, Step) and event.call == "round-0001/fit"]
    assert steps == [4, 5]
    resumed = [event.number for event in events if isinstance(event, Committed) and event.resumed]
    assert resumed == [0]
    curve = Run.open(directory).read("round-0001").frames["fit.curve"]
    assert curve["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert not (directory / "partial").exists()


def test_a_finished_run_is_not_computed_again(tmp_path):
    engine.run(toy_prepared(EXPERIMENT), tmp_path / "run", OPTIONS)
    events = []
    options = replace(OPTIONS, on_event=events.append)
    outcome = engine.run(toy_prepared(EXPERIMENT), tmp_path / "run", options)
    assert (outcome.reason, outcome.rounds) == ("4 rounds", 4)
    assert not any(isinstance(event, Step) for event in events)
    assert all(event.resumed for event in events if isinstance(event, Committed))


def test_a_run_that_failed_says_why_until_it_goes_on(tmp_path, monkeypatch):
    directory, fit = tmp_path / "run", ToyDomain.fit
    monkeypatch.setattr(ToyDomain, "fit", lambda *_: (_ for _ in ()).throw(Diverged("no number \udcff")))
    with pytest.raises(Diverged):
        engine.run(toy_prepared(EXPERIMENT), directory, OPTIONS)
    assert read_manifest(directory).about["failed"] == "no number ?"
    monkeypatch.setattr(ToyDomain, "fit", fit)
    engine.run(toy_prepared(EXPERIMENT), directory, replace(OPTIONS, stopping=StopAt(3)))
    assert "failed" not in read_manifest(directory).about
    engine.run(toy_prepared(EXPERIMENT), directory, OPTIONS)
    assert read_manifest(directory).about["finished"] == "4 rounds"


def test_data_that_are_refused_leave_a_finished_run_finished(tmp_path, monkeypatch):
    directory = tmp_path / "run"
    engine.run(toy_prepared(EXPERIMENT), directory, OPTIONS)
    monkeypatch.setattr(ToyDomain, "fingerprint", lambda _: "others")
    with pytest.raises(DamagedStore):
        engine.run(toy_prepared(EXPERIMENT), directory, OPTIONS)
    assert read_manifest(directory).about.get("finished") == "4 rounds"
    assert "failed" not in read_manifest(directory).about


def test_a_run_tells_how_much_memory_it_took_at_most(tmp_path, monkeypatch):
    directory = tmp_path / "run"
    monkeypatch.setattr(ram, "peak", lambda: 5_000)
    engine.run(toy_prepared(EXPERIMENT), directory, OPTIONS)
    assert read_manifest(directory).about["memory"] == 5_000
    monkeypatch.setattr(ram, "peak", lambda: 3_000)  # opened once more: nothing is made
    engine.run(toy_prepared(EXPERIMENT), directory, OPTIONS)
    assert read_manifest(directory).about["memory"] == 5_000


def test_what_earlier_runs_of_the_process_took_does_not_count(tmp_path, monkeypatch):
    earlier = [9_000]
    monkeypatch.setattr(ram, "forget", earlier.clear)
    monkeypatch.setattr(ram, "peak", lambda: max([4_000, *earlier]))
    engine.run(toy_prepared(EXPERIMENT), tmp_path / "run", OPTIONS)
    assert read_manifest(tmp_path / "run").about["memory"] == 4_000


def test_metrics_are_recomputed_bit_for_bit(tmp_path):
    engine.run(toy_prepared(EXPERIMENT), tmp_path / "run", OPTIONS)
    stored, fresh = Run.open(tmp_path / "run"), toy_prepared(EXPERIMENT)
    fresh.rule.prepare()
    for number, record in replay(stored, fresh.rule):
        evaluation = record.evaluations["test"]
        again = fresh.rule.measure(number, record, evaluation.tables)
        assert again.keys() == evaluation.metrics.keys()
        for name, metric in again.items():
            assert np.array_equal(
                [metric.value, metric.n, metric.error],
                [getattr(evaluation.metrics[name], part) for part in ("value", "n", "error")],
                equal_nan=True,
            )


def test_an_old_round_is_fitted_again_to_the_same_model(tmp_path):
    options = replace(OPTIONS, keep_models=True)
    engine.run(toy_prepared(EXPERIMENT), tmp_path / "run", options)
    stored, fresh = Run.open(tmp_path / "run"), toy_prepared(EXPERIMENT)
    fresh.rule.prepare()
    for number, record in replay(stored, fresh.rule):
        from biasloop.contract.context import Work
        from biasloop.contract.randomness import Streams

        model = fresh.rule.refit(number, Work(Streams((0, number))))
        assert model.share == float(record.models["model"].arrays["share"])


def test_seeds_differ_and_repeat(tmp_path):
    experiment = toy_experiment(loop={"rounds": 2}, labels="bits")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        engine.run(toy_prepared(experiment, seed), tmp_path / name, OPTIONS)
    assert_same_run(tmp_path / "a", tmp_path / "b")
    with pytest.raises(AssertionError):
        assert_same_run(tmp_path / "a", tmp_path / "c")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('rule = "accumulate"', "rule = []"),
        ('rule = "accumulate"', "rule = {}"),
        ("seed = 0", "seed = []"),
        ("seed = 0", ""),
        ("start = 100", 'start = "many"'),
        ('labels = "shares"', "labels = 3"),
    ],
)
def test_a_received_run_whose_settings_are_none_is_refused_by_a_sentence(workplace, tmp_path, old, new):
    directory = engine.run(toy_prepared(EXPERIMENT), tmp_path / "run", OPTIONS).directory
    path, manifest = directory / "experiment.toml", read_manifest(directory)
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))
    manifest.experiment = hashlib.sha256(path.read_bytes()).hexdigest()  # whoever altered it made the manifest fit
    with claimed(directory) as claim:
        manifest.write(directory, claim)
    with pytest.raises(DamagedStore, match="experiment"):
        reopen(directory, OPTIONS)


def test_a_run_whose_data_are_read_in_other_words_is_not_gone_on_with(workplace, tmp_path, monkeypatch):
    prepared = toy_prepared(toy_experiment(loop={"rounds": 1}))
    words = {"classes": Column.text(["a", "b"])}
    monkeypatch.setattr(type(prepared.domain), "vocabularies", lambda self: words)
    directory = engine.run(prepared, tmp_path / "run", OPTIONS).directory
    words["classes"] = Column.text(['"b"', "a", "b"])  # by the rules that its table is read by now
    expected = """2 classes, and the data are read as 3 now .the first that differs is 'a' there and '"b"' here"""
    with pytest.raises(DamagedStore, match=expected):
        engine.run(toy_prepared(toy_experiment(loop={"rounds": 2})), directory, OPTIONS)
    with pytest.raises(DamagedStore, match=expected):
        reopen(directory, OPTIONS)
    words["classes"] = Column.text(["a", "b"])
    assert engine.run(toy_prepared(toy_experiment(loop={"rounds": 2})), directory, OPTIONS).rounds == 2


@pytest.mark.parametrize(
    ("now", "first"), [(["a", "b", "c"], "'none' there and 'c' here"), (["a"], "'b' there and 'none' here")]
)
def test_a_run_whose_data_have_more_or_fewer_words_is_not_gone_on_with(workplace, tmp_path, monkeypatch, now, first):
    prepared = toy_prepared(toy_experiment(loop={"rounds": 1}))
    words = {"classes": Column.text(["a", "b"])}
    monkeypatch.setattr(type(prepared.domain), "vocabularies", lambda self: words)
    directory = engine.run(prepared, tmp_path / "run", OPTIONS).directory
    words["classes"] = Column.text(now)
    with pytest.raises(DamagedStore, match=first):
        engine.run(toy_prepared(toy_experiment(loop={"rounds": 2})), directory, OPTIONS)
