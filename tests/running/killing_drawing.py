"""Draws a shard in forked processes and kills each before another call that changes a file.

`python killing_drawing.py DIRECTORY` ends with status 0 if a shard that counts as done is always whole, and
the next process makes what one alone makes.
"""

import hashlib
import os
import shutil
import signal
import sys
from pathlib import Path

HERE = Path(__file__).parent.parent
sys.path[:0] = [str(HERE), str(HERE / "toy_plugin" / "src")]

from support.drawing import Noise, captioned, left_over, settings, tars  # noqa: E402

from biasloop.running.drawing import work  # noqa: E402
from biasloop.running.shards import done, manifest  # noqa: E402

os.fsync = lambda handle: None  # a killed process loses nothing that the system has
CALLS = ("open", "write", "fsync", "replace", "rename", "mkdir")


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

    for name in CALLS:
        setattr(os, name, deadly(getattr(os, name)))


def main(place):
    texts, generation = captioned(place, 3), settings(shard_size=3)
    whole = place / "whole"
    whole.mkdir()
    work(whole, generation, texts, Noise, lambda event: None, lambda: False)
    expected, kills, seen = tars(whole), 0, set()
    while True:
        directory = place / "killed"
        directory.mkdir()
        pid = os.fork()
        if pid == 0:
            kill_at(kills)
            work(directory, generation, texts, Noise, lambda event: None, lambda: False)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        for number in done(directory, 1):
            data = (directory / f"{number:05d}.tar").read_bytes()
            assert hashlib.sha256(data).hexdigest() == manifest(directory, number)["sha256"]
        seen.add(len(done(directory, 1)))
        work(directory, generation, texts, Noise, lambda event: None, lambda: False)
        assert tars(directory) == expected
        assert not [name for name in left_over(directory) if "tmp" in name], left_over(directory)
        shutil.rmtree(directory)
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0
            break
        kills += 1
    assert seen == {0, 1}, seen
    print(kills)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
