"""Draws all shards: in this process, or in several that share them; each takes the next that nobody makes."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from biasloop.datasets.captions import Captions
from biasloop.errors import BiasloopError, Interrupted
from biasloop.running.drawing import work
from biasloop.running.drawing_worker import STOPPED, dumps, event_loads, loader
from biasloop.running.shards import Generation, Said, Tell, count_shards, done
from biasloop.system import gpus

_COMMAND = (sys.executable, "-P", "-m", "biasloop.running.drawing_worker")
_TICK = 0.1  # seconds between two looks at whether the person asked to stop
_PATIENCE = 5.0  # seconds for a process to end in that is told to do so at once


def draw(
    directory: Path, generation: Generation, captions: Captions, jobs: int, tell: Tell, stopping: Callable[[], bool]
) -> None:
    """Make all shards that are not done.

    Args:
        directory: where they go; it is there.
        generation: what is asked for.
        captions: for which.
        jobs: processes.
        tell: told what happens, in this thread; what it raises ends all.
        stopping: whether the person asked to stop.

    Raises:
        Interrupted: the person asked to stop.
        BiasloopError: as `drawing.work`; of several processes, what the first that failed says.
    """
    load = loader(generation)
    if jobs == 1:
        work(directory, generation, captions, load, tell, stopping)
        return
    workers = [_Worker(dumps(directory, _on(generation, number), captions)) for number in range(jobs)]
    try:
        _watch(workers, tell, stopping)
    finally:
        for worker in workers:
            worker.end()
    if stopping() and any(worker.process.returncode == STOPPED for worker in workers):
        raise Interrupted
    failed = [worker.why() for worker in workers if worker.process.returncode]
    count = count_shards(generation, captions)
    if failed and len(done(directory, count)) < count:
        raise failed[0]
    for error in failed:
        tell(Said(f"{error}; the others have made its shard"))


def _on(generation: Generation, number: int) -> Generation:
    """The generation of one of several processes: where there are several GPUs, it has one of them."""
    count = gpus.visible()
    if count < 2 or generation.pipeline.device not in ("auto", "cuda"):
        return generation
    return replace(generation, pipeline=replace(generation.pipeline, device=f"cuda:{number % count}"))


class _Worker:
    """A process that draws, as this one sees it."""

    def __init__(self, asked: str) -> None:
        # In a session of its own: Ctrl-C is heard by this process, which tells the others.
        self.process = subprocess.Popen(
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.error: BiasloopError | None = None
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self.say(asked)

    def say(self, text: str) -> None:
        """Tell it something."""
        assert self.process.stdin
        with suppress(OSError):  # it has ended
            self.process.stdin.write(f"{text}\n")
            self.process.stdin.flush()

    def pass_on(self, tell: Tell) -> None:
        """Tell what it has told since."""
        with suppress(queue.Empty):
            while True:
                event = event_loads(self.lines.get_nowait())
                if isinstance(event, BiasloopError):
                    self.error = event
                else:
                    tell(event)

    @property
    def over(self) -> bool:
        """Whether it has ended, and all that it told is here."""
        return self.process.poll() is not None and not self._thread.is_alive()

    def why(self) -> BiasloopError:
        """Why it has failed."""
        code = self.process.returncode
        return self.error or BiasloopError(
            f"a process that drew pictures has ended with status {code}, and its messages are above"
        )

    def end(self) -> None:
        """Let it end, at once if need be."""
        assert self.process.stdin
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(line)


def _watch(workers: Sequence[_Worker], tell: Tell, stopping: Callable[[], bool]) -> None:
    """Pass on what happens until all processes have ended."""
    told = False
    while not all(worker.over for worker in workers):
        if stopping() and not told:
            told = True
            for worker in workers:
                worker.say("stop")
        for worker in workers:
            worker.pass_on(tell)
        time.sleep(_TICK)
    for worker in workers:
        worker.pass_on(tell)
