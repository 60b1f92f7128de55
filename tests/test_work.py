"""Checkpoints, finished calls and curves of an unfinished step, without a store."""

import numpy as np
import pytest

from biasloop.data import Column, Frame
from biasloop.errors import Interrupted
from biasloop.randomness import Streams
from biasloop.record import Model, Record
from biasloop.work import RoundWork, Session


class Memory:
    """Partials in a dictionary."""

    def __init__(self):
        self.kept = {}

    def put_partial(self, key, arrays, logs):
        self.kept[key] = ({name: np.array(values) for name, values in arrays.items()}, logs)

    def get_partial(self, key):
        return self.kept.get(key)


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


def test_a_finished_call_is_not_made_again():
    memory, built = Memory(), []

    def build(call):
        built.append(call.call)
        call.log("curve", loss=0.5)
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
    assert logs[0].keys() == logs[1].keys() == {"label.curve", "inner.steps"}
    assert logs[1]["label.curve"]["loss"].tolist() == [0.5]


def test_a_short_call_is_not_kept():
    memory = Memory()
    work(Session(memory, interval=60)).memo("label", lambda call: Record())
    assert memory.kept == {}


def test_a_call_that_finished_is_kept_before_stopping():
    memory = Memory()
    session = Session(memory, interval=-1, stopping=lambda: True)
    with pytest.raises(Interrupted):
        work(session).memo("label", lambda call: Record(frames={"t": Frame({"x": Column(np.arange(2))})}))
    kept = work(Session(memory, interval=-1)).memo("label", lambda call: pytest.fail("made again"))
    assert kept.frames["t"]["x"].tolist() == [0, 1]


def test_streams_follow_the_names_of_calls():
    session = Session()
    assert work(session).at("fit").at("x").streams == Streams((0, 1, "fit", "x"))
    assert work(session).at("fit").streams.key != work(session).at("label").streams.key
