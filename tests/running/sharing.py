"""Several processes make one study. A program of its own: forks and torch do not go together.

`python sharing.py DIRECTORY together PROCESSES` starts so many at once; `python sharing.py DIRECTORY killed KILLS`
kills three workers again and again; `python sharing.py DIRECTORY suspended TIMES` suspends one, lets another finish its
run, and wakes it. Each ends with status 0 if all stores equal those of a study that one process made undisturbed.
"""

import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "toy_plugin" / "src")]

from support import chains  # noqa: E402
from support.loops import assert_same_run  # noqa: E402
from support.studies import Recorder  # noqa: E402

from biasloop import discovery  # noqa: E402
from biasloop.running.engine import Options  # noqa: E402
from biasloop.running.executors import InProcess  # noqa: E402
from biasloop.running.study import Planned  # noqa: E402
from biasloop.store import claims  # noqa: E402
from biasloop.store.reader import Run  # noqa: E402

SEEDS, LABELS, ROUNDS = range(6), ("sequential", "annotator"), 3


class LoggedChain(chains.ChainDomain):
    """Writes a line for every fit that begins, into a file that all processes share, and takes its time."""

    def _begun(self, work):
        seed, data = self.context.streams.path[0], self.context.data
        with (data / "calls.log").open("a") as file:  # a short line arrives whole
            file.write(f"{seed} {work.call}\n")

    def fit_annotator(self, target, work):
        self._begun(work)
        time.sleep(0.02)
        return super().fit_annotator(target, work)

    def _counted(self, source, work):
        self._begun(work)
        tick = work.tick

        def slowly(*arguments):
            time.sleep(0.003)
            tick(*arguments)

        work.tick = slowly
        return super()._counted(source, work)


discovery.load = lambda name: LoggedChain


def study(directory):
    """Twelve runs: two arms of six seeds, which share annotators and the first generator."""
    return [
        Planned(labels, seed, directory / labels / f"seed-{seed}", chain.experiment, ROUNDS)
        for seed in SEEDS
        for labels in LABELS
        for chain in [chains.chain({"labels": labels, "rounds": ROUNDS}, seed)]
    ]


def make(directory, interval=10.0, *, wait=True):
    """Make the study in this process."""
    data = directory / "data"
    data.mkdir(parents=True, exist_ok=True)
    return InProcess().run(study(directory), Options(data, interval=interval, wait=wait), Recorder())


def begin(directory, interval=10.0, *, wait=True):
    """A process that makes the study; everything is imported already, so that signals fall into the work."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = int(any(ended.error for ended in make(directory, interval, wait=wait)))
    finally:
        os._exit(code)


def ended(pid):
    """How a process ended: its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def calls(directory):
    return Counter((directory / "data" / "calls.log").read_text().splitlines())


def compare(directory, reference):
    """Nothing but finished runs, equal to the bit, nothing set aside, nobody holding anything."""
    for ours, theirs in zip(study(directory), study(reference), strict=True):
        assert_same_run(ours.directory, theirs.directory)
        assert Run.open(ours.directory).manifest.about["finished"]
        assert not {"aside", "partial"} & {path.name for path in ours.directory.iterdir()}
        assert claims.holder(ours.directory) is None
    shared, expected = ({path.name for path in at.glob("data/shared/*.h5")} for at in (directory, reference))
    assert shared == expected


def together(place, processes):
    """Started at once they do each run, and each call that runs share, once."""
    make(place / "reference")
    workers = [begin(place / "study") for _ in range(processes)]
    assert [ended(pid) for pid in workers] == [0] * processes
    compare(place / "study", place / "reference")
    begun = calls(place / "study")
    assert begun == calls(place / "reference"), begun
    assert begun["0 setup/annotator-label"] == 1
    assert begun["0 round-0001/classifier"] == len(LABELS)


def killed(place, kills):
    """Three workers, one of which is killed again and again, and started anew."""
    make(place / "reference")
    moments, directory = random.Random(14), place / "study"
    workers = [begin(directory, 0) for _ in range(3)]
    seen, rounds = set(), len(SEEDS) * len(LABELS) * ROUNDS
    for number in range(kills):
        while sum(1 for _ in directory.glob("*/*/round-*.h5")) < 0.9 * rounds * number / kills:  # all over the study
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.1))
        victim = moments.randrange(3)
        os.kill(workers[victim], signal.SIGKILL)
        assert ended(workers[victim]) == -signal.SIGKILL, "the study was over before all kills"
        seen.add(sum(1 for _ in directory.glob("*/*/round-*.h5")))
        workers[victim] = begin(directory, 0)
    assert [ended(pid) for pid in workers] == [0, 0, 0]
    compare(directory, place / "reference")
    assert len(seen) > min(kills, rounds) / 2, seen


def content(directory):
    """All that lies in a study's runs, but who holds them."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and ".claim-" not in str(path) and "data" not in path.relative_to(directory).parts
    }


def suspended(place, times):
    """One sleeps beyond its time, another finishes the study, the first wakes up: nothing is changed by it."""
    make(place / "reference")
    os.environ["BIASLOOP_CLAIM_SECONDS"] = "0.3"
    moments = random.Random(41)
    for number in range(times):
        directory = place / f"study-{number}"
        sleeper = begin(directory, 0, wait=False)
        time.sleep(moments.uniform(0.05, 0.8))
        while True:
            os.kill(sleeper, signal.SIGSTOP)
            if any(claims.holder(planned.directory) for planned in study(directory)):
                break
            os.kill(sleeper, signal.SIGCONT)  # it was between two runs
            time.sleep(0.01)
        assert ended(begin(directory)) == 0
        before = content(directory)
        os.kill(sleeper, signal.SIGCONT)
        assert ended(sleeper) == 0
        assert content(directory) == before
        compare(directory, place / "reference")


if __name__ == "__main__":
    {"together": together, "killed": killed, "suspended": suspended}[sys.argv[2]](Path(sys.argv[1]), int(sys.argv[3]))
