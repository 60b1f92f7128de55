import itertools
import math

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from support.fits import Recording, tuned

from biasloop.contract.randomness import Streams
from biasloop.datasets.tokens import left_padded, ragged
from biasloop.errors import Diverged, Interrupted, InvalidInput
from biasloop_language import networks, perplexity
from biasloop_language.compat import ReleasedUpdates, cleaned, evaluation_batch
from biasloop_language.finetuning import fit, losses, pretrain
from biasloop_language.recipes import PUBLISHED, evaluation_rows, generation_rows
from biasloop_language.tokens import TokenRows, padded
from biasloop_language.updates import Updates

VOCABULARY, EOS, CONTEXT = 50, 0, 32
STREAMS = Streams((1, "fit"))
TOKENS = st.lists(st.lists(st.integers(1, VOCABULARY - 1), max_size=6), min_size=1, max_size=8)


class Logged(Recording):
    """Keeps what is told."""

    def __init__(self, state=None, stop_after=None):
        super().__init__(STREAMS, state=state, stop=stop_after)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def network(dropout=0.0, seed=0):
    torch.manual_seed(seed)
    made = networks.small(VOCABULARY, layers=2, width=16, heads=2, context=CONTEXT)
    for module in made.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    return made


def some_rows(count=23, seed=0, longest=7):
    rng = np.random.default_rng(seed)

    def texts(shortest):
        return ragged([rng.integers(1, VOCABULARY, size) for size in rng.integers(shortest, longest + 1, count)])

    return TokenRows(texts(1), texts(0))


def equal(one, other):
    return all(np.array_equal(array, networks.save(other)[name]) for name, array in networks.save(one).items())


def close(one, other):
    """Equal up to rounding, less the keys' biases: no loss depends on them, so Adam moves them by rounding alone."""
    pairs = zip(one.named_parameters(), other.parameters(), strict=True)
    far = {name: float((a - b).detach().abs().max()) for (name, a), b in pairs if not name.endswith("c_attn.bias")}
    return max(far.values()) < 2e-4


def library_loss(model, rows, chosen):
    """The loss that transformers itself computes, with labels of -100; a mean over the batch's tokens."""
    both = [[column.values[a:b].tolist() for a, b in itertools.pairwise(column.offsets)]
            for column in (rows.prompts, rows.continuations)]  # fmt: skip
    texts = [(both[0][row], both[1][row]) for row in chosen]
    width = max(len(prompt) + len(new) for prompt, new in texts)
    ids = [[*prompt, *new] + [EOS] * (width - len(prompt) - len(new)) for prompt, new in texts]
    labels = [[-100] * len(prompt) + new + [-100] * (width - len(prompt) - len(new)) for prompt, new in texts]
    mask = [[1] * (len(prompt) + len(new)) + [0] * (width - len(prompt) - len(new)) for prompt, new in texts]
    return model(torch.tensor(ids), attention_mask=torch.tensor(mask), labels=torch.tensor(labels)).loss


def test_an_epoch_is_adamw_on_the_librarys_loss():
    rows, recipe = some_rows(), tuned(epochs=2, batch_size=4, learning_rate=1e-2, weight_decay=0.1)
    work, ours, theirs = Logged(), network(), network()
    fit(ours, rows, recipe, work)
    optimizer = torch.optim.AdamW(theirs.parameters(), betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1)
    for epoch in range(2):
        order = STREAMS.at("epoch", epoch, "order").generator().permutation(23)
        for step in range(6):
            optimizer.param_groups[0]["lr"] = 1e-2 * (1 - (6 * epoch + step) / 12)
            optimizer.zero_grad()
            library_loss(theirs.train(), rows, order[4 * step : 4 * step + 4]).backward()
            optimizer.step()
    assert close(ours, theirs)
    assert not ours.training
    assert [(done, total) for done, total, _ in work.ticks] == [(done, 12) for done in range(1, 13)]
    assert all(state for _, _, state in work.ticks)
    assert work.epochs == [1, 2]
    assert {table for table, _ in work.rows} == {"curve"}
    curve = [row for _, row in work.rows]
    assert [row["epoch"] for row in curve] == [1] * 6 + [2] * 6
    assert [row["update"] for row in curve] == [*range(1, 13)]
    assert [row["lr"] for row in curve] == pytest.approx([1e-2 * (1 - update / 12) for update in range(12)])
    assert sum(row["loss"] for row in curve[6:]) < sum(row["loss"] for row in curve[:6])


