"""Several processes that make runs: the same bits as one after another, whatever dies."""

import os
from pathlib import Path

import pytest
from support import toy
from support.loops import assert_same_run
from support.studies import Recorder, planned_toys

from biasloop.running.engine import Options
from biasloop.running.executors import InProcess
from biasloop.running.room import Room
from biasloop.running.workers import Workers

OPTIONS = Options(Path("data"), threads=1, interval=1e9)


def room(cores: int = 2) -> Room:
    return Room(cores, {}, 10**9)


@pytest.fixture
def processes(workplace, monkeypatch):
    """Workers find the core where this process does."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, [toy.PROJECT, toy.PROJECT / "plugins"])))


def test_two_at_once_store_the_bits_of_one_after_another(processes):
    ours, theirs = (planned_toys([0, 1, 2], Path(out), OPTIONS) for out in ("together", "alone"))
    watcher = Recorder()
    ended = Workers(2, room).run(ours, OPTIONS, watcher)
    assert sorted(one.planned.seed for one in ended if one.outcome and one.outcome.rounds == 4) == [0, 1, 2]
    assert watcher.told[0][0] == watcher.told[1][0] == "start"
    assert not watcher.notices
    InProcess().run(theirs, OPTIONS, Recorder())
    for left, right in zip(ours, theirs, strict=True):
        assert_same_run(left.directory, right.directory)
