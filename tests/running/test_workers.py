"""Several processes that make runs: the same bits as one after another, whatever dies."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from support import toy
from support.loops import assert_same_run
from support.studies import Recorder, planned_toys

from biasloop.config import presets
from biasloop.config.resources import Resources
from biasloop.config.validation import arms_of
from biasloop.running import executors, workers
from biasloop.running.engine import Committed, Notice, Options, Outcome
from biasloop.running.executors import InProcess
from biasloop.running.room import Room
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended
from biasloop.running.workers import Workers
from biasloop.store import claims
from biasloop.system import cores

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


class Killing(Recorder):
    """Sends a signal to the process that makes seed 0, when its first round is done."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def event(self, planned, event):
        super().event(planned, event)
        if self.number and planned.seed == 0 and isinstance(event, Committed):
            holder = claims.holder(planned.directory)
            assert holder
            os.kill(holder.pid, self.number)
            self.number = 0


@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGKILL, "ended by SIGKILL, as the system does where memory runs out"), (signal.SIGTERM, "SIGTERM")],
)
def test_a_run_whose_process_dies_fails_and_the_others_go_on(processes, number, words):
    """One process at a time, so that the others need a new one; what is left is the run's, and whole."""
    planned = planned_toys([0, 1], Path("out"), OPTIONS, domain__epochs=[8_000, 3])
    planned = [item for item in planned if (item.seed, item.arm) != (1, "domain.epochs=8000")]
    watcher = Killing(number)
    ended = Workers(1, room).run(planned, OPTIONS, watcher)
    assert [(one.planned.seed, bool(one.outcome)) for one in ended] == [(0, False), (0, True), (1, True)]
    assert words in ended[0].error
    assert claims.holder(planned[0].directory) is None
    assert 1 <= len(list(planned[0].directory.glob("round-*.h5"))) < 4


def test_who_asks_to_stop_gets_all_runs_back_after_their_step_and_nothing_new_starts(processes):
    class Asking(Recorder):
        asked = False

        def event(self, planned, event):
            super().event(planned, event)
            self.asked = self.asked or isinstance(event, Committed)

    watcher = Asking()
    options = replace(OPTIONS, stopping=lambda: watcher.asked)
    ended = Workers(2, room).run(
        planned_toys([0, 1, 2], Path("out"), options, domain__epochs=[8_000]), options, watcher
    )
    assert {one.planned.seed for one in ended} <= {0, 1}
    assert all(one.stopped for one in ended)


def test_a_fresh_process_that_makes_a_toy_loads_no_framework(processes, monkeypatch):
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    watcher = Recorder()
    (ended,) = Workers(2, room).run(planned_toys([0], Path("out"), OPTIONS), OPTIONS, watcher)
    assert ended.outcome
    loaded = {line.rpartition("|")[2].strip() for line in watcher.notices if line.startswith("import time")}
    assert "numpy" in loaded
    assert not loaded & {"torch", "polars", "matplotlib", "rich", "typer"}


@pytest.mark.slow
def test_networks_trained_side_by_side_have_the_bits_of_those_trained_alone(processes):
    ((_, experiment),) = arms_of(presets.read("tiny"))
    runs = {
        out: [Planned("", seed, Path(out, f"seed-{seed}"), experiment, 2) for seed in (0, 1)]
        for out in ("together", "alone")
    }
    Workers(2, room).run(runs["together"], OPTIONS, Recorder())
    InProcess().run(runs["alone"], OPTIONS, Recorder())
    for left, right in zip(*runs.values(), strict=True):
        assert_same_run(left.directory, right.directory)


# --- without processes


class Instant:
    """A process that ends every run as soon as it is asked how it goes."""

    PATIENCE = 0.0
    started: ClassVar[list[tuple[str, ...]]] = []
    at_once: ClassVar[list[list[int]]] = []
    hidden: ClassVar[set[bool]] = set()
    made: ClassVar[list[tuple[int, tuple[str, ...]]]] = []

    def __init__(self, gpus, *, hide_others):
        self.gpus, self.planned, self.is_over = gpus, None, False
        self.started.append(gpus)
        self.hidden.add(hide_others)

    def make(self, planned, task):
        self.planned = planned
        self.made.append((planned.seed, self.gpus))

    def stop(self):
        """Nothing goes on."""

    ask_to_end = stop

    def see_it_end(self, until):
        """It has not begun."""

    @classmethod
    def telling(cls, processes, seconds):
        busy = [process for process in processes if process.planned]
        cls.at_once.append([process.planned.seed for process in busy])
        return busy[:1]

    def printed(self):
        return ["a warning"]

    def lines(self):
        yield "ended", Ended(self.planned, Outcome(self.planned.directory, "4 rounds", 4)).dumps()


