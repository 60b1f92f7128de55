"""What share of a quickstart round the engine and the store cost: everything that is not the domain's work."""

import tempfile
import time
from itertools import pairwise
from pathlib import Path

from biasloop.config import presets
from biasloop.config.validation import arms_of
from biasloop.running import engine
from biasloop.running.engine import Committed, Options

CALLS = ("fit", "predict", "label", "human_labels", "references", "measure", "splits", "fingerprint", "save", "load")


def timed(owner, calls=CALLS):
    """Count the seconds spent inside methods of an object or a class, not counting one inside another."""
    spent, depth = [0.0], [0]

    def wrap(call):
        def timed_call(*args, **kwargs):
            begun, depth[0] = time.perf_counter(), depth[0] + 1
            try:
                return call(*args, **kwargs)
            finally:
                depth[0] -= 1
                if not depth[0]:
                    spent[0] += time.perf_counter() - begun

        return timed_call

    for name in calls:
        setattr(owner, name, wrap(getattr(owner, name)))
    return spent


def measure(preset="quickstart"):
    """Seconds a round in all, and outside the domain; rounds after the first."""
    _, experiment = arms_of(presets.read(preset))[0]
    whole, inside = [], []
    with tempfile.TemporaryDirectory() as place:
        marks = []
        options = Options(Path(place), on_event=lambda event: isinstance(event, Committed) and marks.append(
            (time.perf_counter(), spent[0])))  # fmt: skip
        prepared = engine.prepare(experiment, 0, options)
        spent = timed(prepared.domain)
        engine.run(prepared, Path(place) / "run", options)
    for (before, used), (after, then) in pairwise(marks):
        whole.append(after - before)
        inside.append(then - used)
    return sum(whole) / len(whole), (sum(whole) - sum(inside)) / len(whole)


def test_engine_and_store(benchmark):
    benchmark.pedantic(measure, ("quickstart-mini",), rounds=1)


if __name__ == "__main__":
    whole, outside = measure()
    share = 100 * outside / whole
    print(f"a quickstart round: {whole:.3f} s, of which engine and store {outside * 1e3:.1f} ms, {share:.2f} %")
