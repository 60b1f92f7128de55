import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biasloop.contract.batching import Star, strata
from biasloop.errors import InvalidInput
from biasloop.training.star import Filling, Generated, select, tally

torch.set_num_threads(1)
CPU = torch.device("cpu")

# Sheet 2, cases run through the published code: labels, groups, labels of the samples drawn on top; what came out.
GOLDEN = {
    "bs16_budget4": {
        "size": 16,
        "budget": 4,
        "labels": [0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1],
        "groups": [1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1],
        "extra": [],
        "draws": [20],
        "row": [0, 5, 4, 5, 6],
        "kept": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        "per_stratum": [4, 4, 4, 4],
        "ones": 8,
    },
    "bs18_budget5_not_div4": {
        "size": 18,
        "budget": 5,
        "labels": [1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 0],
        "groups": [1, 0, 0, 0, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0],
        "extra": [1, 1, 1],
        "draws": [23, 3],
        "row": [3, 8, 3, 4, 8],
        "kept": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 16, 18, 19, 20],
        "per_stratum": [4, 3, 4, 4],
        "ones": 11,
    },
    "bs8_all_one_stratum": {
        "size": 8,
        "budget": 4,
        "labels": [1] * 12,
        "groups": [0] * 12,
        "extra": [1, 1, 1, 1, 1, 0],
        "draws": [12, 6],
        "row": [6, 0, 0, 12, 0],
        "kept": [0, 1],
        "per_stratum": [0, 0, 2, 0],
        "ones": 7,
    },
    "bs3_floor0": {
        "size": 3,
        "budget": 2,
        "labels": [0, 1, 0, 1, 1],
        "groups": [0, 0, 1, 1, 0],
        "extra": [1, 1, 1],
        "draws": [5, 3],
        "row": [3, 1, 1, 2, 1],
        "kept": [],
        "per_stratum": [0, 0, 0, 0],
        "ones": 3,
    },
}


def reference(sequence, quotas):
    """Section 2.1 of the sheet, steps 2 to 4, for one batch: positions kept, counts as drawn, missing of each."""
    kept, drawn = [], [0] * len(quotas)
    for position, stratum in enumerate(sequence):
        drawn[stratum] += 1
        if drawn[stratum] <= quotas[stratum]:
            kept.append(position)
    return kept, drawn, [max(0, quota - number) for quota, number in zip(quotas, drawn, strict=True)]


def reference_batch(sequence, quotas, size):
    """The members of a batch where surplus fills what quotas leave: positions in the sequence."""
    kept, _, _ = reference(sequence, quotas)
    surplus = [position for position in range(len(sequence)) if position not in set(kept)]
    return sorted(kept + surplus[: size - len(kept)])


class Scripted:
    """A generator whose images are numbers 0, 1, 2, ... in the order drawn, with a label and a group for each."""

    def __init__(self, labels, groups, sizes=(2, 2)):
        self.all_labels, self.all_groups = torch.as_tensor(labels), torch.as_tensor(groups)
        self.sizes, self.draws, self.labelled, self.grouped, self.count = sizes, [], [], [], 0

    def sample(self, latents):
        numbers = torch.arange(self.count, self.count + len(latents), dtype=torch.float32)
        self.count += len(latents)
        self.draws.append(len(latents))
        return numbers.view(-1, 1, 1, 1)

    def label(self, images):
        self.labelled.append(len(images))
        return self.all_labels[images.flatten().long()]

    def groups(self, images):
        self.grouped.append(len(images))
        return self.all_groups[images.flatten().long()]

    def generated(self):
        return Generated(self.sample, 2, self.label, self.groups, self.sizes)


def filled(star, scripted, size, batches=1, labelled=True, seed=0):
    filling = Filling(star, scripted.generated(), size, CPU, labelled)
    return filling(batches, torch.Generator().manual_seed(seed))


def members(images, batches):
    return images.view(batches, -1).long().sort(1).values.tolist()


@pytest.mark.parametrize("case", GOLDEN.values(), ids=GOLDEN)
def test_the_published_cases(case):
    size, drawn = case["size"], len(case["labels"])
    star = Star(budget=case["budget"], refill="single")
    scripted = Scripted(case["labels"] + case["extra"], case["groups"])
    made = filled(star, scripted, size)
    shortfall, counts, placed = made.counts[0].split([1, 4, 4])
    assert scripted.draws == scripted.labelled == case["draws"]
    assert scripted.grouped == [drawn]
    assert [*shortfall.tolist(), *counts.tolist()] == case["row"]
    assert placed.tolist() == case["per_stratum"]
    assert members(made.images, 1)[0] == case["kept"] + list(range(drawn, drawn + case["row"][0]))
    assert int(made.labels.sum()) == case["ones"]
    assert torch.equal(made.labels, scripted.all_labels[made.images.flatten().long()])


