"""Killed at random moments, resumed, and bit-identical to a run that nobody killed."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from support.loops import OPTIONS, assert_same_run, toy_experiment, toy_prepared

from biasloop import engine
from biasloop.engine import Options
from biasloop.store.reader import Run

KILLS = 100
EXPERIMENT = toy_experiment(loop={"rounds": 25}, labels="bits", pool=900, epochs=4)


def child(directory: Path) -> int:
    """A forked process that runs the loop; everything is imported already, so that kills fall into the work."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        engine.run(toy_prepared(EXPERIMENT), directory, Options(Path("unused"), interval=0))
        code = 0
    finally:
        os._exit(code)


def test_a_hundred_kills_change_no_bit(tmp_path):
    reference = tmp_path / "reference"
    begun = time.perf_counter()
    engine.run(toy_prepared(EXPERIMENT), reference, OPTIONS)
    whole = time.perf_counter() - begun
    moments = random.Random(20)
    kills, runs, seen = 0, 0, set()
    while kills < KILLS:
        directory = tmp_path / f"killed-{runs}"
        runs += 1
        while True:
            pid = child(directory)
            time.sleep(moments.uniform(0, whole / 3))
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if not os.WIFSIGNALED(status):
                assert os.waitstatus_to_exitcode(status) == 0
                break
            kills += 1
            if (directory / "manifest.json").exists():
                committed = Run.open(directory).rounds
                assert committed == list(range(len(committed)))
                seen.add(len(committed))
        assert_same_run(directory, reference)
    assert len(seen) > 10  # the kills fell all over the run


@pytest.mark.parametrize("stage", ["model", "round", "manifest"])
def test_killed_between_two_renames(tmp_path, monkeypatch, stage):
    """The moments that a random kill seldom hits: after each rename of a commit."""
    from biasloop.store import files

    reference, directory = tmp_path / "reference", tmp_path / "run"
    engine.run(toy_prepared(EXPERIMENT), reference, OPTIONS)
    target = {"model": "model-0003.h5", "round": "round-0003.h5", "manifest": "manifest.json"}[stage]
    pid = os.fork()
    if pid == 0:
        replace = os.replace

        def deadly(source, place):
            replace(source, place)
            if Path(place).name == target and (stage != "manifest" or (directory / "round-0003.h5").exists()):
                os.kill(os.getpid(), signal.SIGKILL)

        monkeypatch.setattr(files.os, "replace", deadly)
        try:
            engine.run(toy_prepared(EXPERIMENT), directory, OPTIONS)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    assert (directory / target).exists()
    notices = []
    options = Options(Path("unused"), on_event=lambda event: notices.append(event))
    engine.run(toy_prepared(EXPERIMENT), directory, options)
    texts = [event.text for event in notices if isinstance(event, engine.Notice)]
    expected = {"model": "set model-0003.h5 aside", "round": "adopted round-0003.h5", "manifest": None}[stage]
    assert [expected in text for text in texts] == [True] if expected else not texts
    assert_same_run(directory, reference)
