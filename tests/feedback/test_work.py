"""Checkpoints, finished calls and curves of an unfinished step, without a store."""

from contextlib import contextmanager

import numpy as np
import pytest

from biasloop.contract.data import Column, Frame
from biasloop.contract.randomness import Streams
from biasloop.errors import Interrupted
from biasloop.feedback import work as work_module
from biasloop.feedback.work import RoundWork, Session
from biasloop.records.record import Model, Record


class Memory:
    """Partials in a dictionary."""

    def __init__(self):
        self.kept = {}

    def put_partial(self, key, arrays, logs):
        self.kept[key] = ({name: np.array(values) for name, values in arrays.items()}, logs)

    def get_partial(self, key):
        return self.kept.get(key)


class Common:
    """Calls that runs share in a dictionary; another run does something while this one waits for its turn."""

    def __init__(self, meanwhile=lambda: None):
        self.kept, self.meanwhile = {}, meanwhile

    def get(self, call):
        return self.kept.get(call)

    def put(self, call, record):
        self.kept[call] = record

    @contextmanager
    def alone(self, call, notice, stopping):
        self.meanwhile()
        if stopping():
            raise Interrupted
        yield


def work(session, name="round-0001"):
    return RoundWork(Streams((0, 1)), session, name)


def counting(call, upto, stop_at=None):
    """A call of `upto` steps that logs each, and is asked to stop after some step."""
    kept = call.resume()
    done = int(kept["done"]) if kept else 0
    while done < upto:
        done += 1
        call.log("curve", done=done, square=done**2)
        if done == stop_at:
            call.session.stopping = lambda: True
        call.tick(done, upto, lambda done=done: {"done": np.array(done)})
    return done


def test_an_interrupted_call_goes_on_with_its_curve():
    memory = Memory()
    with pytest.raises(Interrupted):
        counting(work(Session(memory, interval=1e9)).at("fit"), 5, stop_at=3)
    session = Session(memory, interval=1e9)
    assert counting(work(session).at("fit"), 5) == 5
    curve = session.take_logs()["fit.curve"]
    assert curve["done"].tolist() == [1, 2, 3, 4, 5]
    assert curve["square"].tolist() == [1, 4, 9, 16, 25]
    assert session.take_logs() == {}


def in_bulk(call, upto, stop_at=None):
    """A call that logs three rows at once and then one more, in each of its steps."""
    kept = call.resume()
    done = int(kept["done"]) if kept else 0
    while done < upto:
        done += 1
        call.log_many("star", epoch=np.full(3, done, np.int32), drawn=np.arange(3, dtype=np.int32) * done)
        call.log("star", epoch=done, rest=0.5)
        call.log_many("batches", number=np.arange(done, dtype=np.int16))
        if done == stop_at:
            call.session.stopping = lambda: True
        call.tick(done, upto, lambda done=done: {"done": np.array(done)})


def test_rows_that_come_at_once_stand_where_they_came_and_keep_their_type():
    session = Session()
    in_bulk(work(session).at("fit"), 2)
    found = session.take_logs()
    star = found["fit.star"]
    assert star["epoch"].tolist() == [1, 1, 1, 1, 2, 2, 2, 2]
    assert np.array_equal(star["drawn"], [0, 1, 2, np.nan, 0, 2, 4, np.nan], equal_nan=True)
    assert np.array_equal(star["rest"], [np.nan] * 3 + [0.5] + [np.nan] * 3 + [0.5], equal_nan=True)
    numbers = found["fit.batches"]["number"]
    assert (numbers.dtype, numbers.tolist()) == (np.int16, [0, 0, 1])


@pytest.mark.parametrize("stop_at", [1, 2, 3])
@pytest.mark.parametrize("interval", [1e9, -1])
def test_rows_that_come_at_once_survive_an_interruption(stop_at, interval):
    whole, memory = Session(), Memory()
    in_bulk(work(whole).at("fit"), 4)
    with pytest.raises(Interrupted):
        in_bulk(work(Session(memory, interval=interval)).at("fit"), 4, stop_at)
    resumed = Session(memory, interval=interval)
    in_bulk(work(resumed).at("fit"), 4)
    expected, found = whole.take_logs(), resumed.take_logs()
    assert expected.keys() == found.keys() == {"fit.star", "fit.batches"}
    for table, frame in expected.items():
        assert frame.columns.keys() == found[table].columns.keys()
        for name in frame.columns:
            assert (frame[name].dtype, frame[name].tobytes()) == (
                found[table][name].dtype,
                found[table][name].tobytes(),
            )


def test_rows_that_come_at_once_are_copied_and_of_equal_length():
    session, values = Session(), np.arange(3)
    work(session).log_many("star", number=values)
    values[:] = 9
    with pytest.raises(ValueError, match="differ in length"):
        work(session).log_many("star", number=values, other=values[:2])
    assert session.take_logs()["round-0001.star"]["number"].tolist() == [0, 1, 2]


