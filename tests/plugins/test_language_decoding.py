import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.fits import tuned
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, TopPLogitsWarper

from biasloop.contract.context import Work
from biasloop.contract.randomness import Streams
from biasloop.datasets.tokens import lengths, ragged
from biasloop.errors import InvalidInput
from biasloop_language import networks
from biasloop_language.decoding import Decoder, batches, generate
from biasloop_language.finetuning import losses, pretrain
from biasloop_language.sampling import nucleus
from biasloop_language.tokens import TokenRows

VOCABULARY, EOS, CONTEXT = 300, 0, 48
STREAMS = Streams((3, "test"))
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:transformers")


def chain(rng, count, longest):
    """Rows of a sparse Markov chain of tokens: each token has three that may follow."""
    follows = rng.integers(1, VOCABULARY, (VOCABULARY, 3))
    rows = []
    for size in rng.integers(1, longest + 1, count):
        row = [int(rng.integers(1, VOCABULARY))]
        while len(row) < size:
            row.append(int(follows[row[-1], min(rng.geometric(0.5) - 1, 2)]))
        rows.append(row)
    return rows


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = networks.small(VOCABULARY, layers=2, width=32, heads=2, context=CONTEXT)
    sentences = ragged(chain(np.random.default_rng(0), 800, 24))
    return pretrain(network, sentences, EOS, tuned(epochs=3, batch_size=32, learning_rate=1e-2), Work(STREAMS))


@pytest.fixture(scope="module")
def prompts():
    return chain(np.random.default_rng(0), 300, 27)  # the same chain, as the same numbers come first


def write(model, prompts, decoder=None, *, streams=STREAMS, ids=None, tick=lambda done, total: None):
    ids = np.arange(len(prompts)) if ids is None else ids
    return rows_of(generate(model, ragged(prompts), decoder or Decoder(), streams, ids, EOS, tick))


def rows_of(column):
    return [column.values[a:b].tolist() for a, b in itertools.pairwise(column.offsets)]


def plain(model, prompts, new_tokens=20, batch=16, **how):
    """What transformers itself writes, in file order."""
    written = []
    for begin in range(0, len(prompts), batch):
        some = prompts[begin : begin + batch]
        width = max(map(len, some))
        ids = torch.tensor([[EOS] * (width - len(row)) + row for row in some])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in some])
        with torch.inference_mode():
            new = model.generate(
                ids, attention_mask=mask, max_new_tokens=new_tokens, pad_token_id=EOS, eos_token_id=EOS,
                do_sample=False, **how,
            )  # fmt: skip
        written += [[token for token in row if token != EOS] for row in new[:, width:].tolist()]
    return written


def chances(model, tokens):
    """Log-probabilities of what may follow the tokens; no cache, no padding."""
    with torch.inference_mode():
        return model(torch.tensor([tokens])).logits[0, -1].double().log_softmax(0).numpy()


def gap(model, prompt, one, other):
    """How much the first tokens that differ differ in log-probability."""
    one, other = [*one, EOS], [*other, EOS]
    common = next(place for place in range(len(one)) if one[place] != other[place])
    after = chances(model, prompt + one[:common])
    return abs(after[one[common]] - after[other[common]])


def score(model, prompt, new, new_tokens):
    """What beam search compares."""
    ended = new if len(new) == new_tokens else [*new, EOS]
    sums, _ = losses(model, TokenRows(ragged([prompt]), ragged([ended])), 1)
    return -sums[0] / len(ended)


def test_greedy_is_that_of_transformers(model, prompts):
    ours, theirs = write(model, prompts, Decoder("greedy", batch_rows=64)), plain(model, prompts)
    differ = [row for row in range(len(prompts)) if ours[row] != theirs[row]]
    assert len(differ) <= len(prompts) / 100
    assert all(gap(model, prompts[row], ours[row], theirs[row]) < 1e-4 for row in differ)
    assert sum(len(row) < 20 for row in ours) > 20  # some end
    assert sum(len(row) == 20 for row in ours) > 20  # some do not


