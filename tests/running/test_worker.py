"""What runs in a worker process: it hears of tasks and of ends, and tells what happens."""

import io
import json
import sys
from pathlib import Path

import pytest
from support.studies import planned_toys

from biasloop.running import worker
from biasloop.running.engine import Committed, Notice, Options, Step
from biasloop.running.tasks import Ended, Task, event_loads
from biasloop.running.worker import Channel, Told, work

OPTIONS = Options(Path("data"), interval=1e9)


class Closed(io.BytesIO):
    def write(self, data):
        raise BrokenPipeError


def sent(stream: io.BytesIO) -> list[tuple[str, str]]:
    lines = [line.decode().partition(" ") for line in stream.getvalue().splitlines()]
    return [(word, rest) for word, _, rest in lines]


def test_tasks_are_made_one_after_another_and_their_events_and_ends_go_out(workplace):
    planned = planned_toys([0, 1], Path("out"), OPTIONS)
    heard, stream = Told(), io.BytesIO()
    heard.listen(f"task {Task(item, OPTIONS).dumps()}\n".encode() for item in planned)
    heard.stop = False  # the input has ended, but that is told by the line behind the tasks
    work(heard, Channel(stream, heard))
    words = sent(stream)
    ends = [Ended.loads(rest, planned[0]) for word, rest in words if word == "ended"]
    assert [ended.outcome and ended.outcome.rounds for ended in ends] == [4, 4]
    committed = [event_loads(rest) for word, rest in words if word == "event"]
    assert sum(isinstance(event, Committed) for event in committed) == 8


def test_a_wish_to_stop_and_the_end_of_the_input_are_heard(monkeypatch):
    heard = Told()
    monkeypatch.setattr(worker, "_write_nowhere", lambda: None)
    heard.listen([b"stop\n"])
    assert heard.stopping()
    gone = Told()
    gone.busy = True
    gone.listen([])
    assert gone.stopping()


def test_the_end_of_the_input_after_a_wish_to_stop_ends_a_run_at_once(monkeypatch):
    """And the process with it, where the run does not end."""
    calls: list[float] = []
    monkeypatch.setattr(worker._thread, "interrupt_main", calls.append)
    monkeypatch.setattr(worker.time, "sleep", calls.append)
    monkeypatch.setattr(worker.os, "_exit", calls.append)
    heard = Told()
    heard.busy = True
    heard.listen([b"stop \n"])
    assert calls == [15, worker._PATIENCE, 128 + 15]
    calls.clear()
    Told().listen([b"stop \n"])
    assert not calls


def test_modules_are_looked_for_where_the_other_process_looks(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    Told().listen([f"path {json.dumps(['a', 'b'])}\n".encode()])
    assert sys.path == ["a", "b"]


def test_sigterm_stops_after_the_step_and_once_more_at_once():
    heard = Told()
    heard.asked(15, None)
    assert heard.stopping()
    with pytest.raises(KeyboardInterrupt):
        heard.asked(15, None)


def test_nobody_there_to_be_told_is_a_wish_to_stop():
    heard = Told()
    Channel(Closed(), heard).event(Notice("a warning"))
    assert heard.stopping()


def test_of_many_steps_a_few_a_second_are_told():
    stream = io.BytesIO()
    channel = Channel(stream, Told())
    for done in range(1000):
        channel.event(Step("fit", done, 1000))
    assert 1 <= len(sent(stream)) <= 5


def test_a_defect_whose_traceback_was_asked_for_is_printed_and_told(workplace, monkeypatch, capsys):
    def broken(*_):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(worker, "perform", broken)
    (planned,) = planned_toys([0], Path("out"), OPTIONS)
    heard, stream = Told(), io.BytesIO()
    heard.tasks.put(Task(planned, OPTIONS).dumps())
    heard.tasks.put(None)
    work(heard, Channel(stream, heard))
    ((word, rest),) = sent(stream)
    assert word == "ended"
    assert "ZeroDivisionError: by zero; this is a defect" in Ended.loads(rest, planned).error
    assert "Traceback" in capsys.readouterr().err
