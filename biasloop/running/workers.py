"""Several processes that make runs, on this machine; they live on from run to run, since a fresh one loads for seconds.

As many runs go on at once as were asked for and as cores, GPUs and memory last for. What a worker's programs print
reaches the person line by line, as notices of the run that it makes.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from biasloop.running import resources
from biasloop.running.engine import Notice, Options
from biasloop.running.executors import Queue, Watcher
from biasloop.running.process import Process
from biasloop.running.room import Needs, Room
from biasloop.running.study import Planned
from biasloop.running.tasks import Ended, Task, event_loads

_TICK = 0.1  # seconds between two looks at whether the person asked to stop


class Workers:
    """As many runs at once as asked for, each in a process of its own.

    Attributes:
        jobs: how many; 0 for as many as the machine has room for.
        room: what the machine has.
    """

    def __init__(self, jobs: int, room: Callable[[], Room] = Room.of_machine) -> None:
        self.jobs, self._room = jobs, room

    def run(self, planned: Sequence[Planned], options: Options, watcher: Watcher) -> list[Ended]:
        """As `Executor`."""
        room = self._room()
        needs = resources.needs_of(planned, options)
        most = min(self.jobs or len(planned), len(planned))
        left = sum(item.done < item.rounds for item in planned)
        fewer = _fewer(needs[0], room, self.jobs, left, unset=_without_threads(planned[0], options))
        if fewer:
            options.on_event(Notice(fewer))
        making = _Making(Queue(list(planned)), dict(zip(map(id, planned), needs, strict=True)), room, most,
                         options, watcher)  # fmt: skip
        try:
            making.all()
        finally:
            making.close()
        return making.ended + making.queue.elsewhere


def at_once(planned: Sequence[Planned], options: Options, jobs: int) -> int:
    """How many of these runs go on at once on this machine, if so many are asked for; 0 for as many as it lasts for."""
    lasts = Room.of_machine().lasts_for(resources.needs_of(planned[:1], options)[0])
    return max(1, min(jobs or lasts, lasts, len(planned)))


def _without_threads(planned: Planned, options: Options) -> bool:
    """Whether a run takes all cores since nobody said how many."""
    asked = planned.experiment.resources
    return not (asked.cpus or asked.threads_with(options.threads))


def _fewer(needs: Needs, room: Room, jobs: int, runs: int, *, unset: bool) -> str:
    """Why fewer runs go on at once than were asked for, and what to set; empty if there are none fewer."""
    lasts, wanted = room.lasts_for(needs), min(jobs or runs, runs)
    if lasts >= wanted or (not jobs and lasts > 1):
        return ""
    there = room.everything
    said = {
        Needs(needs.cores): f"{needs.cores} of {there.cores} CPU cores",
        Needs(0, needs.gpus): f"{needs.gpus:g} of {there.gpus:g} GPUs",
        Needs(0, 0.0, needs.memory): f"{needs.memory / 1e9:.1f} of {there.memory / 1e9:.1f} GB of memory",
    }
    words = [text for need, text in said.items() if any(need) and room.lasts_for(need) == lasts]
    hint = (
        "; without a number of threads a run takes all cores: give --threads 1, or set resources.threads"
        if unset
        else ""
    )
    goes = "one run goes" if lasts == 1 else f"{lasts} runs go"
    return f"{goes} on at a time, since each takes {', '.join(words)}{hint}"


@dataclass
class _Making:
    """The state of one `Workers.run`.

    Attributes:
        most: runs at once.
        ended: how runs ended, so far.
    """

    queue: Queue
    needs: dict[int, Needs]
    room: Room
    most: int
    options: Options
    watcher: Watcher
    ended: list[Ended] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    told_to_stop: bool = False

    def all(self) -> None:
        """Make runs until none is left, or the person asked to stop and those under way have ended."""
        while True:
            if self.options.stopping():
                self._stop()
            else:
                self._start_some()
            if not self._busy and (self.told_to_stop or not self._more):
                return
            if not self._busy and not self.queue.waiting:
                self.queue.say_what_is_waited_for(self.options)
            self._listen()

    def close(self) -> None:
        """End all processes, at once those that still make a run."""
        for process in self.processes:
            process.ask_to_end()
        until = time.monotonic() + Process.PATIENCE
        for process in self.processes:
            process.see_it_end(until)
        self.processes.clear()

    @property
    def _busy(self) -> list[Process]:
        return [process for process in self.processes if process.planned is not None]

    @property
    def _more(self) -> bool:
        """Whether there is a run left to make, now or when another process has done with it."""
        return bool(self.queue.waiting) or bool(self.queue.elsewhere and self.options.wait)

    def _stop(self) -> None:
        if not self.told_to_stop:
            self.told_to_stop = True
            for process in self._busy:
                process.stop()

    def _start_some(self) -> None:
        """Start the first runs that there is room for."""
        if self.options.wait:
            self.queue.take_free()
        refused: set[Needs] = set()
        index = 0
        while index < len(self.queue.waiting) and len(self._busy) < self.most and self.room.cores:
            needs = self.needs[id(self.queue.waiting[index])]
            gpus = None if needs in refused else self.room.take(needs)
            if gpus is None:
                refused.add(needs)
                index += 1
            else:
                self._start(self.queue.waiting.pop(index), needs, gpus)

    def _start(self, planned: Planned, needs: Needs, gpus: tuple[str, ...]) -> None:
        process = self._process(gpus)
        self.watcher.start(planned)
        exceeded = self.room.exceeded_by(needs)
        if exceeded:
            self.watcher.event(planned, Notice(f"it asks for {exceeded}, so it is made alone"))
        process.make(planned, Task(planned, self.options).dumps())

    def _process(self, gpus: tuple[str, ...]) -> Process:
        """A process that makes nothing now and sees these GPUs."""
        idle = [process for process in self.processes if process.planned is None]
        for process in idle:
            if process.gpus == gpus:
                return process
        for process in idle[: max(0, len(self.processes) + 1 - self.most)]:
            self._drop(process)
        self.processes.append(Process(gpus, hide_others=bool(self.room.gpus)))
        return self.processes[-1]

    def _drop(self, process: Process) -> None:
        process.ask_to_end()
        process.see_it_end(time.monotonic() + Process.PATIENCE)
        self.processes.remove(process)

    def _listen(self) -> None:
        """Wait a moment for what processes tell, and pass it on."""
        for process in Process.telling(self.processes, _TICK):
            planned = process.planned
            self._pass_on_printed(process)
            for word, rest in process.lines():
                if planned is not None and word == "event":
                    self.watcher.event(planned, event_loads(rest))
                elif planned is not None and word == "ended":
                    self._end(process, Ended.loads(rest, planned))
            if process.is_over and process in self.processes:
                self._lost(process)

    def _pass_on_printed(self, process: Process) -> None:
        for text in process.printed():
            if process.planned is not None:
                self.watcher.event(process.planned, Notice(text))

    def _lost(self, process: Process) -> None:
        """A process has ended by itself, with its run if it made one."""
        self._pass_on_printed(process)
        self._drop(process)
        if process.planned is not None:
            self._end(process, Ended(process.planned, None, process.how_it_ended(), code=1))

    def _end(self, process: Process, ended: Ended) -> None:
        planned = ended.planned
        process.planned = None
        self.room.give_back(self.needs[id(planned)], process.gpus)
        if ended.stopped and not self.told_to_stop and not self.options.stopping():
            ended = Ended(
                planned, None, "its process was asked to stop (SIGTERM), and nobody asked the command", code=1
            )
            self._drop(process)
        self.watcher.end(ended)
        if ended.held:
            self.queue.put_back(ended)
        else:
            self.ended.append(ended)
