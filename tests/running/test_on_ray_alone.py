"""The logic of runs on Ray, with a Ray that makes each task in this process when it is waited for."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.studies import Recorder, planned_toys

from biasloop.errors import Held, InvalidInput
from biasloop.running import engine, executors, on_ray, ray_cluster
from biasloop.running.engine import Committed, Notice, Options
from biasloop.running.executors import InProcess, Queue
from biasloop.running.following import Following
from biasloop.running.on_ray import OnRay
from biasloop.running.ray_task import Order
from biasloop.running.tasks import Task
from biasloop.system import cores

OPTIONS = Options(Path("data"), device="cpu", threads=1, interval=1e9)


class RayError(Exception):
    pass


class RayTaskError(RayError):
    pass


class TaskCancelledError(RayError):
    pass


class WorkerCrashedError(RayError):
    pass


class Fake:
    """Of the module `ray` what is called; tasks raise those errors that are given, in their order."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError, TaskCancelledError=TaskCancelledError)

    def __init__(self, *errors):
        self.errors, self.takes, self.tasks, self.cancelled = list(errors), [], {}, []

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": 2.0, "memory": 4e9}}]

    def remote(self, **takes):
        self.takes.append(takes)
        return lambda make: SimpleNamespace(remote=lambda text: self._keep(make, text))

    def _keep(self, make, text):
        self.tasks[len(self.tasks)] = (make, text)
        return len(self.tasks) - 1

    def wait(self, references, *, num_returns, timeout):
        return references[:num_returns], references[num_returns:]

    def get(self, reference):
        error = self.errors.pop(0) if self.errors else None
        if reference in self.cancelled:
            raise TaskCancelledError
        if error is not None:
            raise error
        make, text = self.tasks[reference]
        return make(text)

    def cancel(self, reference, *, force):
        assert not force
        self.cancelled.append(reference)


@pytest.fixture
def made(workplace, monkeypatch):
    """Makes runs on a fake Ray."""

    def run(ray, planned, options=OPTIONS):
        monkeypatch.setattr(ray_cluster, "require", lambda: None)
        monkeypatch.setattr(ray_cluster, "connected", lambda address: nullcontext(ray))
        watcher = Recorder()
        return OnRay().run(planned, options, watcher), watcher

    return run


def test_each_run_is_a_task_with_what_it_takes(made):
    ray = Fake()
    ended, watcher = made(ray, planned_toys([0, 1], Path("out"), OPTIONS))
    assert [one.outcome.rounds for one in ended] == [4, 4]
    assert [one.outcome.directory for one in ended] == [Path("out/seed-0"), Path("out/seed-1")]
    assert [word for word, _ in watcher.told].count("start") == 2
    assert ray.takes == 2 * [{"max_retries": on_ray.RETRIES, "num_cpus": 1.0, "num_gpus": 0.0, "memory": 0.0}]
    assert not list(Path("out").glob(".ray-*"))


def test_lost_and_refused_tasks_are_told_and_others_go_on(made):
    ray = Fake(WorkerCrashedError("it died"), RayTaskError("...\nModuleNotFoundError: No module named 'biasloop'"))
    ended, _ = made(ray, planned_toys([0, 1, 2], Path("out"), OPTIONS))
    lost, refused, fine = ended
    assert lost.error.startswith("the machine or process that made it was lost 6 times, at last by WorkerCrashedError")
    assert "No module named 'biasloop'" in refused.error
    assert fine.outcome.rounds == 4


def test_a_run_of_another_process_is_put_back_and_made_in_the_end_and_notices_come_along(made, monkeypatch):
    run, errors, notes = engine.run, [Held("process 1 on node7 makes it")], []

    def once(prepared, directory, options):
        if errors:
            raise errors.pop()
        options.on_event(Notice(f"adopted {directory.name}"))
        return run(prepared, directory, options)

    monkeypatch.setattr(engine, "run", once)
    monkeypatch.setattr(executors, "POLL", 0.0)
    free = iter([False, False, True])
    monkeypatch.setattr(executors, "_is_free", lambda planned: next(free))
    options = replace(OPTIONS, on_event=notes.append)
    ended, watcher = made(Fake(), planned_toys([0, 1], Path("out"), options), options)
    assert [(one.planned.seed, one.outcome.rounds) for one in ended] == [(1, 4), (0, 4)]
    assert [one.held for one in watcher.ends] == ["process 1 on node7 makes it", "", ""]
    assert watcher.notices == ["adopted seed-1", "adopted seed-0"]
    assert notes == [Notice("waiting for a run of other processes; --no-wait ends without")]


def test_rounds_of_a_task_that_is_made_again_are_told_again_as_those_that_were_there(workplace):
    (planned,) = planned_toys([0], Path("out"), OPTIONS)
    InProcess().run([planned], OPTIONS, Recorder())
    watcher = Recorder()
    making = on_ray._Making(Fake(), Queue([]), {}, OPTIONS, watcher, Path("meeting"), "token")
    given = on_ray._Given(1, planned, Following(planned.directory, 0))
    for attempts in (0, 1, 1, 2):
        making._tell(given, attempts)
    assert watcher.told == [("start", 0), ("event", 0), ("start", 0), ("event", 0)]
    rounds = [(event.number, event.resumed) for _, event in watcher.events if isinstance(event, Committed)]
    assert rounds == [(number, again) for again in (False, True) for number in range(4)]
    assert watcher.notices == ["out/seed-0: the machine or process that made it was lost; it is made again elsewhere"]


def test_a_task_that_somebody_else_cancels_has_failed_also_before_it_began(made):
    ended, watcher = made(Fake(TaskCancelledError()), planned_toys([0, 1], Path("out"), OPTIONS))
    cancelled, fine = ended
    assert (cancelled.planned.seed, cancelled.error) == (0, "its task was cancelled, and nobody asked the command")
    assert fine.outcome.rounds == 4
    assert watcher.ends == ended


def test_a_task_is_told_places_that_are_the_same_wherever_it_runs(made):
    ray = Fake()
    ((ended,), _) = made(ray, planned_toys([0], Path("out"), OPTIONS))
    ((_, text),) = ray.tasks.values()
    order = Order(**json.loads(text))
    task = Task.loads(order.task)
    assert task.planned.directory == Path("out/seed-0").absolute()
    assert task.options.data == Path("data").absolute()
    assert Path(order.meeting).is_absolute()
    assert ended.outcome.directory == Path("out/seed-0")


def test_a_run_that_takes_all_cores_takes_those_of_the_largest_machine(made, monkeypatch):
    monkeypatch.setattr(cores, "available", lambda: 64)
    ray, options = Fake(), replace(OPTIONS, threads=None)
    made(ray, planned_toys([0], Path("out"), options), options)
    assert [takes["num_cpus"] for takes in ray.takes] == [2.0]


def test_tasks_that_never_began_are_cancelled_and_not_told(made):
    asked = iter([False])
    options = replace(OPTIONS, stopping=lambda: next(asked, True))
    ray = Fake()
    ended, watcher = made(ray, planned_toys([0, 1, 2], Path("out"), OPTIONS), options)
    assert [one.planned.seed for one in ended] == [0]
    assert ray.cancelled == [1, 2]
    assert {seed for _, seed in watcher.told} == {0}


def test_a_run_that_no_machine_has_room_for_is_refused(made, monkeypatch):
    planned = planned_toys([0], Path("out"), OPTIONS)
    with pytest.raises(InvalidInput, match=r"takes 3 cores, 0 GPUs and 0.0 GB of memory, and no machine of the cluste"):
        made(Fake(), planned, replace(OPTIONS, threads=3))
    assert not Path("out").exists()
