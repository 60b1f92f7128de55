"""Bookkeeping of a STAR batch, of 256 filled from 320 samples in 4 strata: as published against many at once.

The published way finds each stratum by where and intersect, batch by batch (sheet of facts, section 8), here written
well: nothing is looked for twice, and shortfall and counts are read once. One CPU thread, the same samples, no network.
Run as a script, it prints what a batch costs either way, and what copying its images costs beside that;
`pytest benchmarks/bench_star.py` times each with pytest-benchmark.
"""

import statistics
import time

import numpy as np
import pytest
import torch

from biasloop.contract.batching import Batches, Star
from biasloop.contract.randomness import Streams
from biasloop.training.sources import Drawing
from biasloop.training.star import Generated, select, tally

SIZE, BUDGET, TOGETHER = 256, 64, 6
SHARES = [0.35, 0.15, 0.15, 0.35]
# Others at every turn: a processor learns to foresee the order of numbers that it sorts again and again.
TURNS = torch.from_numpy(np.random.default_rng(0).choice(4, (100, TOGETHER, SIZE + BUDGET), p=SHARES))
TURN = {"published": 0, "at once": 0}
QUOTAS = torch.tensor(Star().quotas(SIZE, 4))


def strata(name):
    TURN[name] += 1
    return TURNS[TURN[name] % len(TURNS)]


def as_published():
    """Order and counts of each batch: where the label is c, where the group is g, their intersection, its first q."""
    drawn_strata = strata("published").numpy()
    for labels, groups in zip(drawn_strata // 2, drawn_strata % 2, strict=True):
        by_label = [np.where(labels == label)[0] for label in range(2)]
        by_group = [np.where(groups == group)[0] for group in range(2)]
        members = [np.intersect1d(one, other) for one in by_label for other in by_group]
        drawn = [len(found) for found in members]
        kept = np.concatenate([found[: SIZE // 4] for found in members])
        shortfall = SIZE - len(kept)
        order = torch.randperm(len(kept) + shortfall)
    return order, drawn, shortfall


def at_once():
    """The same of all batches."""
    drawn_strata = strata("at once")
    found = select(drawn_strata, QUOTAS)
    rank = torch.rand(TOGETHER, SIZE).argsort(dim=1, stable=True)
    order = found.order().gather(1, rank)
    places = (rank >= found.within.sum(1, keepdim=True)).flatten().nonzero()
    return (
        order,
        torch.cat([found.shortfall(SIZE)[:, None], found.drawn, tally(drawn_strata.gather(1, order), 4)], 1),
        places,
    )


WAYS = {"as published": as_published, "many at once": at_once}


@pytest.mark.parametrize("way", WAYS)
def test_star(benchmark, way):
    torch.set_num_threads(1)
    assert benchmark(WAYS[way]) is not None


def seconds(ways, repeats=200):
    """Median seconds of each way, in turns, after one that does not count."""
    torch.set_num_threads(1)
    times = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(each[1:]) for name, each in times.items()}


def whole_epochs():
    """A step of 20 of `Drawing`, images 3 x 28 x 28 that cost nothing to make: with STAR and without."""
    stock, labels = torch.rand(4 * TOGETHER * (SIZE + BUDGET), 3, 28, 28), TURNS[:4].flatten()

    def sample(latents):
        return stock[: len(latents)]

    generated = Generated(
        sample, 20, lambda images: labels[: len(images)] // 2, lambda images: labels[: len(images)] % 2, (2, 2)
    )

    def epoch(star):
        made = Drawing(Batches(1, star), SIZE, 20, Streams((0,)), torch.device("cpu"), generated=generated, chunk=2048)
        return lambda: sum(len(images) for images, _ in made.epoch(0))

    return {"plain": epoch(None), **{refill: epoch(Star((), BUDGET, refill)) for refill in ("single", "surplus-first")}}


if __name__ == "__main__":
    found = {name: each / TOGETHER for name, each in seconds(WAYS).items()}
    for name, each in found.items():
        print(f"{name:>16}: {each * 1e3:8.3f} ms a batch")
    slow, fast = found.values()
    print(f"{'ratio':>16}: {slow / fast:8.1f} x")
    print("All of a batch but the networks (noise, order, copies of 3 x 28 x 28 images, counts):")
    for name, each in seconds(whole_epochs(), 15).items():
        print(f"{name:>16}: {each / 20 * 1e3:8.3f} ms a batch")
