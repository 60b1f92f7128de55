"""A run as a Ray task: what a worker process of Ray does with it. Nothing but short texts goes through Ray.

Ray asks a task to end by a KeyboardInterrupt in its main thread; here that is a wish to stop after the current step.
"""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from biasloop.contract.context import Memory
from biasloop.errors import InvalidInput
from biasloop.running.engine import Event, Notice, Outcome
from biasloop.running.tasks import Ended, Task, perform
from biasloop.store import claims

POLL = 1.0  # seconds between two looks at a run that another process makes
_NOTICES = 100  # of a run that travel back
_SAMPLE = 20  # names of the data directory that are compared
_remembered = Memory()  # a worker process lives on: its runs share what they read


@dataclass(frozen=True)
class Order:
    """What a task is told.

    Attributes:
        task: the run, as `Task.dumps` writes it.
        number: of this task; no other task of the command has it.
        meeting: a directory inside that of the study, which all machines share.
        token: what the file `token` in it says.
        host: name of the machine on which the command was given.
        data: some names in the data directory, as they were seen there; None without such a directory.
        environment: variables of the environment that the command was given with.
    """

    task: str
    number: int
    meeting: str
    token: str
    host: str
    data: list[str] | None
    environment: dict[str, str]

    def dumps(self) -> str:
        """As a line of JSON."""
        return json.dumps(asdict(self))


def sample_of(data: Path) -> list[str] | None:
    """Some names in a data directory, the same ones wherever it is looked at; None if there is none."""
    with suppress(OSError):
        return sorted(entry.name for entry in os.scandir(data) if not entry.name.startswith("."))[:_SAMPLE]
    return None


def made(text: str) -> str:
    """Make a run, or what is left of it, in this worker process.

    Args:
        text: an order, as `Order.dumps` writes it.

    Returns:
        JSON: how it ended, as `Ended.dumps` writes it, and notices.
    """
    order = Order(**json.loads(text))
    os.environ.update(order.environment)
    task = Task.loads(order.task)
    lacking = _lacking(order, task.options.data)
    if lacking:
        return json.dumps([Ended(task.planned, None, lacking, code=InvalidInput.exit_code).dumps(), []])
    notices: list[str] = []

    def on_event(event: Event) -> None:
        if isinstance(event, Notice) and len(notices) < _NOTICES:
            notices.append(event.text)

    with _stoppable() as stopping:
        again = _attempt(order) > 1
        ended = perform(task, on_event, stopping, _remembered)
        # An earlier attempt may go on although Ray takes it for dead: its claim decides, and this one waits.
        while again and ended.held:
            while claims.holder(task.planned.directory) is not None and not stopping():
                time.sleep(POLL)
            if stopping():
                ended = Ended(task.planned, Outcome(task.planned.directory, "", task.planned.done))
            else:
                ended = perform(task, on_event, stopping, _remembered)
    return json.dumps([ended.dumps(), notices])


def _lacking(order: Order, data: Path) -> str:
    """Why no run can be made on this machine; empty if it can."""
    token, here = Path(order.meeting) / "token", socket.gethostname()
    try:
        said = token.read_text()
    except OSError:
        said = ""
    if said != order.token:
        return (
            f"{here} does not see {token.parent.parent} as {order.host} does; runs on several machines lie in a "
            "directory that all of them share under one path: give such a one with --output"
        )
    if order.data is not None and not all((data / name).exists() for name in order.data):
        return (
            f"{here} does not see the data directory {data} as {order.host} does; give one with --data that all "
            "machines share under one path, or fetch the same data into it on each of them"
        )
    return ""


def _attempt(order: Order) -> int:
    """Which attempt of the task this is, 1 for the first; from now on the command sees that it has begun."""
    attempt = 1
    while True:
        try:
            (Path(order.meeting) / f"{order.number}.{attempt}").touch(exist_ok=False)
        except FileExistsError:
            attempt += 1
        else:
            return attempt


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Inside, Ray's KeyboardInterrupt is a wish to stop, which the function that is given tells."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)
