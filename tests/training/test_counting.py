"""What is counted of an epoch: as step by step in NumPy, and wherever a fit was stopped."""

import numpy as np
import pytest
import torch

from biasloop.training.counting import AGO, TOGETHER, Counts, Step, rank_correlation

torch.set_num_threads(1)

SAMPLES, STRATA, CATEGORIES, EPOCH = 40, 6, 3, 7
PRESENT = {0, 1, 2, 4, 5}
RNG = np.random.default_rng(0)
NUMBERS = RNG.choice(sorted(PRESENT), SAMPLES)


def counts():
    return Counts(EPOCH, torch.from_numpy(NUMBERS), STRATA, CATEGORIES)


def steps(sizes, *, scored=True, seed=1):
    rng = np.random.default_rng(seed)
    made = []
    for n in sizes:
        offered = torch.from_numpy(rng.choice(SAMPLES, n, replace=False))
        taken = offered[torch.from_numpy(rng.integers(0, n, max(1, n // 4)))]  # one may come twice
        last = torch.from_numpy(rng.choice([-(10**6), *range(EPOCH + 1)], len(taken)))
        scores = torch.from_numpy(rng.normal(0, 1, n).astype(np.float32)) if scored else None
        weights = torch.from_numpy(rng.dirichlet(np.ones(CATEGORIES)).astype(np.float32)) if scored else None
        made.append(Step(offered, taken, last, scores, weights))
    return made


def expected(given):
    row = {f"offered.{s}": 0.0 for s in PRESENT} | {f"taken.{s}": 0.0 for s in PRESENT}
    ages, tops, weights = [], [], []
    for step in given:
        for row_number in step.offered.tolist():
            row[f"offered.{NUMBERS[row_number]}"] += 1
        for row_number in step.taken.tolist():
            row[f"taken.{NUMBERS[row_number]}"] += 1
        ages += [EPOCH - last for last in step.last.tolist()]
        if step.scores is not None:
            positive = np.maximum(np.sort(step.scores.double().numpy())[::-1], 0)
            tops += [positive[: len(positive) // 5].sum() / positive.sum()] if positive.sum() else []
            weights.append(step.weights.double().numpy())
    row |= {f"repeats_{ago}": np.mean([age <= ago for age in ages]) for ago in AGO}
    if tops:
        row |= {"top_fifth": np.mean(tops)}
        row |= {f"weight.{c}": weight for c, weight in enumerate(np.mean(weights, axis=0))}
    return row


@pytest.mark.parametrize("scored", [True, False])
@pytest.mark.parametrize("sizes", [[20], [20] * 5 + [7], [20] * (2 * TOGETHER + 3), [7, 20, 7, 3]])
def test_an_epoch_is_counted_as_step_by_step(sizes, scored):
    counted, given = counts(), steps(sizes, scored=scored)
    for step in given:
        counted.add(step)
    assert counted.finite()
    row, wanted = counted.row(PRESENT), expected(given)
    assert row.keys() == wanted.keys()
    assert row == pytest.approx(wanted, abs=1e-6)
    times = np.bincount(np.concatenate([step.taken for step in given]), minlength=SAMPLES)
    assert counted.times().tolist() == times.tolist()


@pytest.mark.parametrize("stop", [1, TOGETHER - 1, TOGETHER, TOGETHER + 1, 2 * TOGETHER + 2])
@pytest.mark.parametrize("scored", [True, False])
def test_no_number_depends_on_where_a_fit_was_stopped(stop, scored):
    given = steps([20] * (2 * TOGETHER + 3) + [7], scored=scored)
    through, before, after = counts(), counts(), counts()
    for step in given:
        through.add(step)
    for step in given[:stop]:
        before.add(step)
    after.restore({name: tensor.clone() for name, tensor in before.tensors().items()})
    for step in given[stop:]:
        after.add(step)
    assert after.row(PRESENT) == through.row(PRESENT)
    assert torch.equal(after.times(), through.times())


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
@pytest.mark.parametrize("position", [0, TOGETHER, TOGETHER + 1])
def test_a_score_that_is_not_finite_is_told_whenever_it_came(number, position):
    counted, given = counts(), steps([20] * (TOGETHER + 2))
    given[position].scores[3] = number
    for step in given:
        counted.add(step)
    assert not counted.finite()


def test_nothing_counted_is_an_epoch_of_zeros():
    row = counts().row(PRESENT)
    assert set(row.values()) == {0.0}
    assert "top_fifth" not in row


def test_rank_correlation_is_that_of_mean_ranks():
    first, second = torch.tensor([0.5, 0.0, 0.0, 2.0, 7.0]), torch.tensor([1.0, 3.0, 2.0, 2.0, 9.0])
    ranks = [np.array(values) for values in ([2, 0.5, 0.5, 3, 4], [0, 3, 1.5, 1.5, 4])]
    assert float(rank_correlation(first, second)) == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-12)
    assert float(rank_correlation(first, -first.exp())) == pytest.approx(-1)
    assert rank_correlation(first, torch.ones(5)).isnan()
