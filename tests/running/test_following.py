"""Rounds of a run as they are seen in its directory: those that the engine tells, each once."""

from pathlib import Path

from support.loops import cut
from support.studies import Recorder, planned_toys

from biasloop.running.engine import Committed, Options
from biasloop.running.executors import InProcess
from biasloop.running.following import Following
from biasloop.store.reader import Run

OPTIONS = Options(Path("data"), interval=1e9)


def test_rounds_are_told_as_the_engine_tells_them(workplace):
    planned = planned_toys([0], Path("out"), OPTIONS)
    following, watcher = Following(planned[0].directory, 0), Recorder()
    assert following.new() == []
    InProcess().run(planned, OPTIONS, watcher)
    told = [event for _, event in watcher.events if isinstance(event, Committed)]
    seen = following.new()
    assert [(one.number, one.sizes, one.seconds, one.resumed) for one in seen] == [
        (one.number, one.sizes, one.seconds, one.resumed) for one in told
    ]
    for one, other in zip(seen, told, strict=True):
        assert str(dict(one.metrics)) == str(dict(other.metrics))  # there is nan in them
        assert one.bytes > 0
    assert following.new() == []
    assert following.next == 4


def test_rounds_that_were_finished_before_are_resumed(workplace):
    planned = planned_toys([0], Path("out"), OPTIONS)
    InProcess().run(planned, OPTIONS, Recorder())
    seen = Following(planned[0].directory, 2).new()
    assert [(one.number, one.resumed) for one in seen if one.number >= 0] == [
        (0, True),
        (1, True),
        (2, False),
        (3, False),
    ]


def test_what_cannot_be_read_now_is_told_later(workplace):
    planned = planned_toys([0], Path("out"), OPTIONS)
    InProcess().run(planned, OPTIONS, Recorder())
    directory = planned[0].directory
    last = directory / "round-0003.h5"
    content = last.read_bytes()
    last.unlink()
    following = Following(directory, 0)
    assert following.new() == []
    last.write_bytes(content)
    assert [one.number for one in following.new()][-4:] == [0, 1, 2, 3]
    cut(directory, 2)
    assert following.new() == []
    assert Run.open(directory).rounds == [0, 1]
