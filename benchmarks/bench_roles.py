"""The head of visual role labelling at imSitu's size: losses and predictions against the published design.

That design (Yatskar et al. 2016, as released with Taori & Hashimoto 2022) pads the slots of the pairs (verb, role) into
five groups, each with a linear layer of its own; its loss is a loop over pictures and roles, its predictions are a loop
over pictures, verbs and roles, each of which makes one number a Python scalar. It is written here without the waits and
checks that it has besides. "As lists" is the same loop over lists that were made at once, the best that Python can do.

Vocabularies are random, of imSitu's sizes: 504 verbs, 1,788 pairs, 117,304 slots, 156,555 with padding. Both heads have
the same weights, and their results are compared first. Ways take turns; medians. Run as a script, it prints a table;
`pytest benchmarks/bench_roles.py` times a loss and a prediction of 20 verbs.

    python benchmarks/bench_roles.py [--threads 2] [--repeats 7] [--rows 64]
"""

import argparse
import os
import statistics
import time

import numpy as np
import pytest
import torch
from torch import nn

from biasloop_roles import crf
from biasloop_roles.crf import Layout
from biasloop_roles.networks import CAPACITIES, HIDDEN, Potentials
from biasloop_roles.situations import MOST_ROLES, PADDING, Vocabulary

VERBS_OF_ROLES = {1: 3, 2: 77, 3: 163, 4: 171, 5: 82, 6: 8}
PAIRS_OF_CAPACITY = (697, 485, 334, 192, 80)
SMALLEST, WIDEST, SLOTS, NOUNS, ROLES = 7, 338, 117_304, 11_538, 190


def vocabulary(verbs=504):
    """The first so many verbs of random ones, of imSitu's sizes."""
    draws = np.random.default_rng(0)
    roles = draws.permutation(np.repeat([*VERBS_OF_ROLES], [*VERBS_OF_ROLES.values()]))[:verbs]  # (verbs,)
    sizes = pair_sizes(draws)[: roles.sum()]  # (pairs,)
    pair = np.repeat(np.arange(len(sizes)), sizes)
    first = draws.integers(0, NOUNS, len(sizes))
    return Vocabulary(
        tuple(f"v{verb}" for verb in range(verbs)),
        tuple(f"r{role}" for role in range(ROLES)),
        tuple(f"n{noun}" for noun in range(NOUNS)),
        np.repeat(np.arange(verbs), roles),
        np.concatenate([draws.choice(ROLES, count, replace=False) for count in roles]),
        pair,
        (first[pair] + np.arange(len(pair)) - np.repeat(sizes.cumsum() - sizes, sizes)) % NOUNS,
    )


def pair_sizes(draws):
    """`(1788,)` sizes, as many in each published group as there are."""
    low = np.repeat([SMALLEST, *(capacity + 1 for capacity in CAPACITIES[:-1])], PAIRS_OF_CAPACITY)
    high = np.repeat([*CAPACITIES[:-1], WIDEST], PAIRS_OF_CAPACITY)
    sizes = draws.integers(low, high + 1)
    while sizes.sum() != SLOTS:
        step = np.sign(SLOTS - sizes.sum())
        movable = np.flatnonzero((sizes + step >= low) & (sizes + step <= high))
        sizes[draws.choice(movable, min(len(movable), abs(SLOTS - sizes.sum())), replace=False)] += step
    return draws.permutation(sizes)


def situations(words, rows):
    """Random verbs `(rows,)` and slots `(rows, MOST_ROLES)`."""
    draws = np.random.default_rng(1)
    verb = draws.integers(0, len(words.verbs), rows)
    pairs = words.verb_pairs[verb]  # (rows, roles)
    start = words.pair_start
    slots = draws.integers(start[pairs], start[np.maximum(pairs, 0) + 1] + (pairs < 0) * start[-1])
    return verb, np.where(pairs >= 0, slots, PADDING)


