"""Bookkeeping of a selecting step beyond the scoring pass, 320 candidates to 32: as published, and on tensors.

The published way (sheet of facts, section 9) is here written well, without what it logs besides: a gather of
irreducible losses for each class and a stack; scores, the k highest and the new state; a loop over classes with one
gather and one `.item()`, for how many were selected and their loss; ids appended to an array. It is timed in the first
epoch, when hardly anything is in that array, and half way, when each step copies half of what it will hold. Beside it
stand the project's selectors alone, from losses to rows and state, and all that `biasloop.training.selecting` does but
the networks: it takes the selected samples, looks at the holdout, and counts what was offered and selected, repeats,
weights, and the share of the highest scores. One CPU thread, the same numbers, epochs of 79 steps in turns; processor
time, since others may use the machine. `--quick` is for a look; `pytest benchmarks/bench_selection.py` times each way
with pytest-benchmark.
"""

import argparse
import statistics
import time

import numpy as np
import pytest
import torch

from biasloop.contract.context import Work
from biasloop.contract.data import Frame, Samples
from biasloop.contract.randomness import Streams
from biasloop.contract.selection import CLASS_IRREDUCIBLE, Judged, Selection, Strata
from biasloop.training.selecting import Selecting
from biasloop.training.selection import Candidates
from biasloop.training.selectors import Reducr, Rho
from biasloop.training.sources import Batch

SIZE, TAKEN, SAMPLES, EPOCH, STEPS = 320, 32, 25_000, 79, 13_800  # as in CIFAR-10
CATEGORIES = (10, 100)
ETA = 1e-4
QUIET = Work(Streams((0,)))


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


class Told:
    """An objective whose logits and losses cost nothing."""

    def outputs(self, network, batch):
        """What the next candidates are said to lose."""
        return self.logits, self.losses


class Alone(Step):
    """A selector of the project, and the gather of irreducible losses."""

    def __init__(self, categories, selector):
        super().__init__(categories)
        self.selector, self.generator = selector, torch.Generator().manual_seed(0)
        table = self.table if CLASS_IRREDUCIBLE in selector.needs else self.table[:1]
        self.rows = table.T.contiguous()  # (samples, models), as `Selecting` has it

    def __call__(self):
        """From losses to rows and state."""
        losses, ids = self.batch()
        told = Candidates(losses, irreducible=self.rows.index_select(0, ids).T, holdout=self.holdout)
        self.state = self.selector.select(told, TAKEN, self.state, self.generator).state


class InAFit(Step):
    """All that the project does in a step but the networks: `biasloop.training.selecting`."""

    def __init__(self, categories, selector):
        super().__init__(categories)
        described = Selection(
            selector,
            TAKEN / SIZE,
            categories,
            Strata(self.targets.numpy(), categories),
            irreducible=(self.table if CLASS_IRREDUCIBLE in selector.needs else self.table[:1]).numpy(),
            holdout=Judged(Samples(np.arange(categories), np.ones(categories, bool), Frame({})), np.arange(categories)),
        )
        self.told, self.network, self.steps, self.epochs = Told(), torch.nn.Identity().eval(), 0, 0
        self.told.logits, self.inputs = torch.zeros(SIZE, categories), torch.zeros(SIZE, 1)
        self.selecting = Selecting(described, SAMPLES, self.told, Streams((0,)), torch.device("cpu"), self.held_out)
        self.selecting.begin(self.network, 0)

    def held_out(self, samples):
        """The holdout, with as many classes as samples; its losses are those that are told."""
        self.told.logits, self.told.losses = torch.zeros(len(samples), len(samples)), self.holdout
        yield Batch(torch.zeros(len(samples), 1), torch.arange(len(samples)))
        self.told.logits = torch.zeros(SIZE, len(samples))

    def __call__(self):
        """All of a step but the networks, and with the last of an epoch what is counted."""
        self.told.losses, ids = self.batch()
        self.selecting.choose(self.network, Batch(self.inputs, self.targets.index_select(0, ids), ids))
        self.steps += 1
        if self.steps % EPOCH == 0:
            self.selecting.finish(self.network, self.epochs, QUIET)
            self.epochs += 1
            self.selecting.begin(self.network, self.epochs)


def ways(categories):
    return {
        "as published, first epoch": Published(categories),
        "as published, half way": Published(categories, STEPS // 2),
        "rho alone": Alone(categories, Rho()),
        "reducr alone": Alone(categories, Reducr(eta=ETA)),
        "rho in a fit": InAFit(categories, Rho()),
        "reducr in a fit": InAFit(categories, Reducr(eta=ETA)),
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
        alone, fit = medians["reducr alone"], medians["reducr in a fit"]
        for name, each in medians.items():
            ratios = f"{each / alone:5.1f} times reducr alone, {each / fit:5.1f} times reducr in a fit"
            print(f"{name:>27}: {each * 1e3:7.3f} ms a step, {ratios}")


if __name__ == "__main__":
    main()
