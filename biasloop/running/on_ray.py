"""Runs as tasks of Ray, on the machines of a cluster or on this one; their directories are the state, not Ray.

A task whose machine or process is lost is started again elsewhere and goes on from the last committed round. What
happens in a run is seen in its directory, which all machines share, so that nothing but short texts goes through Ray.
"""

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from biasloop.errors import InvalidInput
from biasloop.running import ray_cluster, ray_task, resources
from biasloop.running.engine import Notice, Options, Outcome
from biasloop.running.executors import Queue, Watcher
from biasloop.running.following import Following
from biasloop.running.ray_task import Order
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended, Task

RETRIES = 5  # of a task whose machine or process was lost
_TICK = 0.1  # seconds between two looks at whether the person asked to stop
_LOOK = 1.0  # seconds between two looks at the runs that are under way
_MOST = 1000  # tasks that Ray knows of at a time


class OnRay:
    """Each run a task, with what it takes of a machine as Ray's resources.

    Attributes:
        address: of the cluster, `HOST:PORT`; None for the one that `RAY_ADDRESS` names, else this machine alone.

    Raises:
        InvalidInput: Ray is not installed.
    """

    def __init__(self, address: str | None = None) -> None:
        ray_cluster.require()
        self.address = address

    def run(self, planned: Sequence[Planned], options: Options, watcher: Watcher) -> list[Ended]:
        """As `Executor`.

        Raises:
            InvalidInput: no cluster answers, or none of its machines has what a run takes.
        """
        with ray_cluster.connected(self.address) as ray:
            takes = _takes(planned, options, [node["Resources"] for node in ray.nodes() if node["Alive"]])
            with _meeting(planned) as (meeting, token):
                making = _Making(ray, Queue(list(planned)), takes, options, watcher, meeting, token)
                making.all()
        return making.ended + making.queue.elsewhere


def _takes(
    planned: Sequence[Planned], options: Options, nodes: Sequence[dict[str, float]]
) -> dict[int, dict[str, float]]:
    """What each run takes, in Ray's words, by the identity of its experiment.

    Raises:
        InvalidInput: no machine has as much.
    """
    known: dict[int, dict[str, float]] = {}
    most = max((node.get("CPU", 0.0) for node in nodes), default=0.0)
    for item in planned:
        if id(item.experiment) in known:
            continue
        cores, asked = float(resources.cores_of(item.experiment, options)), item.experiment.resources
        if not asked.cpus and not asked.threads_with(options.threads):
            cores = max(1.0, min(cores, most))  # it takes all cores, however many there are
        takes = {"num_cpus": cores, "num_gpus": resources.gpus_of(item.experiment, options),
                 "memory": float(resources.memory_of(item.experiment) or 0)}  # fmt: skip
        if not any(_lasts(node, takes) for node in nodes):
            raise InvalidInput(_too_much(item, takes, nodes))
        known[id(item.experiment)] = takes
    return known


def _lasts(node: dict[str, float], takes: dict[str, float]) -> bool:
    """Whether a machine that makes nothing else has what a run takes."""
    names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
    return all(node.get(names[name], 0.0) >= amount for name, amount in takes.items())


def _too_much(item: Planned, takes: dict[str, float], nodes: Sequence[dict[str, float]]) -> str:
    def words(cores: float, gpus: float, memory: float) -> str:
        return f"{cores:g} cores, {gpus:g} GPUs and {memory / 1e9:.1f} GB of memory"

    there = "; ".join(
        dict.fromkeys(words(*(node.get(name, 0.0) for name in ("CPU", "GPU", "memory"))) for node in nodes)
    )
    return (
        f"{item.directory} takes {words(*takes.values())}, and no machine of the cluster has that much ({there}); set "
        "resources.cpus, resources.gpus or resources.memory to less, or add a machine"
    )


@contextmanager
def _meeting(planned: Sequence[Planned]) -> Iterator[tuple[Path, str]]:
    """A directory inside that of the study, in which tasks see that they share it, and show that they have begun."""
    study = Path(os.path.commonpath([item.directory.absolute().parent for item in planned]))
    meeting, token = study / f".ray-{os.urandom(8).hex()}", os.urandom(16).hex()
    try:
        meeting.mkdir(parents=True)
        (meeting / "token").write_text(token)
    except OSError as error:
        raise InvalidInput(f"{study} cannot be written ({error.strerror}); use another --output") from error
    try:
        yield meeting, token
    finally:
        shutil.rmtree(meeting, ignore_errors=True)


@dataclass
class _Given:
    """A task that Ray has.

    Attributes:
        number: no other task of this command has it.
        attempts: how often it has begun, as far as that was seen.
        following: what is seen of its rounds.
    """

    number: int
    planned: Planned
    following: Following
    attempts: int = 0


