"""Committing a round, and appending to the ledger, early and late in a run: the cost must not grow.

A round here is one of the quickstart's size (500 test rows, 100 new rows, a model of 30,000 numbers), and one of a
published run's (50,000 test rows, 5,000 new rows, 2.4 million numbers).
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from biasloop.contract.data import Column, Evaluation, Frame, Metric
from biasloop.records.ledger import HUMAN, GrowingLedger, Ledger
from biasloop.records.record import Model, Record
from biasloop.store import claims
from biasloop.store.manifest import round_name
from biasloop.store.writer import RunWriter

SIZES = {"quickstart": (500, 100, 30_000), "published": (50_000, 5_000, 2_400_000)}
RNG = np.random.default_rng(0)


def record(test, new, numbers):
    labels = Frame({"target": Column(RNG.integers(0, 10, new), role="target")})
    table = Frame(
        {
            "prediction": Column(RNG.integers(0, 10, test), role="prediction"),
            "confidence": Column(RNG.random(test, np.float32), role="confidence"),
        }
    )
    metrics = {f"metric-{i}": Metric(0.5, test, 0.01) for i in range(20)}
    weights = {"weights": RNG.random(numbers, np.float32)}
    return Record(
        Ledger.entry(np.arange(new), HUMAN, 0, labels),
        {"test": Evaluation(metrics, {"test": table})},
        models={"model": Model("model", weights)},
        sizes={"train": 1},
    )


def writer(directory):
    claim = claims.claimed(Path(directory)).__enter__()  # held until the process ends
    return RunWriter.create_or_resume(Path(directory), {"seed": 0}, {"name": "bench"}, {"host": "bench"}, claim)


def commit(store, number, one):
    begun = time.perf_counter()
    store.commit(round_name(number), one, 0.1)
    store.read(round_name(number), models=True)
    return time.perf_counter() - begun


@pytest.mark.parametrize("size", SIZES)
def test_commit_and_read_back(benchmark, tmp_path, size):
    store, one = writer(tmp_path), record(*SIZES[size])
    store.commit("setup", one, 0.1)
    numbers = iter(range(10_000))
    benchmark.pedantic(lambda: commit(store, next(numbers), one), rounds=20, warmup_rounds=2)


def appended(parts, new=5_000):
    ledger = GrowingLedger()
    rows = Ledger.entry(np.arange(new), HUMAN, 0, Frame({"target": Column(np.zeros(new, np.int64))}))
    times = []
    for _ in range(parts):
        begun = time.perf_counter()
        ledger.append(rows)
        times.append(time.perf_counter() - begun)
    return times


def test_append_to_the_ledger(benchmark):
    benchmark(appended, 100)


if __name__ == "__main__":
    for size, shape in SIZES.items():
        with tempfile.TemporaryDirectory() as place:
            store, one = writer(place), record(*shape)
            store.commit("setup", one, 0.1)
            rounds = 1010 if size == "quickstart" else 60
            times = [commit(store, number, one) for number in range(rounds)]
        early, late = statistics.median(times[1:11]), statistics.median(times[-10:])
        print(f"{size}: commit and read back, rounds 1-10 {early * 1e3:.1f} ms, ", end="")
        print(f"last ten of {rounds} {late * 1e3:.1f} ms, ratio {late / early:.2f}")
    times = appended(1000)
    early, late = statistics.median(times[1:11]), statistics.median(times[-10:])
    print(f"ledger: append 5,000 rows, early {early * 1e6:.1f} us, at 5,000,000 rows {late * 1e6:.1f} us")
