"""A finished run is told from its store as the engine tells it, and nothing is opened for it."""

import dataclasses

import pytest
from support.loops import OPTIONS, cut, toy_experiment, toy_prepared

from biasloop.errors import DamagedStore, StoreError
from biasloop.running import engine, finished
from biasloop.running.engine import Committed, Options

EXPERIMENT = toy_experiment(loop={"rounds": 4})


@pytest.fixture
def run(workplace, tmp_path):
    engine.run(toy_prepared(EXPERIMENT), tmp_path / "run", OPTIONS)
    return tmp_path / "run"


def stored(directory):
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in directory.iterdir() if p.is_file()}


def told(directory, experiment=EXPERIMENT):
    events = []
    return finished.outcome(experiment, 0, directory, events.append), events


def test_the_events_and_the_outcome_are_the_engines(run):
    events = []
    outcome = engine.run(toy_prepared(EXPERIMENT), run, Options(run, on_event=events.append, interval=1e9))
    ours, ours_events = told(run)
    assert ours == outcome
    assert repr([dataclasses.replace(event, bytes=0) for event in ours_events]) == repr(events)
    assert all(isinstance(event, Committed) and event.resumed and event.bytes for event in ours_events)


def test_opening_a_finished_run_writes_nothing(run):
    before = stored(run)
    engine.run(toy_prepared(EXPERIMENT), run, OPTIONS)
    told(run)
    assert stored(run) == before


@pytest.mark.parametrize(
    "change",
    [
        {"loop": EXPERIMENT.loop.model_copy(update={"rounds": 5})},
        {"summary": "another"},
        {"bound": None},
    ],
)
def test_a_run_of_more_rounds_or_another_description_is_for_the_engine(run, change):
    assert told(run, EXPERIMENT.model_copy(update=change)) == (None, [])


@pytest.mark.parametrize(
    "hurt",
    [
        lambda run: cut(run, 3),
        lambda run: (run / "manifest.json").unlink(),
        lambda run: (run / "partial").mkdir(),
        lambda run: (run / "round-0009.h5").write_bytes(b"stranger"),
    ],
)
def test_a_run_with_something_to_do_is_for_the_engine(run, hurt):
    hurt(run)
    assert told(run) == (None, [])


def test_another_experiment_or_a_damaged_file_is_refused(run):
    other = toy_experiment(loop={"rounds": 4, "human": 6})
    with pytest.raises(StoreError, match="loop.human is 5 there and 6 here"):
        told(run, other)
    (run / "round-0001.h5").write_bytes(b"\0" * (run / "round-0001.h5").stat().st_size)
    with pytest.raises(DamagedStore, match="was altered"):
        told(run)