@pytest.mark.parametrize(("beams", "penalty"), [(1, 1.0), (4, 1.0), (10, 1.0), (4, 0.3), (4, 2.0)])
def test_beams_are_those_of_transformers(model, prompts, beams, penalty):
    some = prompts[: 120 if beams == 10 else 40]
    ours = write(model, some, Decoder("beam", beams=beams, length_penalty=penalty, batch_rows=100))
    theirs = plain(model, some, num_beams=beams, length_penalty=penalty)
    differ = [row for row in range(len(some)) if ours[row] != theirs[row]]
    assert len(differ) <= max(1, len(some) / 100)
    for row in differ:
        one, other = (score(model, some[row], new, 20) for new in (ours[row], theirs[row]))
        assert abs(one - other) < 1e-4
    assert any(len(row) < 20 for row in ours)


def released_beams(model, prompt, beams, new_tokens):
    """The published rule for one prompt, without batches and caches."""
    going, finished = [(0.0, [])], []
    for step in range(new_tokens):
        candidates = []
        for total, new in going:
            after = chances(model, prompt + new)
            candidates += [(total + after[token], new, token) for token in range(VOCABULARY)]
        candidates = sorted(candidates, key=lambda candidate: -candidate[0])[: 2 * beams]
        going = []
        for rank, (total, new, token) in enumerate(candidates):
            if token != EOS and len(going) < beams:
                going.append((total, [*new, token]))
            elif token == EOS and rank < beams:
                finished = sorted([*finished, (total / (len(prompt) + step), new)], key=lambda kept: -kept[0])[:beams]
        if len(finished) == beams and finished[-1][0] >= candidates[0][0] / (len(prompt) + step):
            return finished[0][1]
    finished += [(total / (len(prompt) + new_tokens), new) for total, new in going]
    return max(finished, key=lambda kept: kept[0])[1]


def test_published_lengths_count_the_prompt(model, prompts):
    some = [row for row in prompts if len(row) > 3][:25]
    now = write(model, some, Decoder("beam", new_tokens=8, beams=3))
    then = write(model, some, Decoder("beam", new_tokens=8, beams=3, released_length=True))
    assert then == [released_beams(model, row, 3, 8) for row in some]
    differ = [row for row in range(len(some)) if now[row] != then[row]]
    assert differ
    assert any(len(then[row]) < len(now[row]) for row in differ)  # the prompt in the length favours an early end


@pytest.mark.parametrize(
    "other",
    [
        lambda: LlamaForCausalLM(LlamaConfig(num_key_value_heads=2, **SHAPE)),
        lambda: MistralForCausalLM(MistralConfig(num_key_value_heads=2, sliding_window=8, **SHAPE)),
    ],
    ids=["llama", "sliding window"],
)
def test_other_networks(other):
    torch.manual_seed(1)
    network, some = other().eval(), chain(np.random.default_rng(5), 24, 20)
    assert write(network, some, Decoder("greedy", batch_rows=5)) == plain(network, some)
    assert write(network, some, Decoder("beam", beams=3, batch_rows=9)) == plain(network, some, num_beams=3)


SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": CONTEXT, "initializer_range": 0.3, "eos_token_id": EOS,
}  # fmt: skip


def uniform(ids, streams=STREAMS):
    def draw(attempt, rows):
        return torch.from_numpy(streams.at("token", attempt).uniform(ids[rows.numpy()])[:, 0])

    return draw


def direct(logits, top_p):
    """The nucleus's law: sort, cut after the token that crosses, scale."""
    chance = np.exp(logits - logits.max())
    chance /= chance.sum()
    order = np.lexsort((np.arange(len(chance)), -chance))
    before = np.cumsum(chance[order]) - chance[order]
    kept = np.zeros(len(chance))
    inside = order[before < top_p]
    kept[inside] = chance[inside]
    return kept / kept.sum()