class Published(nn.Module):
    """Padded groups of the pairs' slots, weights as in our head."""

    def __init__(self, words, ours):
        super().__init__()
        self.words, sizes = words, np.diff(words.pair_start)
        group = np.searchsorted(CAPACITIES, sizes)
        self.pairs = [np.flatnonzero(group == number) for number in np.unique(group)]  # of each group that has any
        self.capacities = [CAPACITIES[number] for number in np.unique(group)]
        self.verbs = ours.verbs
        self.padded = [len(pairs) * capacity for pairs, capacity in zip(self.pairs, self.capacities, strict=True)]
        self.groups = nn.ModuleList(nn.Linear(HIDDEN, outputs) for outputs in self.padded)
        self.place = {pair: (g, at) for g, pairs in enumerate(self.pairs) for at, pair in enumerate(pairs.tolist())}
        with torch.no_grad():
            for layer, pairs, capacity in zip(self.groups, self.pairs, self.capacities, strict=True):
                layer.bias.fill_(-100)
                slots = np.concatenate([np.arange(*words.pair_start[pair : pair + 2]) for pair in pairs])
                rows = np.concatenate([at * capacity + np.arange(sizes[pair]) for at, pair in enumerate(pairs)])
                layer.weight[rows] = ours.slots.weight[slots]
                layer.bias[rows] = ours.slots.bias[slots]
        order = np.concatenate(self.pairs).argsort()  # of the pairs among the groups'
        columns = np.append(order, len(order))[words.verb_pairs]  # -1 is the last column, of zeros
        self.register_buffer("columns", torch.from_numpy(columns.flatten()))
        self.lists = words.verb_pairs.tolist(), words.pair_role.tolist(), words.pair_start.tolist()

    def forward(self, features):
        """Potentials of verbs and of groups, log Z, scores of verbs, and the best slots of their roles."""
        a, groups = self.verbs(features), []
        marginals, maxima, choices = [], [], []
        for layer, capacity in zip(self.groups, self.capacities, strict=True):
            b = layer(features).view(len(features), -1, capacity)
            highest, choice = b.max(2)
            marginals.append(highest + (b - highest[..., None]).exp().sum(2).log())
            groups.append(b)
            maxima.append(highest)
            choices.append(choice)
        marginal = a + self.by_verb(marginals).sum(2)
        return a, groups, marginal.logsumexp(1), a + self.by_verb(maxima).sum(2), self.by_verb(choices)

    def by_verb(self, of_groups):
        """`(n, verbs, roles)`."""
        values = torch.cat([*of_groups, of_groups[0].new_zeros(len(of_groups[0]), 1)], 1)
        return values.index_select(1, self.columns).view(len(values), -1, MOST_ROLES)

    def loss(self, features, targets):
        """Minus the mean log-probability, a picture and a role at a time."""
        a, groups, log_z, _, _ = self(features)
        total = 0
        for picture, (verb, slots) in enumerate(targets):
            score, potentials = a[picture][verb], [group[picture] for group in groups]
            for pair, slot in zip(self.lists[0][verb], slots, strict=True):
                if pair == PADDING:
                    break
                group, at = self.place[pair]
                score = score + potentials[group][at][slot - self.lists[2][pair]]
            total = total + score - log_z[picture]
        return -total / len(targets)

    def predict(self, features, *, lists):
        """The best verb of each picture and its nouns by role, after those of every verb."""
        _, _, _, scores, choices = self(features)
        return self.decoded(scores, choices, lists=lists)

    def decoded(self, scores, choices, *, lists):
        """As `predict`, of `(n, verbs)` scores and `(n, verbs, roles)` best slots in each pair."""
        words, best = self.words, []
        verb_pairs, roles, start = self.lists
        if lists:
            scores, choices = scores.tolist(), choices.tolist()
        for picture in range(len(scores)):
            frames = []
            for verb, pairs in enumerate(verb_pairs):
                frame = {}
                for column, pair in enumerate(pairs):
                    if pair == PADDING:
                        break
                    choice = choices[picture][verb][column]
                    slot = start[pair] + (choice if lists else choice.item())
                    frame[words.roles[roles[pair]]] = words.nouns[words.slot_noun[slot]]
                score = scores[picture][verb]
                frames.append((score if lists else score.item(), words.verbs[verb], frame))
            best.append(max(frames, key=lambda frame: frame[0])[1:])
        return best


class Ours:
    """Our head, and what it is compared on."""

    def __init__(self, words):
        torch.manual_seed(0)
        self.words, self.head = words, Potentials(HIDDEN, words)
        self.layout = Layout.of(words, torch.device("cpu"))

    def loss(self, features, verb, slots):
        """Minus the mean log-probability."""
        return crf.likelihood_loss(crf.log_probabilities(*self.head(features), verb, slots[:, None], self.layout))

    def predict(self, features):
        """The best verb of each picture and the best slots of its roles."""
        return self.decoded(*self.head(features))

    def decoded(self, a, b):
        """As `predict`, of potentials."""
        verb = crf.verb_scores(a, b, "max_max", self.layout).argmax(1)
        return verb, crf.best_slots(b, verb, self.layout)

    def texts(self, verb, slots):
        """As the published design has them."""
        words = self.words
        return [
            (words.verbs[v], {words.roles[words.pair_role[words.slot_pair[s]]]: words.nouns[words.slot_noun[s]]
                              for s in row if s != PADDING})
            for v, row in zip(verb.tolist(), slots.tolist(), strict=True)
        ]  # fmt: skip