@pytest.fixture
def instant(workplace, monkeypatch):
    monkeypatch.setattr(workers, "Process", Instant)
    monkeypatch.setattr(cores, "available", lambda: 8)
    Instant.started, Instant.at_once, Instant.hidden, Instant.made = [], [], set(), []
    return Instant


def made(room: Room, jobs: int, seeds: int, **asked) -> tuple[list[str], Recorder]:
    """What was noted for the whole study, and what happened, with runs that ask for these resources."""
    notes: list[str] = []
    options = replace(OPTIONS, threads=asked.pop("threads", None), on_event=lambda event: notes.append(event.text))
    planned = [
        replace(item, experiment=item.experiment.model_copy(update={"resources": Resources(**asked)}))
        for item in planned_toys(list(range(seeds)), Path("out"), options)
    ]
    watcher = Recorder()
    ended = Workers(jobs, lambda: room).run(planned, options, watcher)
    assert len(ended) == seeds
    assert room == Room(room.everything.cores, dict.fromkeys(room.gpus, 1.0), room.everything.memory)
    return notes, watcher


@pytest.mark.parametrize(
    ("jobs", "asked", "most"),
    [
        (3, {"threads": 1}, 3),
        (0, {"threads": 1}, 8),
        (0, {"threads": 3}, 2),
        (4, {"cpus": 4, "threads": 1}, 2),
        (9, {"cpus": 1, "memory": 30 * 10**9}, 3),
        (9, {"cpus": 1, "gpus": 1.0}, 2),
        (9, {"cpus": 1, "gpus": 0.5}, 4),
        (9, {"cpus": 1, "gpus": 0.4}, 4),
        (4, {}, 1),
    ],
)
def test_as_many_runs_go_on_at_once_as_were_asked_for_and_as_there_is_room_for(instant, jobs, asked, most):
    notes, _ = made(Room(8, {"0": 1.0, "1": 1.0}, 100 * 10**9), jobs, 10, **asked)
    assert max(map(len, instant.at_once)) == most
    assert bool(notes) == (0 < most < jobs)


def test_who_sets_no_threads_is_told_what_to_set(instant):
    (text,), _ = made(room(8), 2, 3)
    assert text == (
        "one run goes on at a time, since each takes 8 of 8 CPU cores; without a number of threads a run takes all "
        "cores: give --threads 1, or set resources.threads"
    )


def test_a_run_that_asks_for_more_than_there_is_is_made_alone(instant):
    _, watcher = made(room(2), 2, 2, cpus=64, gpus=8.0, memory=2 * 10**9)
    assert max(map(len, instant.at_once)) == 1
    asked = "it asks for 64 CPU cores of 2 and 8 GPUs of 0 and 2.0 GB of memory of 1.0, so it is made alone"
    assert watcher.notices.count(asked) == 2


def test_each_run_sees_gpus_of_its_own_and_processes_live_on(instant):
    made(Room(8, {"0": 1.0, "GPU-7f": 1.0}, 10**9), 2, 6, cpus=1, gpus=1.0)
    assert sorted(instant.started) == [("0",), ("GPU-7f",)]
    assert instant.hidden == {True}


def test_a_run_is_given_to_a_process_that_sees_its_gpus_and_no_others(instant):
    """Whatever an earlier run of that process asked for."""
    machine = Room(8, {"0": 1.0, "1": 1.0}, 10**9)
    planned = [
        replace(item, experiment=item.experiment.model_copy(update={"resources": Resources(cpus=1, gpus=gpus)}))
        for item, gpus in zip(planned_toys([0, 1, 2, 3], Path("out"), OPTIONS), [2.0, 1.0, 1.0, 0.0], strict=True)
    ]
    Workers(2, lambda: machine).run(planned, OPTIONS, Recorder())
    assert instant.made == [(0, ("0", "1")), (3, ()), (1, ("0",)), (2, ("1",))]
    assert machine == Room(8, {"0": 1.0, "1": 1.0}, 10**9)


def test_what_a_process_prints_is_a_notice_of_its_run(instant):
    _, watcher = made(room(), 2, 2, threads=1)
    assert [(planned.seed, event) for planned, event in watcher.events] == [
        (0, Notice("a warning")), (1, Notice("a warning")),
    ]  # fmt: skip


def test_a_run_of_another_process_is_put_back_and_made_in_the_end(instant, monkeypatch):
    ends = iter([Ended(None, None, held="process 1 on node7 makes it"), None, None])

    def lines(self):
        ended = next(ends) or Ended(self.planned, Outcome(self.planned.directory, "4 rounds", 4))
        yield "ended", ended.dumps()

    monkeypatch.setattr(Instant, "lines", lines)
    monkeypatch.setattr(executors, "POLL", 0.0)
    _, watcher = made(room(), 1, 2, threads=1)
    assert [(one.planned.seed, one.held) for one in watcher.ends] == [
        (0, "process 1 on node7 makes it"), (1, ""), (0, ""),
    ]  # fmt: skip