@pytest.mark.parametrize("top_p", [1e-6, 0.1, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("vocabulary", [7, 256, 1000])
def test_law_of_the_nucleus(top_p, vocabulary):
    draws = 10_000
    logits = np.random.default_rng(vocabulary).normal(0, 2, vocabulary).astype(np.float32)
    rows = torch.from_numpy(logits).expand(draws, vocabulary)
    tokens = nucleus(rows, top_p, uniform(np.arange(draws))).numpy()
    law, seen = direct(logits.astype(np.float64), top_p), np.bincount(tokens, minlength=vocabulary)
    assert not seen[law == 0].any()
    common = law * draws >= 5
    expected = np.append(law[common], law[~common].sum()) * draws
    observed = np.append(seen[common], seen[~common].sum())
    if expected[-1] < 5:
        expected, observed = expected[:-1], observed[:-1]
    if len(expected) > 1:
        expected *= observed.sum() / expected.sum()
        assert stats.chisquare(observed, expected).pvalue > 1e-3
    if top_p < 1:  # the same tokens as in transformers
        warped = TopPLogitsWarper(top_p)(None, torch.from_numpy(logits)[None])[0]
        assert np.array_equal(torch.isfinite(warped).numpy(), law > 0)


def test_equally_likely_tokens_are_cut_by_id():
    tokens = nucleus(torch.zeros(5000, 10), 0.55, uniform(np.arange(5000))).numpy()
    assert np.array_equal(np.unique(tokens), np.arange(6))  # five have 0.5, the sixth crosses
    assert stats.chisquare(np.bincount(tokens)).pvalue > 1e-3


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 600), st.floats(1e-3, 1), st.floats(0.01, 30), st.integers(0, 2**32 - 1))
def test_draws_are_in_the_nucleus(vocabulary, top_p, spread, seed):
    logits = np.random.default_rng(seed).normal(0, spread, (40, vocabulary)).astype(np.float32)
    tokens = nucleus(torch.from_numpy(logits), top_p, uniform(np.arange(40))).numpy()
    # A nucleus a little larger, for rounding.
    assert all(direct(logits[row].astype(np.float64), min(1, top_p + 1e-5))[tokens[row]] > 0 for row in range(40))


def test_law_of_what_is_written(model, prompts):
    count, prompt = 8000, max(prompts, key=len)[:9]
    written = write(model, [prompt] * count, Decoder(new_tokens=2, top_p=0.8))
    law = {}
    first = direct(chances(model, prompt), 0.8)
    for one in np.flatnonzero(first):
        if one == EOS:
            law[()] = first[EOS]
            continue
        second = direct(chances(model, [*prompt, int(one)]), 0.8)
        for two in np.flatnonzero(second):
            law[(int(one), int(two)) if two != EOS else (int(one),)] = first[one] * second[two]
    seen = dict.fromkeys(law, 0)
    for row in written:
        seen[tuple(row)] += 1  # a KeyError is a token outside
    common = [key for key in law if law[key] * count >= 5]
    expected = np.array([law[key] * count for key in common] + [count * (1 - sum(law[key] for key in common))])
    observed = np.array([seen[key] for key in common] + [count - sum(seen[key] for key in common)])
    assert len(common) > 3
    keep = expected > 1
    assert stats.chisquare(observed[keep], expected[keep] * observed[keep].sum() / expected[keep].sum()).pvalue > 1e-3


def test_draws_do_not_depend_on_the_batch(model, prompts):
    some, count = prompts[:100], 100
    whole = write(model, some)
    assert write(model, some, Decoder(batch_rows=13)) == whole
    assert write(model, some, Decoder(batch_tokens=300)) == whole
    order = np.random.default_rng(1).permutation(count)
    mixed = write(model, [some[row] for row in order], Decoder(batch_rows=50), ids=order)
    assert mixed == [whole[row] for row in order]
    assert write(model, some[10:15], ids=np.arange(10, 15)) == whole[10:15]
    assert write(model, some, streams=STREAMS.at("other")) != whole
    assert write(model, some, ids=np.arange(count) + 1) != whole
    assert len({tuple(row) for row in write(model, [some[0]] * 50)}) > 25


