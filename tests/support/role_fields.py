"""Small vocabularies of situations, and what is computed of them one situation, or one verb and picture, at a time."""

import itertools
import math

import numpy as np
import torch

from biasloop_roles.situations import MOST_ROLES, PADDING, Vocabulary


def vocabulary(sizes):
    """Verbs with roles of so many nouns: `sizes[verb][role]`."""
    pairs = [(verb, role) for verb, its_roles in enumerate(sizes) for role in range(len(its_roles))]
    slots = np.array([size for its_roles in sizes for size in its_roles])
    return Vocabulary(
        tuple(f"verb {verb}" for verb in range(len(sizes))),
        tuple(f"role {role}" for role in range(MOST_ROLES)),
        tuple(f"noun {noun}" for noun in range(slots.max())),
        np.array([verb for verb, _ in pairs]),
        np.array([role for _, role in pairs]),
        np.repeat(np.arange(len(pairs)), slots),
        np.concatenate([np.arange(size) for size in slots]),
    )


def potentials(words, rows, seed=0, dtype=torch.float64, scale=2.0):
    """Random `(rows, verbs)` and `(rows, slots)`."""
    draws = torch.Generator().manual_seed(seed)
    sizes = (len(words.verbs), len(words.slot_pair))
    return tuple((scale * torch.randn(rows, size, generator=draws, dtype=torch.float64)).to(dtype) for size in sizes)


def all_situations(words):
    """All verbs `(situations,)` and slots `(situations, MOST_ROLES)`."""
    verbs, rows = [], []
    for verb in range(len(words.verbs)):
        pairs = [pair for pair in words.verb_pairs[verb] if pair != PADDING]
        for slots in itertools.product(*(range(*words.pair_start[pair : pair + 2]) for pair in pairs)):
            verbs.append(verb)
            rows.append([*slots, *[PADDING] * (MOST_ROLES - len(slots))])
    return torch.tensor(verbs), torch.tensor(rows)


def all_scores(words, a, b):
    """`(rows, situations)` scores of all situations, as sums of potentials."""
    verbs, slots = all_situations(words)
    padded = torch.cat([b, b.new_zeros(len(b), 1)], 1)  # PADDING is the last column
    return a[:, verbs] + padded[:, slots].sum(2)


def by_verb_and_picture(words, a, b):
    """Log Z, highest score of each verb, and best slots of each verb's roles, in Python's floats."""
    log_z, highest, best = [], [], []
    for verb_potentials, slot_potentials in zip(a.tolist(), b.tolist(), strict=True):
        marginals, maxima, choices = [], [], []
        for verb, potential in enumerate(verb_potentials):
            marginal = maximum = potential
            chosen = []
            for pair in words.verb_pairs[verb]:
                if pair == PADDING:
                    chosen.append(PADDING)
                    continue
                start, end = words.pair_start[pair : pair + 2].tolist()
                values = slot_potentials[start:end]
                top = max(values)
                marginal += top + math.log(math.fsum(math.exp(value - top) for value in values))
                maximum += top
                chosen.append(start + values.index(top))
            marginals.append(marginal)
            maxima.append(maximum)
            choices.append(chosen)
        top = max(marginals)
        log_z.append(top + math.log(math.fsum(math.exp(marginal - top) for marginal in marginals)))
        highest.append(maxima)
        best.append(choices)
    return torch.tensor(log_z), torch.tensor(highest), torch.tensor(best)
