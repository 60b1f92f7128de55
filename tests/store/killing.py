"""Runs the toy loop in forked processes and kills them. A program of its own: forks and torch do not go together.

`python killing.py DIRECTORY KILLS` kills at random moments; `python killing.py DIRECTORY between STAGE` right after a
rename; `python killing.py DIRECTORY checkpoint` at every moment of a checkpoint. Each ends with status 0 if every
resumed run is bit-identical to one that nobody killed, and every checkpoint to one that was written.
"""

import os
import random
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "toy_plugin" / "src")]

import numpy as np  # noqa: E402
from support.loops import OPTIONS, assert_same_run, toy_experiment, toy_prepared  # noqa: E402

from biasloop.records.record import Record  # noqa: E402
from biasloop.running import engine  # noqa: E402
from biasloop.running.engine import Options  # noqa: E402
from biasloop.store import files  # noqa: E402
from biasloop.store.claims import claimed  # noqa: E402
from biasloop.store.reader import Run  # noqa: E402
from biasloop.store.writer import RunWriter  # noqa: E402

EXPERIMENT = toy_experiment(loop={"rounds": 25}, labels="bits", pool=900, epochs=4)
STAGES = {"model": "model-0003.h5", "round": "round-0003.h5", "manifest": "manifest.json"}
held = ExitStack()
NOTICES = {"model": None, "round": "adopted round-0003.h5", "manifest": None}


def reference(place):
    """An uninterrupted run, and the seconds it takes."""
    begun = time.perf_counter()
    engine.run(toy_prepared(EXPERIMENT), place, OPTIONS)
    return time.perf_counter() - begun


def child(directory):
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


def killed(directory, seconds):
    """Whether a run that was to be killed after some seconds had not ended before."""
    pid = child(directory)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def committed(directory):
    """How many rounds a killed run has, none missing before the last."""
    if not (directory / "manifest.json").exists():
        return 0
    rounds = Run.open(directory).rounds
    assert rounds == list(range(len(rounds)))
    return len(rounds)


def at_random(place, kills_wanted):
    """Kill, resume, kill, ...; compare; again, until there were that many kills."""
    whole, moments = reference(place / "reference"), random.Random(20)
    kills, runs, seen = 0, 0, set()
    while kills < kills_wanted:
        directory, longest, before = place / f"killed-{runs}", whole / 3, 0
        runs += 1
        while killed(directory, moments.uniform(0, longest)):
            kills += 1
            rounds = committed(directory)
            seen.add(rounds)
            # On a machine that has become slower than it was for the reference, a resume needs more time to get on.
            longest = whole / 3 if rounds > before else 1.2 * longest
            before = rounds
        assert_same_run(directory, place / "reference")
        assert not (directory / "aside").exists()  # nothing was wrong
    assert len(seen) > 10, seen  # the kills fell all over the run
    return kills


def between(place, stage):
    """Kill right after the rename of one file of round 3, which random moments seldom hit."""
    directory, target = place / "run", STAGES[stage]
    reference(place / "reference")
    pid = os.fork()
    if pid == 0:
        replace = os.replace

        def deadly(source, target_path):
            replace(source, target_path)
            if Path(target_path).name == target and (stage != "manifest" or (directory / "round-0003.h5").exists()):
                os.kill(os.getpid(), signal.SIGKILL)

        files.os.replace = deadly
        try:
            engine.run(toy_prepared(EXPERIMENT), directory, OPTIONS)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    assert (directory / target).exists()
    events = []
    engine.run(toy_prepared(EXPERIMENT), directory, Options(Path("unused"), on_event=events.append))
    texts = [event.text for event in events if isinstance(event, engine.Notice)]
    expected = NOTICES[stage]
    assert [expected in text for text in texts] == [True] if expected else not texts, texts
    assert_same_run(directory, place / "reference")
    assert not [path.name for path in directory.iterdir() if path.name in ("aside", "partial") or ".tmp" in path.name]


def opened(directory):
    """A run under a claim that is held until the process ends, or this one lets it go."""
    held.close()
    return RunWriter.create_or_resume(directory, {"seed": 0}, {}, {}, held.enter_context(claimed(directory)))


def at_each_call(directory):
    """Kill at each call of a checkpoint that changes a file: the one before stays, or the new one is there."""
    directory.mkdir()
    first, second = ({"weights": np.full(40_000, number, np.float32), "epoch": np.array(number)} for number in (1, 2))
    opened(directory).put_partial("fit", first, Record())
    at, seen = 0, []
    while True:
        pid = os.fork()
        if pid == 0:
            kill_at(at)
            opened(directory).put_partial("fit", second, Record())
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        left = list(directory.glob(".claim-*/*/.tmp*"))
        writer = opened(directory)
        arrays, _ = writer.get_partial("fit")
        expected = first if arrays["epoch"] == 1 else second
        assert {name: array.tobytes() for name, array in arrays.items()} == {
            name: array.tobytes() for name, array in expected.items()
        }
        assert [path.name for path in (directory / "partial").iterdir()] == ["fit.h5"]
        seen.append((int(arrays["epoch"]), len(left)))
        if not os.WIFSIGNALED(status):
            break
        at += 1
    assert os.waitstatus_to_exitcode(status) == 0
    assert seen == sorted(seen, key=lambda state: state[0])
    assert seen.count((1, 1)) > 10  # killed with a half file beside the whole one
    assert (1, 0) in seen
    assert seen[-1] == (2, 0)


def kill_at(number):
    """This process is killed right before the call of that number that changes a file."""
    calls = 0

    def deadly(call):
        def counted(*arguments, **named):
            nonlocal calls
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            calls += 1
            return call(*arguments, **named)

        return counted

    for name in ("open", "write", "pwrite", "ftruncate", "fsync", "replace"):
        setattr(os, name, deadly(getattr(os, name)))


if __name__ == "__main__":
    if sys.argv[2] == "checkpoint":
        at_each_call(Path(sys.argv[1]) / "run")
    elif sys.argv[2] == "between":
        between(Path(sys.argv[1]), sys.argv[3])
    else:
        print(at_random(Path(sys.argv[1]), int(sys.argv[2])))