def test_a_finished_call_is_not_made_again():
    memory, built = Memory(), []

    def build(call):
        built.append(call.call)
        call.log("curve", loss=0.5)
        call.log_many("star", n=np.arange(2))
        call.at("inner").log("steps", n=1)
        return Record(frames={"t": Frame({"x": Column(np.arange(3))})}, models={"m": Model("kind", {"w": np.ones(2)})})

    first = Session(memory, interval=-1)
    one = work(first).memo("label", build)
    second = Session(memory, interval=-1)
    two = work(second).memo("label", build)
    assert built == ["round-0001/label"]
    assert one.frames["t"]["x"].tolist() == two.frames["t"]["x"].tolist() == [0, 1, 2]
    assert two.frames.keys() == {"t"}
    assert two.models["m"].arrays["w"].tolist() == [1, 1]
    logs = (first.take_logs(), second.take_logs())
    assert logs[0].keys() == logs[1].keys() == {"label.curve", "label.star", "inner.steps"}
    assert logs[1]["label.star"]["n"].tolist() == [0, 1]
    assert logs[1]["label.curve"]["loss"].tolist() == [0.5]


def test_a_short_call_is_not_kept():
    memory = Memory()
    work(Session(memory, interval=60)).memo("label", lambda call: Record())
    assert memory.kept == {}


@pytest.mark.parametrize(("takes", "written"), [(0, [30, 60, 90]), (1, [30, 61, 92]), (4, [30, 114, 198])])
def test_the_next_checkpoint_is_not_before_the_interval_nor_before_twenty_times_what_the_last_took(
    monkeypatch, takes, written
):
    class Clock:
        now = 0

        def monotonic(self):
            return self.now

    class Slow(Memory):
        def put_partial(self, key, arrays, logs):
            begun.append(clock.now)
            clock.now += takes

    clock, begun = Clock(), []
    monkeypatch.setattr(work_module, "time", clock)
    call = work(Session(Slow(), interval=30, kept_at=0))
    while len(begun) < 3:
        clock.now += 1
        call.tick(1, 9, lambda: {})
    assert begun == written


def test_a_call_that_finished_is_kept_before_stopping():
    memory = Memory()
    session = Session(memory, interval=-1, stopping=lambda: True)
    with pytest.raises(Interrupted):
        work(session).memo("label", lambda call: Record(frames={"t": Frame({"x": Column(np.arange(2))})}))
    kept = work(Session(memory, interval=-1)).memo("label", lambda call: pytest.fail("made again"))
    assert kept.frames["t"]["x"].tolist() == [0, 1]


def labelled(value):
    return Record(frames={"t": Frame({"x": Column(np.array([value]))})})


def test_what_another_run_has_made_while_this_one_waited_is_taken():
    common = Common(lambda: common.put("round-0001/label", labelled(3)))
    session = Session(Memory(), shared=common)
    record = work(session).memo("label", lambda call: pytest.fail("made twice"), shared=True)
    assert record.frames["t"]["x"].tolist() == [3]


def test_a_shared_call_is_kept_for_others_with_what_it_logged_also_before_stopping():
    def build(call):
        call.log("curve", loss=0.5)
        return labelled(7)

    common = Common()
    with pytest.raises(Interrupted):
        asked = []
        session = Session(stopping=lambda: bool(asked), shared=common)
        work(session).memo("label", lambda call: (asked.append(1), build(call))[1], shared=True)
    other = Session(shared=common)
    record = work(other).memo("label", lambda call: pytest.fail("made twice"), shared=True)
    assert record.frames["t"]["x"].tolist() == [7]
    assert other.take_logs()["label.curve"]["loss"].tolist() == [0.5]


def test_who_asks_to_stop_ends_the_wait_for_another_run():
    asked = []
    common = Common(lambda: asked.append(1))
    with pytest.raises(Interrupted):
        work(Session(shared=common, stopping=lambda: bool(asked))).memo("label", pytest.fail, shared=True)


def test_what_is_not_shared_is_nobody_elses():
    common = Common(lambda: pytest.fail("it waits for nobody"))
    common.put("round-0001/label", labelled(3))
    assert work(Session(shared=common)).memo("label", lambda call: labelled(1)).frames["t"]["x"].tolist() == [1]
    assert common.get("round-0001/label").frames["t"]["x"].tolist() == [3]


def test_streams_follow_the_names_of_calls():
    session = Session()
    assert work(session).at("fit").at("x").streams == Streams((0, 1, "fit", "x"))
    assert work(session).at("fit").streams.key != work(session).at("label").streams.key