@st.composite
def drawings(draw):
    """Strata drawn for some batches, a few or 28, often with empty ones; quotas that need not fit."""
    count = draw(st.sampled_from([1, 2, 4, 6, 28]))
    batches, drawn = draw(st.integers(1, 5)), draw(st.integers(1, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    shares = random.dirichlet([draw(st.sampled_from([0.1, 1.0, 10.0]))] * count)
    quotas = random.integers(0, 1 + 2 * drawn // count, count)
    return random.choice(count, (batches, drawn), p=shares), quotas


@given(drawings())
@settings(max_examples=150, deadline=None)
def test_selection_is_that_of_plain_loops(drawing):
    numbers, quotas = drawing
    found = select(torch.from_numpy(numbers), torch.from_numpy(quotas))
    order, shortfall = found.order(), found.shortfall(numbers.shape[1])
    for batch, sequence in enumerate(numbers):
        kept, drawn, missing = reference(sequence, quotas)
        surplus = [position for position in range(len(sequence)) if position not in kept]
        assert found.within[batch].nonzero().flatten().tolist() == kept
        assert order[batch].tolist() == kept + surplus
        assert found.drawn[batch].tolist() == drawn
        assert found.deficits[batch].tolist() == missing
        assert shortfall[batch] == numbers.shape[1] - len(kept)


@given(drawings(), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_quotas_of_their_own_for_each_batch(drawing, seed):
    numbers, quotas = drawing
    each = np.random.default_rng(seed).integers(0, 6, (len(numbers), len(quotas)))
    found = select(torch.from_numpy(numbers), torch.from_numpy(each))
    for batch, sequence in enumerate(numbers):
        assert found.within[batch].nonzero().flatten().tolist() == reference(sequence, each[batch])[0]


def test_tally_leaves_out_what_has_no_stratum():
    assert tally(torch.tensor([[0, 2, -1, 2], [-1, -1, 1, 0]]), 3).tolist() == [[1, 0, 2], [1, 1, 0]]


def test_strata_are_numbered_as_the_core_lists_them():
    sizes = (2, 7, 2)
    rows = torch.tensor(strata(sizes))
    generated = Generated(lambda z: z, 1, lambda images: images[:, 0], lambda images: images[:, 1:], sizes)
    assert generated.strata(rows, generated.labels(rows)).tolist() == list(range(28))
    alone = Generated(lambda z: z, 1, lambda images: images[:, 0], None, (2,))
    assert alone.strata(rows, rows[:, 0]).tolist() == rows[:, 0].tolist()


@st.composite
def fills(draw):
    sizes = draw(st.sampled_from([(2, 2), (2, 7, 2), (3,), (2, 1)]))
    count = math.prod(sizes)
    size, budget = draw(st.integers(1, 40)), draw(st.integers(1, 12))
    batches = draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    ideal = tuple(random.dirichlet(np.ones(count)).tolist()) if draw(st.booleans()) else ()
    numbers = random.choice(count, batches * 12 * (size + budget), p=random.dirichlet(np.full(count, 0.7)))
    return sizes, size, budget, batches, ideal, numbers, draw(st.sampled_from([1.0, 2.5, 10.0]))


def scripted_by_strata(numbers, sizes):
    columns = np.stack(np.unravel_index(numbers, sizes), 1)
    scripted = Scripted(columns[:, 0], columns[:, 1:], sizes)
    if len(sizes) == 1:
        scripted.groups = None
    return scripted


@given(fills(), st.sampled_from(["single", "surplus-first", "until-met"]))
@settings(max_examples=200, deadline=None)
def test_batches_are_those_of_plain_loops(fill, refill):
    sizes, size, budget, batches, ideal, numbers, draws = fill
    count = math.prod(sizes)
    star = Star(ideal, budget, refill, draws)
    quotas = star.quotas(size, count)
    scripted = scripted_by_strata(numbers, sizes)
    made = filled(star, scripted, size, batches)
    sequences = [list(range(b * (size + budget), (b + 1) * (size + budget))) for b in range(batches)]
    after = [reference(numbers[s], quotas) for s in sequences]
    shortfalls = [size - len(kept) for kept, _, _ in after]
    expected = [[s[p] for p in kept] for s, (kept, _, _) in zip(sequences, after, strict=True)]
    known = expected
    if refill == "single":
        assert scripted.draws == [batches * (size + budget)] + [sum(shortfalls)] * (sum(shortfalls) > 0)
        fresh = iter(range(batches * (size + budget), scripted.count))
        expected = [kept + [next(fresh) for _ in range(n)] for kept, n in zip(expected, shortfalls, strict=True)]
    else:
        extend(sequences, scripted.draws, numbers, quotas)
        expected = [[s[p] for p in reference_batch(numbers[s], quotas, size)] for s in sequences]
        known = expected
        check_stopping(sequences, numbers, star, quotas, size)
    assert members(made.images, batches) == [sorted(batch) for batch in expected]
    assert torch.equal(made.labels, scripted.all_labels[made.images.flatten().long()])
    rows = np.concatenate([np.bincount(numbers[s], minlength=count)[None] for s in sequences])
    placed = np.concatenate([np.bincount(numbers[batch], minlength=count)[None] for batch in known])
    assert made.counts.tolist() == np.column_stack([shortfalls, rows, placed]).tolist()


def extend(sequences, draws, numbers, quotas):
    """Gives what was drawn later, in equal parts, to the batches that missed a quota then."""
    start = draws[0]
    for drawn in draws[1:]:
        unmet = [s for s in sequences if sum(reference(numbers[s], quotas)[2])]
        assert drawn % len(unmet) == 0
        for sequence in unmet:
            sequence.extend(range(start, start + drawn // len(unmet)))
            start += drawn // len(unmet)


def check_stopping(sequences, numbers, star, quotas, size):
    """Nothing is drawn again for nothing, and a quota is missed only where the cap is reached."""
    first = size + star.budget
    cap = max(first, int(star.draws * size)) if star.refill == "until-met" else first
    for sequence in sequences:
        assert first <= len(sequence) <= cap
        assert len(sequence) == cap or not sum(reference(numbers[sequence], quotas)[2])


def test_until_met_meets_quotas_of_a_rare_stratum():
    random = np.random.default_rng(3)
    numbers = random.choice(4, 40_000, p=[0.6, 0.2, 0.15, 0.05])
    made = filled(Star(budget=16, draws=20), scripted_by_strata(numbers, (2, 2)), 64, 8)
    _, drawn, placed = made.counts.split([1, 4, 4], 1)
    assert placed.tolist() == [[16] * 4] * 8
    assert (drawn.sum(1) < 20 * 64).all()


def test_an_absent_stratum_costs_the_cap_and_no_more():
    scripted = scripted_by_strata(np.arange(20_000) % 3, (2, 2))
    made = filled(Star(budget=64, draws=3), scripted, 256, 4)
    assert scripted.count == 4 * 3 * 256
    assert made.counts[:, -1].tolist() == [0] * 4
    assert made.counts[:, -4:].sum(1).tolist() == [256] * 4
    assert len(scripted.draws) <= 6


def test_no_label_is_asked_of_filler_that_nobody_wants():
    scripted = Scripted([1] * 40, [0] * 40)
    made = filled(Star(budget=4, refill="single"), scripted, 8, 2, labelled=False)
    assert made.labels is None
    assert (scripted.draws, scripted.labelled, scripted.grouped) == ([24, 12], [24], [24])


def test_batches_are_in_random_order():
    """Each sample of a batch is as often at each place: chi-squared of 2,000 batches at every place."""
    batches, size = 2000, 8
    scripted = scripted_by_strata(np.tile(np.repeat(np.arange(4), 3), batches), (2, 2))
    made = filled(Star(budget=4), scripted, size, batches)
    numbers = made.images.view(batches, size).long() % 12 // 3
    counts = np.stack([(numbers == stratum).sum(0).numpy() for stratum in range(4)])
    chi_squared = ((counts - batches / 4) ** 2 / (batches / 4)).sum()
    assert chi_squared < 60  # 21 degrees of freedom: 0.00001 of all seeds


@pytest.mark.parametrize(
    ("label", "groups", "sizes", "word"),
    [(None, len, (2, 2), "label missing"), (len, None, (2, 2), "groups missing"), (len, None, (), "no strata")],
)
def test_without_strata_there_is_no_star(label, groups, sizes, word):
    with pytest.raises(InvalidInput, match=word):
        Filling(Star(), Generated(lambda z: z, 2, label, groups, sizes), 8, CPU, True)


@pytest.mark.parametrize("count", [1, 4, 28, 49, 103])
def test_equal_quotas_are_whole_parts(count):
    assert all(Star().quotas(size, count) == (size // count,) * count for size in range(1, 800))