@pytest.mark.parametrize("kind", ["greedy", "nucleus", "beam"])
def test_odd_prompts(model, kind):
    decoder = Decoder(kind, new_tokens=8, beams=3)
    long = [int(token) for token in np.random.default_rng(2).integers(1, VOCABULARY, 90)]
    same = np.zeros(2, np.int64)
    assert (
        write(model, [[], [5], [EOS]], decoder, ids=np.zeros(3, np.int64))[::2]
        == [write(model, [[EOS]], decoder, ids=np.zeros(1, np.int64))[0]] * 2
    )
    whole, cut = write(model, [long, long[-(CONTEXT - 8) :]], decoder, ids=same)
    assert whole == cut
    assert len(write(model, [[5], long], Decoder(kind, new_tokens=CONTEXT - 1, beams=3))) == 2
    assert write(model, [], decoder) == []


@pytest.mark.parametrize("kind", ["greedy", "nucleus", "beam"])
def test_stops_when_all_have_ended(kind):
    torch.manual_seed(0)
    network = networks.small(VOCABULARY, width=16, heads=2)
    passes = []
    network.register_forward_hook(lambda *_: passes.append(1))
    with torch.no_grad():  # every position says: end of text
        network.transformer.ln_f.bias.copy_(network.transformer.wte.weight[EOS] * 1e5)
    assert write(network, [[3], [4, 5], [6]], Decoder(kind, beams=1, new_tokens=20)) == [[], [], []]
    assert len(passes) == 1


def test_leaves_things_as_they_were(model, prompts):
    model.train()
    try:
        before, ticks = torch.get_rng_state(), []
        one = write(model, prompts[:30], Decoder(batch_rows=7), tick=lambda *row: ticks.append(row))
        assert model.training
        assert torch.equal(before, torch.get_rng_state())
    finally:
        model.eval()
    assert one == write(model, prompts[:30])  # no dropout while writing
    assert ticks == [(7, 30), (14, 30), (21, 30), (28, 30), (30, 30)]


@given(st.lists(st.integers(0, 200), max_size=60), st.integers(1, 50), st.integers(1, 3000), st.booleans())
def test_batches_cover_all_and_keep_to_the_budget(sizes, rows, tokens, beam):
    decoder = Decoder("beam" if beam else "greedy", beams=5, batch_rows=rows, batch_tokens=tokens)
    sizes = np.array(sizes, np.int64)
    found = batches(sizes, decoder)
    assert sorted(np.concatenate([*found, np.zeros(0, np.int64)]).tolist()) == list(range(len(sizes)))
    for batch in found:
        if len(batch) > 1:
            assert len(batch) * decoder.width <= rows
            assert len(batch) * decoder.width * (sizes[batch].max() + decoder.new_tokens) <= tokens
    for one, two in itertools.pairwise(found):
        assert sizes[one].min() >= sizes[two].max()


def test_refusals(model):
    with pytest.raises(InvalidInput, match="leave no room for a prompt: the network holds 48"):
        write(model, [[1]], Decoder(new_tokens=CONTEXT))
    with pytest.raises(InvalidInput, match="300 beams need a vocabulary of more than 300"):
        write(model, [[1]], Decoder("beam", beams=300))
    for wrong in ({"kind": "best"}, {"top_p": 0.0}, {"top_p": 1.5}, {"beams": 0}, {"new_tokens": 0}):
        with pytest.raises(InvalidInput):
            Decoder(**wrong)


def test_new_tokens_are_int32_rows(model, prompts):
    column = generate(model, ragged(prompts), Decoder(new_tokens=3), STREAMS, np.arange(300), EOS, lambda *_: None)
    assert column.values.dtype == np.int32
    assert lengths(column).max() <= 3
    assert not (column.values == EOS).any()
