"""Memorisation over the rounds of a loop: an index that grows against sets of tuples built anew every round.

Both on one CPU thread in the same process, the same texts: 20,000 training continuations and 5,000 more a round,
14,442 generated ones a round, n = 5 and 10; about 20 tokens each of a vocabulary of 50,257 with a Zipf-like law, a
quarter of the generated ones partly copied from training. Run as a script, it prints seconds, each part's share and
the ratio, after asserting equal fractions; `pytest benchmarks/bench_ngrams.py` times a smaller run of each with
pytest-benchmark.
"""

import statistics
import time

import numpy as np
import pytest

from biasloop.contract.data import Column
from biasloop.metrics.ngrams import NgramIndex

SIZES = (5, 10)
VOCABULARY = 50_257


def texts(draws, rows, source=None, vocabulary=VOCABULARY):
    """Ragged token ids; with a source, every fourth row begins as one of its rows does."""
    lengths = np.clip(draws.poisson(20, rows), 1, None)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = (vocabulary ** draws.random(offsets[-1]) - 1).astype(np.int32)
    for row in range(0, rows if source else 0, 4):
        origin = draws.integers(len(source))
        copied = min(draws.integers(3, 16), lengths[row], np.diff(source.offsets)[origin])
        start = source.offsets[origin]
        values[offsets[row] : offsets[row] + copied] = source.values[start : start + copied]
    return Column(values, offsets)


def lists(column):
    return [row.tolist() for row in np.split(column.values, column.offsets[1:-1])]


def stories(rounds=14, start=20_000, more=5_000, generated=14_442):
    """What is added before each round's generated texts are looked up."""
    draws = np.random.default_rng(0)
    first = texts(draws, start)
    added = [first, *(texts(draws, more) for _ in range(rounds - 1))]
    return [(new, texts(draws, generated, first)) for new in added]


def grams(row, n):
    return zip(*(row[k:] for k in range(n)), strict=False)


def rebuilt(story, spent):
    """Sets of tuples, built anew every round from lists that are kept."""
    train, found = [], []
    for new, generated in story:
        train += new
        for n in SIZES:
            begin = time.perf_counter()
            known = set()
            for row in train:
                known.update(grams(row, n))
            middle = time.perf_counter()
            hits = total = 0
            for row in generated:
                for gram in grams(row, n):
                    total += 1
                    hits += gram in known
            found.append((hits, total))
            spent["build"] = spent.get("build", 0) + middle - begin
            spent["look up"] = spent.get("look up", 0) + time.perf_counter() - middle
    return [(hits / total, total) for hits, total in found]


def grown(story, spent):
    """The index of the plugin."""
    index, found = NgramIndex(SIZES), []
    for new, generated in story:
        begin = time.perf_counter()
        index.add(new)
        middle = time.perf_counter()
        metrics = [index.overlap(generated, n) for n in SIZES]
        found += [(metric.value, metric.n) for metric in metrics]
        spent["add"] = spent.get("add", 0) + middle - begin
        spent["look up"] = spent.get("look up", 0) + time.perf_counter() - middle
    return found


WAYS = {"sets of tuples, rebuilt": (rebuilt, lists), "index that grows": (grown, lambda column: column)}


@pytest.mark.parametrize("way", WAYS)
def test_ngrams(benchmark, way):
    run, form = WAYS[way]
    story = [(form(new), form(generated)) for new, generated in stories(4, 2_000, 500, 1_444)]
    assert benchmark(run, story, {}) == grown(stories(4, 2_000, 500, 1_444), {})


def compare(repeats=3):
    """Seconds of each way and of its parts; median of alternating repeats."""
    story = stories()
    inputs = {name: [(form(new), form(made)) for new, made in story] for name, (_, form) in WAYS.items()}
    seconds, parts = {name: [] for name in WAYS}, {name: {} for name in WAYS}
    for _ in range(repeats):
        found = []
        for name, (run, _) in WAYS.items():
            start = time.perf_counter()
            found.append(run(inputs[name], parts[name]))
            seconds[name].append(time.perf_counter() - start)
        assert found[0] == found[1], "the fractions differ"
    return {name: statistics.median(times) for name, times in seconds.items()}, parts, found[0]


if __name__ == "__main__":
    taken, parts, found = compare()
    for name, spent in parts.items():
        whole = sum(spent.values())
        shares = ", ".join(f"{part} {value / whole:.0%}" for part, value in spent.items())
        print(f"{name:>24}: {taken[name]:7.2f} s ({shares})")
    slow, fast = taken.values()
    print(f"{'ratio':>24}: {slow / fast:7.1f} x")
    print(
        f"{'fractions, last round':>24}: "
        + ", ".join(f"n={n} {f:.4f}" for n, (f, _) in zip(SIZES, found[-2:], strict=True))
    )