@pytest.mark.parametrize("released", [False, True])
def test_every_update_logs_the_loss_that_it_was_taken_at_and_its_rate(released):
    """10 micro-batches by 4: updates of 4, 4 and 2, or as published of 1, 4, 4 and 1."""
    rows, still = some_rows(30).take(np.flatnonzero(some_rows(30).predicted(CONTEXT) > 0)[:20]), network()
    recipe, work = tuned(1, 2, 4, 1e-30), Logged()  # so small that no weight moves
    fit(still, rows, recipe, work, released=released)
    order, begin = STREAMS.at("epoch", 0, "order").generator().permutation(20), 0
    groups = [1, 4, 4, 1] if released else [4, 4, 2]
    assert len(work.rows) == len(groups)
    sums, tokens = losses(still, rows, 20)
    for update, (size, (table, row)) in enumerate(zip(groups, work.rows, strict=True)):
        some = order[begin : begin + 2 * size]
        expected = sums[some].sum() / tokens[some].sum()
        assert (table, row["epoch"], row["update"]) == ("curve", 1, update + 1)
        assert row["loss"] == pytest.approx(expected, rel=1e-5)
        assert row["lr"] == pytest.approx(max(0.0, 1e-30 * (1 - update / 3)))
        begin += 2 * size


@pytest.mark.parametrize("accumulation", [2, 4, 8])
def test_accumulation_changes_memory_alone(accumulation):
    rows, models = some_rows(27), []
    for size in (8, 8 // accumulation):
        recipe = tuned(epochs=2, batch_size=size, accumulation=8 // size, learning_rate=1e-2)
        models.append(fit(network(), rows, recipe, Logged()))
    assert close(*models)
    assert not close(models[0], network())


def test_groups():
    def groups(kind, batches, accumulation):
        return kind(tuned(accumulation=accumulation)).groups(batches)

    assert groups(ReleasedUpdates, 10, 4) == [1, 4, 4, 1]
    assert groups(ReleasedUpdates, 9, 4) == [1, 4, 4]
    assert groups(ReleasedUpdates, 8, 2) == [1, 2, 2, 2, 1]
    assert groups(ReleasedUpdates, 1, 4) == [1]
    assert groups(ReleasedUpdates, 5, 1) == [1] * 5
    assert groups(Updates, 10, 4) == [4, 4, 2]
    assert groups(Updates, 8, 2) == [2, 2, 2, 2]


@given(st.integers(1, 200), st.integers(1, 9))
def test_published_updates_of_an_epoch(batches, size):
    """The number that the published condition gives: micro-batch number divisible by the size, or the last."""
    ends = [step for step in range(batches) if step % size == 0 or step == batches - 1]
    expected = [end - before for before, end in itertools.pairwise([-1, *ends])]
    assert ReleasedUpdates(tuned(accumulation=size)).groups(batches) == expected


def test_published_medium_has_an_update_too_many():
    recipe = PUBLISHED["gpt2-medium"]
    assert recipe.steps(20_000) == 2500
    assert recipe.planned(2500) == 1250
    assert len(ReleasedUpdates(recipe).groups(2500)) == 1251
    assert recipe.rate(1250, 1250) > 0
    assert recipe.rate(1251, 1250) == 0
    assert recipe.rate(1, 1250) == 1e-5


def test_published_recipes():
    table = {
        name: (recipe.batch_size, recipe.accumulation, recipe.learning_rate, evaluation_rows(recipe))
        for name, recipe in PUBLISHED.items()
    }
    assert table == {
        "gpt2": (16, 1, 5e-5, 80),
        "gpt2-medium": (8, 2, 1e-5, 40),
        "gpt2-large": (4, 4, 1e-5, 20),
    }
    assert [generation_rows(recipe) for recipe in PUBLISHED.values()] == [400, 200, 100]
    rows = {"gpt2": 80, "gpt2-medium": 40, "gpt2-large": 20, "small": 80, "./mine": 80}
    assert {name: evaluation_batch(name) for name in rows} == rows


def test_generated_texts_are_cleaned_by_the_librarys_rules():
    written = " It 's , he said . Do n't ! I 'm , we 've , they 're here ? The ' quoted ' ; ( x ) : a  .b . \" ok \""
    assert cleaned(written) == " It's, he said. Don't! I'm, we've, they're here? The'quoted'; ( x ) : a .b . \" ok \""
    rng = np.random.default_rng(0)
    pieces = [" ", "  ", ".", "?", "!", ",", "'", "n't", "'m", "'s", "'ve", "'re", "a", "do", "\n", "’", "”"]
    rule = transformers.PreTrainedTokenizerBase.clean_up_tokenization
    for _ in range(500):
        text = "".join(rng.choice(pieces, 12))
        assert cleaned(text) == rule(None, text)


def former_adamw(parameter, gradients, rate):
    """AdamW as it was in transformers: epsilon beside the root of the uncorrected second moment."""
    first = second = np.zeros_like(parameter)
    for step, gradient in enumerate(gradients, 1):
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        size = rate * math.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        parameter = parameter - size * first / (np.sqrt(second) + 1e-6)
    return parameter


def test_released_epsilon_is_that_of_the_former_adamw():
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=20), rng.normal(0, 3e-5, (12, 20))  # small enough for epsilon to matter
    found = {}
    for kind in (Updates, ReleasedUpdates):
        parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
        optimizer = torch.optim.AdamW([parameter], lr=1e-2, weight_decay=0)
        for update, gradient in enumerate(gradients, 1):
            parameter.grad = torch.from_numpy(gradient)
            optimizer.param_groups[0]["eps"] = kind(tuned()).settings(update, 12)["eps"]
            optimizer.step()
        found[kind] = parameter.detach().numpy()
    expected = former_adamw(start, gradients, 1e-2)
    assert np.allclose(found[ReleasedUpdates], expected, rtol=0, atol=1e-14)
    assert np.abs(found[Updates] - expected).max() > 1e-3


def test_released_fit():
    """Against the published loop: early updates, micro-batches of equal weight, former AdamW."""
    rows = some_rows(30, seed=4).take(np.flatnonzero(some_rows(30, seed=4).predicted(CONTEXT) > 0)[:17])
    assert len(rows) == 17
    recipe = tuned(epochs=1, batch_size=2, accumulation=4, learning_rate=1e-2)
    ours, theirs = fit(network(), rows, recipe, Logged(), released=True), network().train()
    order = STREAMS.at("epoch", 0, "order").generator().permutation(17)
    history = [np.zeros((0, *parameter.shape)) for parameter in theirs.parameters()]
    starts = [parameter.detach().double().numpy().copy() for parameter in theirs.parameters()]
    rates = []
    for step in range(9):
        (library_loss(theirs, rows, order[2 * step : 2 * step + 2]) / 4).backward()
        if step % 4 == 0 or step == 8:
            rates.append(max(0.0, 1e-2 * (1 - len(rates) / 3)))
            for place, parameter in enumerate(theirs.parameters()):
                history[place] = np.concatenate([history[place], parameter.grad.double().numpy()[None]])
                before = starts[place] if len(rates) == 1 else parameter.detach().double().numpy()
                moved = former_adamw(np.zeros_like(before), history[place], 1.0) - former_adamw(
                    np.zeros_like(before), history[place][:-1], 1.0
                )
                parameter.data = torch.from_numpy(before + rates[-1] * moved).float()
                parameter.grad = None
    assert rates == pytest.approx([1e-2, 2e-2 / 3, 1e-2 / 3])
    assert close(ours, theirs)
    assert not close(ours, fit(network(), rows, tuned(1, 2, 4, 1e-2), Logged()))


def test_rows_without_a_predicted_token_count_nothing():
    rng = np.random.default_rng(0)
    full = some_rows(12).take(np.flatnonzero(some_rows(12).predicted(CONTEXT) > 0)[:8])
    both = TokenRows(
        ragged([*(full.prompts.take(np.array([row])).values for row in range(8)), [3, 4], []]),
        ragged([*(full.continuations.take(np.array([row])).values for row in range(8)), [], [7]]),
    )
    for released in (False, True):
        models = [fit(network(), rows, tuned(1, 16, 1, 1e-2), Logged(), released=released) for rows in (both, full)]
        assert close(*models)
    empty = TokenRows(ragged([rng.integers(1, 9, 4) for _ in range(6)]), ragged([[]] * 6))
    work = Logged()
    assert equal(fit(network(), empty, tuned(2, 2, 2, 1e-2), work), network())
    assert work.rows[0][1]["loss"] == 0
    with pytest.raises(InvalidInput, match="no rows"):
        fit(network(), empty.take(np.zeros(0, np.int64)), tuned(), Logged())


@pytest.mark.parametrize("stop", [2, 6, 10, 14, 16])
def test_resumed_fit_has_the_same_bits(stop):
    rows, recipe = some_rows(), tuned(epochs=3, batch_size=4, accumulation=2, learning_rate=1e-2)
    before = torch.get_rng_state()
    torch.manual_seed(11)
    whole, work = network(dropout=0.1), Logged()
    fit(whole, rows, recipe, work)
    stopped = Logged(stop_after=stop)
    with pytest.raises(Interrupted):
        fit(network(dropout=0.1), rows, recipe, stopped)
    torch.manual_seed(12)  # what is global does not matter
    resumed = Logged(stopped.state)
    again = fit(network(dropout=0.1, seed=5), rows, recipe, resumed)
    assert equal(whole, again)
    assert work.rows == stopped.rows + resumed.rows
    assert resumed.ticks == [tick for tick in work.ticks if tick[0] > stop]
    assert all(isinstance(array, np.ndarray) for array in stopped.state.values())
    torch.set_rng_state(before)


@pytest.mark.parametrize("released", [False, True])
def test_weights_of_one_are_no_weights_and_those_of_two_cancel(released):
    rows, recipe = some_rows(), tuned(epochs=2, batch_size=3, accumulation=2, learning_rate=1e-2)
    plain, ones, twos = (
        fit(network(), rows, recipe, Logged(), weights=weights, released=released)
        for weights in (None, np.ones(23), np.full(23, 2.0))
    )
    assert close(plain, ones)
    assert close(plain, twos)


def test_a_weight_is_a_number_of_copies_in_one_update():
    rows = some_rows(12).take(np.flatnonzero(some_rows(12).predicted(CONTEXT) > 0)[:6])
    counts = np.array([1, 3, 0, 2, 1, 0])
    copies = rows.take(np.repeat(np.arange(6), counts))
    work = [Logged(), Logged()]
    weighted = fit(network(), rows, tuned(2, 64, 1, 1e-2), work[0], weights=counts.astype(np.float64))
    repeated = fit(network(), copies, tuned(2, 64, 1, 1e-2), work[1])
    assert close(weighted, repeated)
    assert not close(weighted, fit(network(), rows, tuned(2, 64, 1, 1e-2), Logged()))
    told = [[row["loss"] for _, row in each.rows] for each in work]
    assert told[0] == pytest.approx(told[1], rel=1e-5)


def test_rows_of_weight_zero_alone_move_nothing():
    rows = some_rows()
    still = fit(network(), rows, tuned(1, 8, 1, 1e-2), Logged(), weights=np.zeros(23))
    assert equal(still, network())


def test_dropout_is_on_and_keyed_by_the_stream():
    rows, recipe = some_rows(), tuned(batch_size=8, learning_rate=1e-2)
    models = [fit(network(dropout), rows, recipe, Logged()) for dropout in (0.0, 0.5, 0.5)]
    assert equal(models[1], models[2])
    assert not close(models[0], models[1])


def test_global_generators_are_left_alone():
    made = network(dropout=0.1)
    before = torch.get_rng_state()
    fit(made, some_rows(), tuned(), Logged())
    assert torch.equal(before, torch.get_rng_state())


def test_divergence_is_said():
    made = network()
    with torch.no_grad():
        made.transformer.ln_f.weight.fill_(float("inf"))
    with pytest.raises(Diverged, match=r"epoch 1 of 1 .*below 5e-05"):
        fit(made, some_rows(), tuned(), Logged())


@pytest.mark.parametrize("batch", [1, 5, 100])
def test_losses_are_the_librarys(batch):
    model, rows = network(dropout=0.5).train(), some_rows(40, longest=20)
    sums, tokens = losses(model, rows, batch)
    assert model.training
    assert sums.dtype == np.float64
    model.eval()
    assert np.array_equal(tokens, rows.predicted(CONTEXT))
    for row in np.flatnonzero(rows.lengths() <= CONTEXT):
        if tokens[row]:
            with torch.no_grad():
                assert sums[row] / tokens[row] == pytest.approx(float(library_loss(model, rows, [row])), rel=1e-5)
        else:
            assert sums[row] == 0
    chosen = np.flatnonzero(rows.lengths() <= CONTEXT)
    with torch.no_grad():
        together = float(library_loss(model, rows, chosen))
    assert perplexity.corpus(sums[chosen], tokens[chosen]) == pytest.approx(math.exp(together), rel=1e-5)


@given(TOKENS, TOKENS, st.integers(2, 14))
def test_padding(prompts, continuations, context):
    count = min(len(prompts), len(continuations))
    prompts, continuations = prompts[:count], continuations[:count]
    rows = TokenRows(ragged(prompts), ragged(continuations))
    batch = padded(rows, pad=0, context=context)
    whole = [(prompt + new)[-context:] for prompt, new in zip(prompts, continuations, strict=True)]
    learnt = [
        ([False] * len(prompt) + [True] * len(new))[-context:]
        for prompt, new in zip(prompts, continuations, strict=True)
    ]
    assert batch.ids.shape == (count, max(map(len, whole)))
    for row, (tokens, marks) in enumerate(zip(whole, learnt, strict=True)):
        assert batch.ids[row].tolist() == tokens + [0] * (batch.ids.shape[1] - len(tokens))
        assert batch.real[row].sum() == len(tokens)
        assert batch.learnt[row, 1 : len(marks)].tolist() == marks[1:]
        assert not batch.learnt[row, len(marks) :].any()
        assert not batch.learnt[row, :1].any()  # nothing comes before the first
    assert np.array_equal(batch.learnt.sum(1), rows.predicted(context))
    ids, real = left_padded(rows.prompts, 0)
    assert [ids[row][real[row]].tolist() for row in range(count)] == prompts
    assert real.shape[1] == 0 or (np.diff(real.astype(int), axis=1) >= 0).all()


def test_pretraining_learns_where_sentences_begin_and_end():
    sentences = ragged([[5, 6, 7], [8, 9]] * 40)
    model = pretrain(network(), sentences, EOS, tuned(epochs=10, batch_size=8, learning_rate=1e-2), Logged())
    rows = TokenRows(ragged([[EOS], [EOS]]), ragged([[5, 6, 7, EOS], [8, 9, EOS]]))
    sums, _ = losses(model, rows, 2)
    assert np.all(sums < 1.2)  # log(2) is which of the two


def test_perplexity():
    means = np.array([1.0, 2.0, 4.0])
    tokens = np.array([3, 1, 2, 5, 4, 4, 1, 2, 6, 3])
    sums = np.repeat(means, [4, 4, 2]) * tokens
    assert perplexity.released(sums, tokens, 4) == pytest.approx(math.exp(2.0), rel=1e-14)
    assert perplexity.corpus(sums, tokens) == pytest.approx(math.exp(sums.sum() / 31), rel=1e-14)
    assert perplexity.released(sums, tokens, 10) == pytest.approx(perplexity.corpus(sums, tokens))
    assert math.isnan(perplexity.corpus(np.zeros(2), np.zeros(2, np.int64)))
    assert math.isnan(perplexity.released(np.zeros(0), np.zeros(0, np.int64), 4))


@pytest.mark.filterwarnings("error")
def test_a_perplexity_beyond_all_numbers_is_infinite():
    losses, tokens = np.array([1e5, 2.0]), np.array([1, 1])
    assert perplexity.corpus(losses, tokens) == perplexity.released(losses, tokens, 2) == math.inf


def test_recipes_refuse_nonsense():
    with pytest.raises(InvalidInput, match="accumulation"):
        tuned(accumulation=0)
