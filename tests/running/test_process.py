"""A worker process as its starter sees it, with small programs in its place."""

import os
import signal
import sys
import time

import pytest

from biasloop.running import process
from biasloop.running.process import Process

TELLS = "import os, sys\ntell = lambda data: os.write(1, data)\nhear = sys.stdin.readline\nhear()\n"


@pytest.fixture
def started(monkeypatch):
    """Starts a program that hears and tells; the line `path` is heard already."""
    processes = []

    def start(program, gpus=(), *, hide_others=False):
        monkeypatch.setattr(process, "_COMMAND", (sys.executable, "-S", "-E", "-c", TELLS + program))
        processes.append(Process(gpus, hide_others=hide_others))
        return processes[-1]

    yield start
    for each in processes:
        each.ask_to_end()
        each.see_it_end(time.monotonic() + 5)


def told(worker) -> list[tuple[str, str]]:
    """All that it tells until it ends."""
    lines = []
    while not worker.is_over:
        assert Process.telling([worker], 10)
        lines += worker.lines()
    return lines


def test_a_line_that_comes_in_two_pieces_is_one_line(started):
    worker = started(r"""tell(b'ended 1\nevent {"a"'); hear(); tell(b': "b"}\nended 2\n')""")
    assert Process.telling([worker], 10)
    assert list(worker.lines()) == [("ended", "1")]
    assert not worker.is_over
    worker.stop()
    assert told(worker) == [("event", '{"a": "b"}'), ("ended", "2")]


@pytest.mark.parametrize(
    ("gpus", "hide_others", "seen"),
    [(("1", "GPU-7f"), True, "1,GPU-7f"), ((), True, ""), ((), False, "0,1")],
)
def test_it_sees_its_gpus_and_no_others(started, monkeypatch, gpus, hide_others, seen):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    worker = started("tell(f'gpus {os.environ[\"CUDA_VISIBLE_DEVICES\"]}\\n'.encode())", gpus, hide_others=hide_others)
    assert told(worker) == [("gpus", seen)]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("sys.exit('no module\\nnamed x')", "ended with exit code 1; it printed last: named x"),
        ("os.write(2, b'half a line'); sys.exit(7)", "ended with exit code 7; it printed last: half a line"),
        (f"os.kill(os.getpid(), {int(signal.SIGSEGV)})", "was ended by SIGSEGV; what it finished is kept"),
    ],
)
def test_its_end_is_told_with_what_it_printed_last(started, program, words):
    worker = started(program)
    told(worker)
    said = list(worker.printed())
    worker.see_it_end(time.monotonic() + 5)
    assert words in worker.how_it_ended()
    assert bool(said) == ("printed" in words)


def test_ctrl_c_of_the_terminal_waits_until_it_is_ignored_and_still_reaches_the_starter(started):
    worker = started(
        "import signal; blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())\n"
        "tell(f'blocked {sorted(map(int, blocked))}\\n'.encode())"
    )
    assert told(worker) == [("blocked", str([int(signal.SIGHUP), int(signal.SIGINT)]))]
    assert not {signal.SIGINT, signal.SIGHUP} & signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_its_death_is_seen_also_while_a_child_that_it_forked_lives_on(started):
    """Whose end of the pipe stays open."""
    worker = started(
        "import time\nchild = os.fork()\n"
        "if child:\n    tell(f'child {child}\\n'.encode()); os.kill(os.getpid(), 9)\n"
        "time.sleep(120)"
    )
    begun = time.monotonic()
    ((word, child),) = told(worker)
    os.kill(int(child), signal.SIGKILL)
    assert word == "child"
    assert time.monotonic() - begun < 60
