"""Bookkeeping of a selecting step beyond the scoring pass, 320 candidates to 32: as published, and on tensors.

What is timed is all from the candidates' losses to the selected rows and what is counted of them: class-irreducible
losses of the candidates, scores, the k highest, the new state, and by class the weight, how many were selected and
their loss. The published way (sheet of facts, section 9) is here written well, without what it logs besides: a gather
for each class and a stack; a loop over classes with one gather and one `.item()`; ids appended to an array. It is timed
in the first epoch, when hardly anything is in that array, and half way, when each step copies half of what it will
hold. One CPU thread, the same numbers, epochs of 79 steps in turns; processor time, since others may use the machine.
`--quick` is for a look; `pytest benchmarks/bench_selection.py` times each way with pytest-benchmark.
"""

import argparse
import statistics
import time

import numpy as np
import pytest
import torch

from biasloop.contract.selection import CLASS_IRREDUCIBLE
from biasloop.training.selection import Candidates
from biasloop.training.selectors import Reducr, Rho

SIZE, TAKEN, SAMPLES, EPOCH, STEPS = 320, 32, 25_000, 79, 13_800  # as in CIFAR-10
CATEGORIES = (10, 100)
ETA = 1e-4


class Step:
    """Losses of candidate batches, others at every turn, and what both ways know of the training set."""

    def __init__(self, categories):
        rng = np.random.default_rng(0)
        self.table = torch.from_numpy(rng.gamma(2, 0.5, (categories, SAMPLES)).astype(np.float32))
        self.targets = torch.from_numpy(rng.integers(0, categories, SAMPLES))
        self.holdout = torch.from_numpy(rng.uniform(0.5, 2, categories).astype(np.float32))
        self.losses = torch.from_numpy(rng.gamma(2, 1.0, (50, SIZE)).astype(np.float32))
        self.ids = torch.from_numpy(np.stack([rng.choice(SAMPLES, SIZE, replace=False) for _ in range(50)]))
        self.state, self.turn = torch.zeros(categories), 0

    def batch(self):
        """Losses and ids of the next candidates."""
        self.turn = (self.turn + 1) % len(self.losses)
        return self.losses[self.turn], self.ids[self.turn]


class Published(Step):
    """A vector of irreducible losses a class, numbers read one by one, all selected ids in one array."""

    def __init__(self, categories, steps=0):
        super().__init__(categories)
        self.vectors = [vector.clone() for vector in self.table]
        self.selected = np.zeros(steps * TAKEN, np.int64)
        self.counts, self.sums, self.weights = [0] * categories, [0.0] * categories, [0.0] * categories

    def __call__(self):
        """All of a step but the networks."""
        losses, ids = self.batch()
        irreducible = torch.stack([vector[ids] for vector in self.vectors])
        excess = (losses - irreducible).T.clamp(min=0)
        weights = torch.softmax(-ETA * self.state, 0)
        rows = torch.argsort((excess * weights).sum(1), descending=True)[:TAKEN]
        self.state = self.state + (excess[rows] - self.holdout).sum(0)
        targets, learnt, read = self.targets[ids[rows]], losses[rows], weights.numpy()
        for c in range(len(self.vectors)):
            members = learnt[targets == c]
            self.counts[c] += len(members)
            self.sums[c] += members.sum().item()
            self.weights[c] += read[c]
        self.selected = np.append(self.selected, ids[rows].numpy())


class OnTensors(Step):
    """The project's selectors; what is counted is counted once an epoch, of all its steps."""

    def __init__(self, categories, selector):
        super().__init__(categories)
        self.selector = selector
        table = self.table if CLASS_IRREDUCIBLE in selector.needs else self.table[:1]
        self.rows = table.T.contiguous()  # (samples, models): all losses of a sample lie side by side
        self.generator = torch.Generator().manual_seed(0)
        self.steps = []

    def __call__(self):
        """All of a step but the networks, and with the last of an epoch what is counted."""
        losses, ids = self.batch()
        told = Candidates(losses, irreducible=self.rows.index_select(0, ids).T, holdout=self.holdout)
        selected = self.selector.select(told, TAKEN, self.state, self.generator)
        self.state = selected.state
        self.steps.append((losses, ids, selected))
        if len(self.steps) == EPOCH:
            self.count()

    def count(self):
        """By class: how many were selected, their loss, the sum of weights; and whether all scores were finite."""
        rows = torch.stack([selected.rows for _, _, selected in self.steps])  # (steps, k)
        learnt = torch.stack([losses for losses, _, _ in self.steps]).gather(1, rows).flatten()  # (steps k,)
        targets = self.targets[torch.stack([ids for _, ids, _ in self.steps]).gather(1, rows)].flatten()  # (steps k,)
        sums = torch.zeros(2, len(self.table)).index_add_(1, targets, torch.stack([torch.ones_like(learnt), learnt]))
        weights = [selected.category_weights for _, _, selected in self.steps]
        totals = None if weights[0] is None else torch.stack(weights).sum(0).tolist()
        scores = torch.stack([selected.scores for _, _, selected in self.steps])  # (steps, n)
        self.steps = []
        return sums.tolist(), totals, scores.isfinite().all().item()


def ways(categories):
    return {
        "as published, first epoch": Published(categories),
        "as published, half way": Published(categories, STEPS // 2),
        "on tensors, rho": OnTensors(categories, Rho()),
        "on tensors, reducr": OnTensors(categories, Reducr(eta=ETA)),
    }


def epoch(way):
    for _ in range(EPOCH):
        way()


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("categories", CATEGORIES)
@pytest.mark.parametrize("way", ways(2))
def test_selection(benchmark, one_thread, categories, way):
    benchmark(epoch, ways(categories)[way])


def seconds(timed, repeats):
    """Median processor seconds of a step of each way, by epochs in turns after one that does not count."""
    times = {name: [] for name in timed}
    for _ in range(repeats + 1):
        for name, way in timed.items():
            start = time.thread_time()
            epoch(way)
            times[name].append((time.thread_time() - start) / EPOCH)
    return {name: statistics.median(each[1:]) for name, each in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="3 epochs of each way instead of 25")
    repeats = 3 if parser.parse_args().quick else 25
    torch.set_num_threads(1)
    for categories in CATEGORIES:
        print(f"{categories} classes, {SIZE} candidates to {TAKEN}, median of {repeats} epochs of {EPOCH} steps")
        medians = seconds(ways(categories), repeats)
        ours = medians["on tensors, reducr"]
        for name, each in medians.items():
            print(f"{name:>27}: {each * 1e3:7.3f} ms a step, {each / ours:5.1f} times reducr on tensors")


if __name__ == "__main__":
    main()
