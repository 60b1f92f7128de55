"""Who makes the runs of a study: one after another, failures and runs of other processes among them."""

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
from support.studies import Recorder, planned_toys

from biasloop.errors import Diverged, Held
from biasloop.running import engine, executors
from biasloop.running.engine import Notice, Options
from biasloop.running.executors import InProcess, Queue
from biasloop.running.tasks import Ended

OPTIONS = Options(Path("data"), interval=1e9)


def test_one_runs_data_are_held_at_a_time(workplace, monkeypatch):
    alive: weakref.WeakSet[object] = weakref.WeakSet()
    build, most = engine.build_domain, []

    def watched(*arguments, **named):
        domain = build(*arguments, **named)
        alive.add(domain)
        return domain

    class Counting(Recorder):
        def start(self, planned):
            gc.collect()
            most.append(len(alive))

    monkeypatch.setattr(engine, "build_domain", watched)
    InProcess().run(planned_toys([0, 1, 2], Path("out"), OPTIONS), OPTIONS, Counting())
    assert max(most) <= 1


def test_runs_follow_one_another_and_the_first_that_was_stopped_is_the_last(workplace):
    class Stopping(Recorder):
        def start(self, planned):
            super().start(planned)
            self.asked = planned.seed == 1

    watcher = Stopping()
    watcher.asked = False
    options = Options(Path("data"), stopping=lambda: watcher.asked)
    ended = InProcess().run(planned_toys([0, 1, 2], Path("out"), options), options, watcher)
    assert watcher.told == [("start", 0), ("event", 0), ("end", 0), ("start", 1), ("end", 1)]
    assert [one.stopped for one in ended] == [False, True]


def failing(monkeypatch, *errors: Exception | None) -> None:
    """The first runs that are made fail with these."""
    run, ahead = engine.run, list(errors)

    def once(*arguments):
        error = ahead.pop(0) if ahead else None
        if error is not None:
            raise error
        return run(*arguments)

    monkeypatch.setattr(engine, "run", once)


def test_a_failed_run_does_not_stop_the_others(workplace, monkeypatch):
    failing(monkeypatch, None, Diverged("no number"))
    watcher = Recorder()
    ended = InProcess().run(planned_toys([0, 1, 2], Path("out"), OPTIONS), OPTIONS, watcher)
    assert [(one.planned.seed, one.error) for one in ended] == [(0, ""), (1, "no number"), (2, "")]
    assert watcher.ends == ended


def test_a_run_of_another_process_is_made_when_that_is_over(workplace, monkeypatch):
    failing(monkeypatch, Held("process 1 on node7 makes it"))
    monkeypatch.setattr(executors, "POLL", 0.0)
    free = iter([False, False, True])
    monkeypatch.setattr(executors, "_is_free", lambda planned: next(free))
    watcher, notes = Recorder(), []
    options = replace(OPTIONS, on_event=notes.append)
    ended = InProcess().run(planned_toys([0, 1], Path("out"), options), options, watcher)
    assert notes == [Notice("waiting for a run of other processes; --no-wait ends without")]
    assert [(one.planned.seed, bool(one.outcome)) for one in ended] == [(1, True), (0, True)]
    assert [(one.planned.seed, one.held) for one in watcher.ends] == [
        (0, "process 1 on node7 makes it"), (1, ""), (0, ""),
    ]  # fmt: skip


def test_runs_of_others_are_looked_at_every_few_seconds_and_no_more_often(workplace, monkeypatch):
    looks = []
    monkeypatch.setattr(executors, "_is_free", looks.append)
    (planned,) = planned_toys([0], Path("out"), OPTIONS)
    queue = Queue([])
    queue.put_back(Ended(planned, None, held="process 1 on node7 makes it"))
    queue.take_free()
    assert looks == []
    monkeypatch.setattr(executors, "POLL", 0.0)
    queue.take_free()
    assert looks == [planned]
    assert [ended.planned for ended in queue.elsewhere] == [planned]


def test_nobody_waits_who_does_not_want_to(workplace, monkeypatch):
    failing(monkeypatch, Held("process 1 on node7 makes it"))
    options = Options(Path("data"), wait=False)
    ended = InProcess().run(planned_toys([0, 1], Path("out"), options), options, Recorder())
    assert [(one.planned.seed, one.held) for one in ended] == [(1, ""), (0, "process 1 on node7 makes it")]


def test_ctrl_c_ends_the_wait(workplace, monkeypatch):
    failing(monkeypatch, Held("process 1 on node7 makes it"))
    asked = iter([False, False])
    options = Options(Path("data"), stopping=lambda: next(asked, True))
    ended = InProcess().run(planned_toys([0], Path("out"), options), options, Recorder())
    assert [one.held for one in ended] == ["process 1 on node7 makes it"]


def test_data_are_read_once_for_runs_that_follow_one_another(workplace, monkeypatch):
    handed = []
    prepare = engine.prepare

    def watched(experiment, seed, options, remembered):
        handed.append(remembered)
        return prepare(experiment, seed, options, remembered)

    monkeypatch.setattr(engine, "prepare", watched)
    InProcess().run(planned_toys([0, 1], Path("out"), OPTIONS), OPTIONS, Recorder())
    assert handed[0] is handed[1] is not None


@pytest.mark.parametrize("wait", [True, False])
def test_a_study_of_nothing_but_finished_runs_is_told_all_the_same(workplace, wait):
    options = Options(Path("data"), wait=wait)
    InProcess().run(planned_toys([0], Path("out"), options), options, Recorder())
    watcher = Recorder()
    (ended,) = InProcess().run(planned_toys([0], Path("out"), options), options, watcher)
    assert ended.outcome
    assert ended.outcome.rounds == 4