def seconds(ways, repeats):
    """Median seconds of each way by name; they take turns, and the first turn does not count."""
    times = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(took[1:]) for name, took in times.items()}


class Comparison:
    """Both heads on the same random features."""

    def __init__(self, verbs, rows):
        words = vocabulary(verbs)
        self.ours = Ours(words)
        self.published = Published(words, self.ours.head)
        self.features = torch.randn(rows, HIDDEN).requires_grad_()
        verb, slots = situations(words, rows)
        self.targets = torch.from_numpy(verb), torch.from_numpy(slots)
        self.lists = list(zip(verb.tolist(), slots.tolist(), strict=True))

    def trained(self, loss):
        """The features' gradient."""
        for module in (self.ours.head, self.published):
            for parameter in module.parameters():
                parameter.grad = None
        self.features.grad = None
        loss().backward()
        return self.features.grad

    def check(self):
        """Results are equal."""
        ours = self.trained(self.our_loss)
        theirs = self.trained(self.published_loss)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)
        torch.testing.assert_close(self.our_loss(), self.published_loss())
        with torch.inference_mode():
            expected = self.published.predict(self.features, lists=True)
            assert self.ours.texts(*self.ours.predict(self.features)) == expected

    def our_loss(self):
        """Of our head."""
        return self.ours.loss(self.features, *self.targets)

    def published_loss(self):
        """Of the published one."""
        return self.published.loss(self.features, self.lists)

    def products(self):
        """The matrix products of our head alone, forward and backward."""
        a, b = self.ours.head(self.features)
        torch.autograd.backward([a, b], [torch.zeros_like(a), torch.zeros_like(b)])

    def losses(self):
        """Ways to a loss and its gradients."""
        return {
            "published": lambda: self.trained(self.published_loss),
            "ours": lambda: self.trained(self.our_loss),
            "products alone": self.products_alone,
        }

    def products_alone(self):
        """As a loss, without what is computed of potentials."""
        for parameter in self.ours.head.parameters():
            parameter.grad = None
        self.products()

    def predictions(self):
        """Ways to predictions of features."""
        features = self.features.detach()
        return {
            "published": lambda: self.published.predict(features, lists=False),
            "as lists": lambda: self.published.predict(features, lists=True),
            "ours": lambda: self.ours.predict(features),
            "products alone": lambda: self.ours.head(features),
        }

    def decodings(self):
        """Ways to predictions of potentials that are there."""
        a, b = self.ours.head(self.features.detach())
        groups = self.published(self.features.detach())[1]

        def published(*, lists):
            maxima, choices = zip(*(group.max(2) for group in groups), strict=True)
            scores = a + self.published.by_verb(maxima).sum(2)
            return self.published.decoded(scores, self.published.by_verb(choices), lists=lists)

        return {
            "published": lambda: published(lists=False),
            "as lists": lambda: published(lists=True),
            "ours": lambda: self.ours.decoded(a, b),
        }

    def choices(self):
        """Ways to predictions of scores of verbs that are there, and of the published best slots of all roles."""
        _, _, _, scores, choices = self.published(self.features.detach())
        _, b = self.ours.head(self.features.detach())
        return {
            "published": lambda: self.published.decoded(scores, choices, lists=False),
            "as lists": lambda: self.published.decoded(scores, choices, lists=True),
            "ours": lambda: crf.best_slots(b, scores.argmax(1), self.ours.layout),
        }


@pytest.fixture(scope="module")
def small():
    comparison = Comparison(20, 16)
    comparison.check()
    return comparison


@pytest.mark.parametrize("way", ["published", "ours"])
def test_loss(benchmark, small, way):
    assert benchmark(small.losses()[way]).shape == (16, HIDDEN)


@pytest.mark.parametrize("way", ["published", "ours"])
def test_prediction(benchmark, small, way):
    benchmark(small.predictions()[way])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--rows", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    Comparison(20, 8).check()
    print(f"{options.rows} rows, {options.threads} threads, load {os.getloadavg()[0]:.1f}")
    for verbs in (504, 20):
        comparison = Comparison(verbs, options.rows)
        measured = {"loss and gradients": seconds(comparison.losses(), options.repeats)}
        with torch.inference_mode():
            measured["prediction"] = seconds(comparison.predictions(), options.repeats)
            measured["prediction, of potentials"] = seconds(comparison.decodings(), options.repeats)
            measured["prediction, of scores"] = seconds(comparison.choices(), options.repeats)
        print(f"{verbs} verbs, {len(comparison.ours.words.slot_pair):,} slots")
        for what, times in measured.items():
            for way, took in times.items():
                print(f"{what:>28} {way:>15}: {1e3 * took:9.1f} ms {took / times['ours']:8.2f} x ours")


if __name__ == "__main__":
    main()
