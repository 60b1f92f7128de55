"""The conditional random field against all situations of small vocabularies, and against loops on any vocabulary."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.role_fields import all_scores, all_situations, by_verb_and_picture, potentials, vocabulary

from biasloop.contract.randomness import Streams
from biasloop_roles import crf
from biasloop_roles.crf import Layout
from biasloop_roles.situations import MOST_ROLES

torch.set_num_threads(1)
CPU = torch.device("cpu")
SIZES = [[3, 1], [2], [2, 2, 1, 2, 1, 3], [4, 2, 3]]
FEW_NOUNS = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=MOST_ROLES), min_size=1, max_size=5)
ANY_NOUNS = st.lists(
    st.lists(st.one_of(st.integers(1, 3), st.integers(1, 70)), min_size=1, max_size=MOST_ROLES), min_size=1, max_size=5
)


def fields(sizes, rows=3, **options):
    words = vocabulary(sizes)
    return words, Layout.of(words, CPU), *potentials(words, rows, **options)


@given(FEW_NOUNS, st.integers(0, 2**32 - 1))
@settings(max_examples=12, deadline=None)
def test_log_z_marginals_and_maxima_are_those_of_all_situations(sizes, seed):
    words, layout, a, b = fields(sizes, seed=seed)
    scores, (verbs, slots) = all_scores(words, a, b), all_situations(words)
    torch.testing.assert_close(crf.log_partition(a, b, layout), scores.logsumexp(1))
    for verb in range(len(words.verbs)):
        mine = scores[:, verbs == verb]
        torch.testing.assert_close(crf.verb_marginals(a, b, layout)[:, verb], mine.logsumexp(1))
        torch.testing.assert_close(crf.verb_scores(a, b, "max_max", layout)[:, verb], mine.amax(1))
    rows = slots.expand(3, *slots.shape)
    for number in range(0, len(verbs), 7):
        at = rows[:, number : number + 1]
        logs = crf.log_probabilities(a, b, verbs[number].expand(3), at, layout)
        torch.testing.assert_close(logs[:, 0], scores.log_softmax(1)[:, number])
    best = crf.best(a, b, "max_max", layout)
    expected = scores.argmax(1)
    assert torch.equal(best.verb, verbs[expected])
    assert torch.equal(best.slots, slots[expected])
    torch.testing.assert_close(best.log_probability, scores.log_softmax(1).amax(1))


@given(ANY_NOUNS, st.integers(0, 2**32 - 1), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_any_vocabulary_gives_what_a_loop_over_pictures_and_verbs_gives(sizes, seed, rows):
    words, layout, a, b = fields(sizes, rows, seed=seed)
    log_z, highest, best = by_verb_and_picture(words, a, b)
    torch.testing.assert_close(crf.log_partition(a, b, layout), log_z.double(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(crf.verb_scores(a, b, "max_max", layout), highest.double(), rtol=1e-6, atol=1e-6)
    for verb in range(len(words.verbs)):
        assert torch.equal(crf.best_slots(b, torch.full((rows,), verb), layout), best[:, verb])


def test_without_pictures_there_is_nothing_and_no_error():
    _, layout, a, b = fields(SIZES, 0)
    assert crf.log_partition(a, b, layout).shape == (0,)
    for labels in (crf.best(a, b, "max_max", layout), crf.drawn(a, b, np.zeros((0, 7)), layout)):
        assert labels.verb.shape == (0,)
        assert labels.slots.shape == (0, MOST_ROLES)
        assert labels.log_probability.shape == (0,)


def test_the_verb_with_the_highest_marginal_may_be_another_than_that_of_the_best_situation():
    words = vocabulary([[1], [5]])
    a, b = torch.tensor([[1.0, 0.0]]), torch.zeros(1, 6)
    layout = Layout.of(words, CPU)
    assert crf.best(a, b, "max_max", layout).verb.tolist() == [0]
    assert crf.best(a, b, "max_marginal", layout).verb.tolist() == [1]


def test_of_equal_verbs_and_nouns_the_first_is_taken():
    _, layout, a, b = fields(SIZES, 2)
    best = crf.best(0 * a, 0 * b, "max_max", layout)
    assert best.verb.tolist() == [0, 0]
    assert best.slots.tolist() == [[0, 3, -1, -1, -1, -1]] * 2


def test_gradients_are_exact():
    words, layout, a, b = fields(SIZES, 2)
    verbs, slots = all_situations(words)
    verb, three = verbs[[0, -1]], torch.stack([slots[[0, 1, 2]], slots[[-1, -5, -1]]])
    a.requires_grad_()
    b.requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda a, b: crf.log_partition(a, b, layout), (a, b))
    assert check(lambda b: crf.role_marginals(b, layout), (b,))
    for references in (three[:, :1], three):
        assert check(lambda a, b, r=references: crf.log_probabilities(a, b, verb, r, layout), (a, b))
    assert check(lambda a, b: crf.likelihood_loss(crf.log_probabilities(a, b, verb, three, layout)), (a, b))
    assert check(lambda a, b: crf.sum_loss(crf.log_probabilities(a, b, verb, three, layout)), (a, b))


def test_the_gradient_of_log_z_is_how_probable_each_verb_and_noun_is():
    words, layout, a, b = fields(SIZES)
    probable = all_scores(words, a, b).softmax(1)
    verbs, slots = all_situations(words)
    a.requires_grad_()
    b.requires_grad_()
    of_verbs, of_slots = torch.autograd.grad(crf.log_partition(a, b, layout).sum(), (a, b))
    for verb in range(len(words.verbs)):
        torch.testing.assert_close(of_verbs[:, verb], probable[:, verbs == verb].sum(1))
    for slot in range(len(words.slot_pair)):
        torch.testing.assert_close(of_slots[:, slot], probable[:, (slots == slot).any(1)].sum(1))


def test_the_loss_of_one_reference_is_minus_its_mean_log_probability():
    words, layout, a, b = fields(SIZES)
    verbs, slots = all_situations(words)
    at = [0, 5, len(verbs) - 1]
    logs = crf.log_probabilities(a, b, verbs[at], slots[at][:, None], layout)
    expected = all_scores(words, a, b).log_softmax(1)[[0, 1, 2], at]
    torch.testing.assert_close(logs[:, 0], expected)
    assert float(crf.likelihood_loss(logs)) == pytest.approx(-float(expected.mean()))
    assert float(crf.sum_loss(logs)) == pytest.approx(-float(expected.mean()))


def test_several_references_are_combined_as_the_probability_of_any():
    logs = torch.tensor([[-0.5, -2.0, -0.1], [-1.0, -1.0, -1.0], [-30.0, -1.0, -50.0]], dtype=torch.float64)
    expected = (1 - (1 - logs.exp()).prod(1)).log()
    torch.testing.assert_close(crf.any_of(logs), expected)
    assert float(crf.likelihood_loss(logs)) == pytest.approx(-float(expected.mean()))
    assert float(crf.sum_loss(logs)) == pytest.approx(-float(logs.mean()))
    assert torch.autograd.gradcheck(crf.any_of, (logs[:, :2].clone().requires_grad_(),))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_references_that_are_impossible_or_certain_have_finite_losses_and_gradients(dtype):
    ends = torch.tensor([0.0, -1e-7, -1.0, -120.0, -2000.0], dtype=dtype)
    logs = torch.cartesian_prod(ends, ends, ends).requires_grad_()
    combined = crf.any_of(logs)
    combined.sum().backward()
    assert torch.isfinite(combined).all()
    assert torch.isfinite(logs.grad).all()
    assert (combined >= logs.amax(1) - 1e-6).all()
    assert ((logs.grad >= 0) & (logs.grad <= 1)).all()
    very_improbable = crf.any_of(torch.full((1, 3), -120.0, dtype=dtype))
    assert float(very_improbable) == pytest.approx(math.log(3) - 120)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_of_potentials_with_few_bits_sums_are_float32(dtype):
    _, layout, a, b = fields([[500, 300], [400]], dtype=dtype, scale=4.0)
    exact = crf.log_partition(a.double(), b.double(), layout)
    log_z = crf.log_partition(a, b, layout)
    assert log_z.dtype == torch.float32
    torch.testing.assert_close(log_z.double(), exact, rtol=1e-6, atol=1e-5)
    b.requires_grad_()
    slots = torch.tensor([[[0, 500, -1, -1, -1, -1]]] * 3)
    logs = crf.log_probabilities(a, b, torch.zeros(3, dtype=torch.int64), slots, layout)
    logs.sum().backward()
    assert b.grad.dtype == dtype
    real = b.detach().double().requires_grad_()
    crf.log_probabilities(a.double(), real, torch.zeros(3, dtype=torch.int64), slots, layout).sum().backward()
    torch.testing.assert_close(b.grad.double(), real.grad, rtol=1e-2, atol=1e-4)


def test_large_potentials_neither_overflow_nor_vanish():
    _, layout, a, b = fields(SIZES, dtype=torch.float32, scale=1.0)
    for shift in (-3000.0, 3000.0):
        moved = crf.verb_marginals(a, b + shift, layout)
        roles = torch.tensor([len(roles) for roles in SIZES])
        torch.testing.assert_close(moved - shift * roles, crf.verb_marginals(a, b, layout), rtol=0, atol=5e-3)


def test_samples_are_as_frequent_as_they_are_probable():
    words, layout, a, b = fields([[3, 1], [2], [2, 2, 1]], 1, scale=1.0)
    probable = all_scores(words, a, b).softmax(1)[0].numpy()
    verbs, slots = all_situations(words)
    n = 20_000
    uniform = Streams((5, "label")).uniform(np.arange(n), 1 + MOST_ROLES)
    labels = crf.drawn(a.expand(n, -1), b.expand(n, -1), uniform, layout)
    drawn = torch.cat([labels.verb[:, None], labels.slots], 1)
    for number, row in enumerate(torch.cat([verbs[:, None], slots], 1)):
        same = (drawn == row).all(1)
        error = math.sqrt(probable[number] * (1 - probable[number]) / n)
        assert abs(float(same.double().mean()) - probable[number]) < 4.5 * error
        if same.any():
            told = labels.log_probability[same].exp()
            np.testing.assert_allclose(told, probable[number], rtol=1e-9)


def test_a_sample_depends_on_its_own_row_alone():
    _, layout, a, b = fields(SIZES, 30)
    uniform = Streams((5, "label")).uniform(np.arange(100, 130), 1 + MOST_ROLES)
    labels = crf.drawn(a, b, uniform, layout)
    order = np.random.default_rng(0).permutation(30)[:11]
    again = crf.drawn(a[order], b[order], uniform[order], layout)
    assert torch.equal(again.verb, labels.verb[order])
    assert torch.equal(again.slots, labels.slots[order])


def test_uniform_numbers_at_the_ends_draw_real_situations_and_nothing_of_no_probability():
    _, layout, a, b = fields([[3, 1], [2]], 2)
    b[:, 0] = -1e4  # the first noun of the first role has probability 0
    a[:, 1] = -1e4
    for end in (0.0, np.nextafter(1, 0)):
        labels = crf.drawn(a, b, np.full((2, 7), end), layout)
        assert labels.verb.tolist() == [0, 0]
        assert labels.slots.tolist() == [[1 if end == 0 else 2, 3, -1, -1, -1, -1]] * 2
