"""The arithmetic of selectors, against the published code's numbers and a second writing in NumPy."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from support import selection_reference as reference

from biasloop.contract.selection import Selection, Strata
from biasloop.training import selection, selectors
from biasloop.training.selection import Candidates

torch.set_num_threads(1)

# Run through the released code of Bankes et al. (float32): what it takes and to which state it comes.
GOLDEN = json.loads((Path(__file__).parent / "selection_golden.json").read_text())
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
FLAGS = {"clipped": "clip", "robust_hl": "holdout", "irred": "irreducible", "model_loss": "model_loss"}

OF_SCORES = {
    "train-loss": selectors.TrainLoss(by="top"),
    "gradient-norm": selectors.GradientNorm(),
    "irreducible": selectors.Irreducible(),
    "rho": selectors.Rho(),
    "reducr": selectors.Reducr(eta=0.1, clip=False),
    "payoff": selectors.Payoff(),
    "fixed-weights": selectors.FixedWeights(weights=[0.5, 0, 1.5]),
    "entropy": selectors.Entropy(),
    "conditional-entropy": selectors.ConditionalEntropy(),
    "bald": selectors.Bald(),
    "loss-minus-conditional-entropy": selectors.LossMinusConditionalEntropy(),
}
OF_CHANCE = {
    "uniform": selectors.Uniform(),
    "train-loss": selectors.TrainLoss(),
    "gradient-norm-sampling": selectors.GradientNormSampling(),
    "boltzmann-rho": selectors.BoltzmannRho(),
    **{
        f"fixed-weights, {sampler}": selectors.FixedWeights(weights=[0.5, 0, 1.5], sampler=sampler)
        for sampler in ("power", "softmax", "rank")
    },
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def tensor(values):
    return torch.tensor(np.asarray(values), dtype=torch.float32)


def drawn(seed, n, categories=3, classes=4):
    """Candidates with all that any selector needs; no two are alike."""
    rng = np.random.default_rng(seed)
    logits, targets = tensor(rng.normal(0, 2, (n, classes))), torch.from_numpy(rng.integers(0, classes, n))
    return Candidates(
        losses=torch.nn.functional.cross_entropy(logits, targets, reduction="none"),
        logits=logits,
        targets=targets,
        passes=logits[:, None] + tensor(rng.normal(0, 1, (n, 10, classes))),
        irreducible=tensor(rng.gamma(2, 0.5, (categories, n))),
        holdout=tensor(rng.uniform(0.2, 2, categories)),
    )


def taken(candidates, rows):
    """The same candidates in another order, or some of them."""
    return Candidates(
        losses=candidates.losses[rows],
        logits=candidates.logits[rows],
        targets=candidates.targets[rows],
        passes=candidates.passes[rows],
        irreducible=candidates.irreducible[:, rows],
        holdout=candidates.holdout,
    )


def select(selector, candidates, k, seed=0, state=None):
    state = tensor(selector.start(len(candidates.irreducible))) if state is None else state
    return selector.select(candidates, k, state, generator(seed))


def arrays(candidates):
    """Losses, irreducible losses and those of the holdout, logits and passes in float64, and targets."""
    names = ("losses", "irreducible", "holdout", "logits", "passes")
    return *(getattr(candidates, name).double().numpy() for name in names), candidates.targets.numpy()


# --- numbers of the released code


def reducr_steps(options, k, seed=0):
    selector, state = selectors.Reducr(**options), torch.zeros(3)
    for step in GOLDEN["inputs"]:
        told = Candidates(tensor(step["model_loss"]), irreducible=tensor(step["irreducible_CxB"]),
                          holdout=tensor(step["holdout"]))  # fmt: skip
        selected = select(selector, told, k, seed, state)
        state = selected.state
        yield selected


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", GOLDEN["reducr"])
def test_reducr_takes_what_the_released_code_takes_step_after_step(name, seed):
    golden = GOLDEN["reducr"][name]
    flags = {FLAGS[flag]: value for flag, value in golden["flags"].items()}
    for selected, step in zip(reducr_steps({"eta": golden["eta"], **flags}, golden["k"], seed), golden["steps"],
                              strict=True):  # fmt: skip
        assert selected.rows.tolist() == step["selected_local_indices_in_order"]
        np.testing.assert_allclose(selected.category_weights, step["weights_used"], **CLOSE)
        np.testing.assert_allclose(selected.scores, step["scores"], **CLOSE)
        np.testing.assert_allclose(selected.state, step["state_losses_after"], **CLOSE)


def test_reducr_with_the_holdout_subtracted_once_takes_what_the_paper_says():
    state = np.zeros(3)
    for selected, step in zip(
        reducr_steps({"eta": 0.05, "holdout_term": "once"}, 4), GOLDEN["holdout_once"], strict=True
    ):
        assert selected.rows.tolist() == step["selected"]
        np.testing.assert_allclose(selected.category_weights, step["weights_used"], **CLOSE)
        np.testing.assert_allclose(selected.state.numpy() - state, step["alpha"], **CLOSE)
        state = selected.state.numpy()


def test_without_the_model_loss_clipping_makes_every_score_zero():
    selected = next(reducr_steps({"eta": 0.05, "model_loss": False}, 4))
    assert selected.scores.tolist() == GOLDEN["all_zero"]["scores_step0"]
    np.testing.assert_allclose(selected.state, GOLDEN["all_zero"]["state_losses_after_step0"], **CLOSE)


@pytest.fixture
def batch():
    golden = GOLDEN["single_batch"]
    return Candidates(
        losses=tensor(golden["model_loss"]),
        logits=tensor(golden["logits"]),
        targets=torch.tensor(golden["target"]),
        irreducible=tensor(golden["irreducible_CxB"]),
        holdout=tensor(golden["holdout"]),
    )


@pytest.mark.parametrize(
    ("selector", "rows", "scores"),
    [
        (selectors.TrainLoss(by="top"), "train_loss_topk_selected", "model_loss"),
        (selectors.GradientNorm(), "gradnorm_selected", "gradnorm_upper_bound"),
        (selectors.Payoff(), "payoff_selected", "payoff_min_scores"),
        (selectors.FixedWeights(weights=[0, 0.3, 0.3, 0]), "weighted_0_.3_.3_0_clipped_False", None),
        (selectors.FixedWeights(weights=[0, 0.3, 0.3, 0], clip=True), "weighted_0_.3_.3_0_clipped_True", None),
    ],
)
def test_a_batch_is_selected_as_by_the_released_code(batch, selector, rows, scores):
    selected = select(selector, batch, GOLDEN["single_batch"]["k"])
    assert selected.rows.tolist() == GOLDEN["single_batch"][rows]
    if scores is not None:
        np.testing.assert_allclose(selected.scores, GOLDEN["single_batch"][scores], **CLOSE)


@pytest.mark.parametrize(
    ("selector", "rows"),
    [(selectors.Rho(), "rho_selected"), (selectors.Irreducible(), "irreducible_smallest_selected")],
)
def test_one_irreducible_model_selects_as_in_the_released_code(batch, selector, rows):
    alone = Candidates(batch.losses, irreducible=tensor(GOLDEN["single_batch"]["irreducible"])[None])
    assert select(selector, alone, 5).rows.tolist() == GOLDEN["single_batch"][rows]


def test_importance_sampling_has_the_released_weights(batch):
    selected = select(selectors.GradientNormSampling(), batch, 500)
    weights = np.array(GOLDEN["single_batch"]["importance_sampling_weight_1_over_Bp"])
    np.testing.assert_allclose(selected.weights, weights[selected.rows], **CLOSE)
    shares = selected.scores / selected.scores.sum()
    np.testing.assert_allclose(shares, GOLDEN["single_batch"]["importance_sampling_p"], **CLOSE)


def test_the_highest_and_the_lowest_are_those_of_the_released_code():
    golden = GOLDEN["top_x"]
    order = selection.ranked(tensor(golden["vec"]), generator()).tolist()
    assert (order[:3], order[3:]) == (golden["largest3"], golden["largest3_rest"])
    assert selection.ranked(-tensor(golden["vec"]), generator()).tolist()[:3] == golden["smallest3"]


@pytest.mark.parametrize("n", [4, 8, 32])
def test_ranks_have_the_probabilities_of_the_released_code(n):
    shares = selection.exponential_ranks(n, 100.0, torch.device("cpu")).softmax(0)
    np.testing.assert_allclose(shares, GOLDEN["loshchilov_rank_probabilities_se100"][str(n)], rtol=1e-5)


def test_320_ranks_span_the_released_range():
    shares = selection.exponential_ranks(320, 100.0, torch.device("cpu")).softmax(0)
    first, last, ratio = GOLDEN["loshchilov_320_first_last"]
    np.testing.assert_allclose([shares[0], shares[-1], shares[0] / shares[-1]], [first, last, ratio], rtol=1e-4)


def test_samplers_have_the_probabilities_of_the_released_code():
    golden = GOLDEN["sampling_probs"]
    scores, beta = tensor(golden["vec"]), golden["beta"]
    np.testing.assert_allclose(selection.powers(scores, beta).softmax(0), golden["power_after_min_shift"], **CLOSE)
    np.testing.assert_allclose((beta * scores).softmax(0), golden["softmax"], **CLOSE)
    ranks = selection.power_ranks(4, beta, torch.device("cpu")).softmax(0)
    np.testing.assert_allclose(ranks, golden["rank_by_position_desc"], **CLOSE)


# --- the same as in NumPy


def expected(name, candidates):
    losses, irreducible, holdout, logits, passes, targets = arrays(candidates)
    return {
        "train-loss": lambda: losses,
        "gradient-norm": lambda: reference.gradient_norms(logits, targets),
        "irreducible": lambda: reference.irreducible(irreducible[0]),
        "rho": lambda: reference.rho(losses, irreducible[0]),
        "payoff": lambda: reference.payoff(losses, irreducible, holdout),
        "fixed-weights": lambda: reference.fixed_weights(losses, irreducible, holdout, [0.5, 0, 1.5], clip=False),
        "entropy": lambda: reference.entropy(passes),
        "conditional-entropy": lambda: reference.conditional_entropy(passes),
        "bald": lambda: reference.bald(passes),
        "loss-minus-conditional-entropy": lambda: reference.loss_minus_conditional_entropy(passes, targets),
    }[name]()


sizes = st.integers(1, 24).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))


@pytest.mark.parametrize("name", [name for name in OF_SCORES if name != "reducr"])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), size=sizes)
def test_selectors_of_scores_equal_the_reference(name, seed, size):
    n, k = size
    candidates = drawn(seed, n)
    selected = select(OF_SCORES[name], candidates, k, seed)
    scores = expected(name, candidates)
    np.testing.assert_allclose(selected.scores, scores, rtol=1e-4, atol=1e-5)
    assert selected.rows.tolist() == reference.top(selected.scores.numpy(), k).tolist()
    np.testing.assert_allclose(scores[selected.rows], scores[reference.top(scores, k)], rtol=1e-4, atol=1e-5)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    size=sizes,
    categories=st.integers(1, 5),
    options=st.fixed_dictionaries(
        {
            "eta": st.sampled_from([0, 1e-4, 0.05, 1]),
            "holdout": st.booleans(),
            "clip": st.booleans(),
            "holdout_term": st.sampled_from(["per_selected", "once"]),
            "per_point": st.booleans(),
            "weight_floor": st.sampled_from([0.0, 0.25]),
        }
    ),
    terms=st.sampled_from([(True, True), (True, False), (False, True)]),
)
def test_reducr_equals_the_reference_step_after_step(seed, size, categories, options, terms):
    (n, k), (model_loss, irreducible) = size, terms
    options = {**options, "model_loss": model_loss, "irreducible": irreducible}
    selector, other = selectors.Reducr(**options), reference.Reducr(categories, **options)
    state = tensor(selector.start(categories))
    for step in range(4):
        candidates = drawn((seed, step), n, categories)
        selected = select(selector, candidates, k, seed, state)
        rows, scores, weights, alpha = other.select(*arrays(candidates)[:3], k)
        np.testing.assert_allclose(selected.category_weights, weights, **CLOSE)
        np.testing.assert_allclose(selected.scores, scores, **CLOSE)
        np.testing.assert_allclose(scores[selected.rows], scores[rows], **CLOSE)
        np.testing.assert_allclose(selected.state - state, alpha, **CLOSE)
        state = selected.state


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), n=st.integers(2, 24), beta=st.sampled_from([0.5, 1, 2]))
def test_probabilities_equal_the_reference(seed, n, beta):
    candidates = drawn(seed, n)
    losses, irreducible, holdout, logits, _, targets = arrays(candidates)
    weighted = reference.fixed_weights(losses, irreducible, holdout, [1, 1, 1], clip=False)
    cpu = torch.device("cpu")
    for logs, probabilities in (
        (selection.exponential_ranks(n, 10, cpu), np.sort(reference.rank_sampling(losses, 10))[::-1]),
        (selection.power_ranks(n, beta, cpu), np.sort(reference.power_rank_sampling(weighted, beta))[::-1]),
        (selection.powers(tensor(weighted), beta), reference.power_sampling(weighted, beta)),
    ):
        np.testing.assert_allclose(logs.softmax(0), probabilities, rtol=1e-3, atol=1e-6)
    sampled = select(selectors.GradientNormSampling(), candidates, n, seed)
    np.testing.assert_allclose(
        sampled.weights, reference.gradient_norm_sampling(logits, targets)[1][sampled.rows], **CLOSE
    )


# --- what is drawn

DRAWN = 1500
AGAIN = {"gradient-norm-sampling", "boltzmann-rho"}


def likely(candidates):
    """Probabilities of the first row drawn by each selector that draws."""
    losses, irreducible, holdout, logits, _, targets = arrays(candidates)
    scores = reference.fixed_weights(losses, irreducible, holdout, [0.5, 0, 1.5], clip=False)
    return {
        "uniform": np.full(len(losses), 1 / len(losses)),
        "train-loss": reference.rank_sampling(losses),
        "gradient-norm-sampling": reference.gradient_norm_sampling(logits, targets)[0],
        "boltzmann-rho": reference.boltzmann_rho(losses, irreducible[0], 0.25),
        "fixed-weights, power": reference.power_sampling(scores, 1.0),
        "fixed-weights, softmax": reference.softmax_sampling(scores, 1.0),
        "fixed-weights, rank": reference.power_rank_sampling(scores, 1.0),
    }


def rows_of(selector, candidates, k, times):
    """`(times, k)` rows of one generator that goes on."""
    state, chance = tensor(selector.start(3)), generator(5)
    return np.array([selector.select(candidates, k, state, chance).rows.tolist() for _ in range(times)])


@pytest.mark.parametrize("name", OF_CHANCE)
def test_rows_are_drawn_as_often_as_is_published(name):
    candidates, again = drawn(11, 6), name in AGAIN
    probabilities, k = likely(candidates)[name], 100 if again else 3
    rows = rows_of(OF_CHANCE[name], candidates, k, DRAWN // k if again else DRAWN)
    first = np.bincount((rows if again else rows[:, 0]).ravel(), minlength=6)
    wanted = probabilities * first.sum()
    assert first[wanted == 0].sum() == 0
    assert chisquare(first[wanted > 0], wanted[wanted > 0]).pvalue > 1e-3
    if not again:
        assert all(len(set(row)) == k for row in rows.tolist())
        among = reference.without_replacement(probabilities, k)
        seen = np.bincount(rows.ravel(), minlength=6) / DRAWN
        assert (np.abs(seen - among) <= 4 * np.sqrt(among * (1 - among) / DRAWN) + 1e-6).all()


def test_importance_weights_make_the_mean_loss_unbiased():
    candidates = drawn(4, 12)
    selected = select(selectors.GradientNormSampling(), candidates, 40_000)
    weighted = selected.weights * candidates.losses[selected.rows]
    error = weighted.std() / len(weighted) ** 0.5
    assert abs(weighted.mean() - candidates.losses.mean()) < 4 * error
    probabilities, weights = reference.gradient_norm_sampling(*arrays(candidates)[3:6:2])
    assert (probabilities * weights * candidates.losses.numpy()).sum() == pytest.approx(float(candidates.losses.mean()))


def test_where_nobody_has_a_gradient_anybody_is_drawn_with_weight_one():
    sure = Candidates(torch.zeros(4), logits=torch.eye(4) * 1e4, targets=torch.arange(4))
    selected = selectors.GradientNormSampling().select(sure, 400, torch.empty(0), generator())
    assert set(selected.rows.tolist()) == {0, 1, 2, 3}
    assert (selected.weights == 1).all()


def test_a_row_without_weight_is_drawn_after_all_others():
    logs = tensor([0.0, -np.inf, 0.0, -np.inf])
    for seed in range(20):
        assert set(selection.draw(logs, 2, generator(seed)).tolist()) == {0, 2}
        assert set(selection.draw(logs, 4, generator(seed)).tolist()) == {0, 1, 2, 3}
        assert set(selection.draw_again(logs, 8, generator(seed)).tolist()) <= {0, 2}


# --- what is true of all


@pytest.mark.parametrize("name", OF_SCORES)
def test_permuted_candidates_are_selected_likewise(name):
    candidates = drawn(3, 20)
    order = torch.randperm(20, generator=generator(1))
    rows = select(OF_SCORES[name], candidates, 7).rows
    permuted = select(OF_SCORES[name], taken(candidates, order), 7, seed=9).rows
    assert order[permuted].tolist() == rows.tolist()


@pytest.mark.parametrize("selector", [*OF_SCORES.values(), *OF_CHANCE.values()], ids=[*OF_SCORES, *OF_CHANCE])
def test_a_selection_is_a_function_of_what_it_is_given(selector):
    candidates, state = drawn(8, 16), tensor(selector.start(3))
    before = [values.clone() for values in (candidates.losses, candidates.irreducible, candidates.passes, state)]
    once, again = (selector.select(candidates, 5, state, generator(2)) for _ in range(2))
    assert once.rows.tolist() == again.rows.tolist()
    assert once.rows.dtype == torch.int64
    assert torch.equal(once.state, again.state)
    after = (candidates.losses, candidates.irreducible, candidates.passes, state)
    assert all(torch.equal(first, second) for first, second in zip(before, after, strict=True))


@pytest.mark.parametrize("selector", [*OF_SCORES.values(), *OF_CHANCE.values()], ids=[*OF_SCORES, *OF_CHANCE])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (9, 1), (9, 9)])
def test_one_or_all_can_be_selected(selector, n, k):
    rows = select(selector, drawn(2, n), k).rows.tolist()
    assert len(rows) == k
    assert set(rows) <= set(range(n))
    if "needs" in vars(type(selector)) and isinstance(
        selector, selectors.BoltzmannRho | selectors.GradientNormSampling
    ):
        return
    assert len(set(rows)) == k


def test_all_of_a_batch_selected_uniformly_stay_in_their_order():
    assert select(selectors.Uniform(), drawn(0, 50), 50).rows.tolist() == list(range(50))


@pytest.mark.parametrize("name", ["reducr", "payoff"])
def test_with_one_category_it_is_rho(name):
    candidates = drawn(6, 20, categories=1)
    assert select(OF_SCORES[name], candidates, 6).rows.tolist() == select(selectors.Rho(), candidates, 6).rows.tolist()


def test_chance_orders_scores_that_are_equal_and_no_others():
    scores = tensor([2.0, 1.0, 1.0, 1.0, 3.0, 0.0])
    chance = generator(3)
    orders = np.array([selection.ranked(scores, chance).tolist() for _ in range(1200)])
    assert (orders[:, [0, 1, 5]] == [4, 0, 5]).all()
    for position in (2, 3, 4):
        assert chisquare(np.bincount(orders[:, position], minlength=6)[1:4]).pvalue > 1e-3


@pytest.mark.parametrize("selector", [*OF_SCORES.values(), *OF_CHANCE.values()], ids=[*OF_SCORES, *OF_CHANCE])
def test_a_candidate_without_a_number_comes_last(selector):
    if isinstance(selector, selectors.Uniform):
        return
    for row in range(4):
        candidates = drawn(1, 4)
        for values in (candidates.losses, candidates.logits, candidates.passes, candidates.irreducible.T):
            values[row] = torch.nan
        for seed in range(10):
            assert row not in select(selector, candidates, 3, seed).rows.tolist()


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
@pytest.mark.parametrize(
    ("name", "selector"),
    [
        ("losses", selectors.TrainLoss()),
        ("losses", selectors.Rho()),
        ("losses", selectors.Reducr()),
        ("logits", selectors.GradientNormSampling()),
        ("passes", selectors.Bald()),
        ("irreducible", selectors.BoltzmannRho()),
        ("holdout", selectors.Reducr()),
        ("holdout", selectors.Payoff()),
    ],
)
def test_a_number_that_is_not_finite_leaves_a_score_or_a_state_that_is_not(name, selector, number):
    candidates = drawn(1, 4)
    selected = select(selector, candidates, 2)
    assert torch.cat([selected.scores, selected.state]).isfinite().all()
    getattr(candidates, name).view(-1)[1] = number
    selected = select(selector, candidates, 2)
    assert not torch.cat([selected.scores, selected.state]).isfinite().all()


def test_a_floor_keeps_every_category_in_the_scores():
    state = tensor([0.0, 5000.0, 9000.0])
    selected = select(selectors.Reducr(eta=1.0, weight_floor=0.3), drawn(1, 8), 2, state=state)
    np.testing.assert_allclose(selected.category_weights, [0.8, 0.1, 0.1], rtol=1e-5)


def test_a_category_without_weight_needs_no_numbers():
    candidates = drawn(5, 12)
    without = taken(candidates, torch.arange(12))
    without.irreducible[1] = torch.nan
    selector = selectors.FixedWeights(weights=[1, 0, 2])
    assert select(selector, candidates, 4).rows.tolist() == select(selector, without, 4).rows.tolist()


WAITS = {
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "multinomial",
    "equal",
    "is_nonzero",
    "_unique2",
    "unique_dim",
}


@pytest.mark.parametrize("selector", [*OF_SCORES.values(), *OF_CHANCE.values()], ids=[*OF_SCORES, *OF_CHANCE])
def test_the_host_waits_for_no_number(selector):
    candidates, state = drawn(7, 16), tensor(selector.start(3))
    with torch.autograd.profiler.profile() as profile:
        selector.select(candidates, 4, state, generator())
    names = {event.name.removeprefix("aten::") for event in profile.function_events}
    assert names & {"randperm", "exponential_"}
    assert not names & WAITS


@pytest.mark.parametrize(("batch_and_share", "k"), GOLDEN["selected_batch_size"].items())
def test_a_share_of_a_batch_is_as_many_as_in_the_released_code(batch_and_share, k):
    n, share = batch_and_share.split("_")
    told = Selection(selectors.Uniform(), float(share), 1, Strata(np.zeros(0, np.int64), 1))
    assert told.size(int(n)) == k