@dataclass
class _Making:
    """The state of one `OnRay.run`.

    Attributes:
        takes: what runs take, by the identity of their experiment.
        meeting: where tasks show that they have begun.
        ended: how runs ended, so far.
        given: tasks that Ray has, by Ray's reference.
    """

    ray: Any
    queue: Queue
    takes: dict[int, dict[str, float]]
    options: Options
    watcher: Watcher
    meeting: Path
    token: str
    ended: list[Ended] = field(default_factory=list)
    given: dict[Any, _Given] = field(default_factory=dict)
    told_to_stop: bool = False
    _number: int = 0
    _looked: float = 0.0

    def all(self) -> None:
        """Make runs until none is left, or the person asked to stop and those under way have ended."""
        data = ray_task.sample_of(self.options.data)
        while True:
            if self.options.stopping():
                self._stop()
            else:
                if self.options.wait:
                    self.queue.take_free()
                while self.queue.waiting and len(self.given) < _MOST:
                    self._give(self.queue.waiting.pop(0), data)
            if not self.given and (self.told_to_stop or not self._more):
                return
            if not self.given and not self.queue.waiting:
                self.queue.say_what_is_waited_for(self.options)
            self._listen()

    @property
    def _more(self) -> bool:
        """Whether there is a run left to make, now or when another process has done with it."""
        return bool(self.queue.waiting) or bool(self.queue.elsewhere and self.options.wait)

    def _give(self, planned: Planned, data: list[str] | None) -> None:
        """Give a run to Ray, which starts it when a machine has room."""
        self._number += 1
        there = replace(planned, directory=planned.directory.absolute())
        sinks = tuple(choice.absolute() for choice in self.options.sinks)
        options = replace(self.options, data=self.options.data.absolute(), sinks=sinks)
        environment = {name: text for name, text in os.environ.items() if name.startswith("BIASLOOP_")}
        order = Order(Task(there, options).dumps(), self._number, str(self.meeting), self.token, socket.gethostname(),
                      data, environment)  # fmt: skip
        task = self.ray.remote(max_retries=RETRIES, **self.takes[id(planned.experiment)])(ray_task.made)
        self.given[task.remote(order.dumps())] = _Given(
            self._number, planned, Following(planned.directory, planned.done)
        )

    def _stop(self) -> None:
        """Tasks that are under way end after their step, others never begin."""
        if not self.told_to_stop:
            self.told_to_stop = True
            for reference in self.given:
                self.ray.cancel(reference, force=False)

    def _listen(self) -> None:
        """Wait a moment for tasks to end, and tell what is seen of the others."""
        ready = []
        if self.given:
            ready, _ = self.ray.wait(list(self.given), num_returns=1, timeout=_TICK)
        else:
            time.sleep(_TICK)
        if time.monotonic() - self._looked >= _LOOK or ready:
            self._look(ready)
        for reference in ready:
            self._end(reference)

    def _look(self, ready: list[Any]) -> None:
        """Tell which tasks have begun, and which rounds those under way have committed."""
        attempts: dict[int, int] = {}
        for entry in os.scandir(self.meeting):
            number, _, attempt = entry.name.partition(".")
            if attempt.isdigit():
                attempts[int(number)] = max(int(attempt), attempts.get(int(number), 0))
        every = time.monotonic() - self._looked >= _LOOK
        for reference, given in self.given.items():
            if every or reference in ready:
                self._tell(given, attempts.get(given.number, 0))
        if every:
            self._looked = time.monotonic()

    def _tell(self, given: _Given, attempts: int) -> None:
        planned = given.planned
        if attempts > given.attempts:
            if given.attempts:
                told = max(given.following.next, planned.done, 0)
                given.following = Following(planned.directory, told)
            self.watcher.start(planned)
            if given.attempts:
                text = f"{planned.directory}: the machine or process that made it was lost; it is made again elsewhere"
                self.watcher.event(planned, Notice(text))
            given.attempts = attempts
        if given.attempts:
            for event in given.following.new():
                self.watcher.event(planned, event)

    def _end(self, reference: Any) -> None:
        given = self.given.pop(reference)
        ended, notices = self._result(reference, given)
        if ended is None:
            return
        if not given.attempts:
            self.watcher.start(given.planned)
        for text in notices:
            self.watcher.event(given.planned, Notice(text))
        if ended.stopped and not self.told_to_stop and not self.options.stopping():
            ended = Ended(given.planned, None, "its task was cancelled, and nobody asked the command", code=1)
        self.watcher.end(ended)
        if ended.held:
            self.queue.put_back(ended)
        else:
            self.ended.append(ended)

    def _result(self, reference: Any, given: _Given) -> tuple[Ended | None, list[str]]:
        """How a task ended, and notices of it; None if it never began, since the person asked to stop."""
        planned, raised = given.planned, self.ray.exceptions
        try:
            text, notices = json.loads(self.ray.get(reference))
            ended = Ended.loads(text, planned)
            if ended.outcome:
                ended = replace(ended, outcome=replace(ended.outcome, directory=planned.directory))
            return ended, notices
        except raised.TaskCancelledError:
            if self.told_to_stop and not given.attempts:
                return None, []
            rounds = max(given.following.next, planned.done, 0)
            return Ended(planned, Outcome(planned.directory, "", rounds)), []
        except raised.RayTaskError as error:
            return Ended(planned, None, _failed(error), code=1), [str(error)] if self.options.debug else []
        except raised.RayError as error:
            return Ended(planned, None, _lost(error), code=1), []


def _failed(error: Exception) -> str:
    """What a task raised, in a sentence: biasloop or a plugin is not there, or a defect."""
    last = str(error).strip().splitlines()[-1].strip()
    return (
        f"its task failed on Ray ({last[:300]}); the same biasloop with the same plugins has to be installed on every "
        "machine of the cluster"
    )


def _lost(error: Exception) -> str:
    """A task that is lost after all retries, in a sentence."""
    first = str(error).strip().splitlines()[0].strip() if str(error).strip() else ""
    return (
        f"the machine or process that made it was lost {RETRIES + 1} times, at last by {type(error).__name__} "
        f"({first[:200]}); what it finished is kept, and the same command goes on"
    )
