"""Tokenising a corpus: as the tokenizer would row by row, once, with long rows refused or cut."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from biasloop.contract.context import Context
from biasloop.contract.data import Column
from biasloop.contract.randomness import Streams
from biasloop.datasets import tokenising as down
from biasloop.datasets.tokens import lengths
from biasloop.errors import InvalidInput
from biasloop_language import sotu, tokenising
from biasloop_language.pairs import Pairs
from biasloop_language.tokens import TokenRows

END = "<|endoftext|>"


def train(texts, size=400) -> Tokenizer:
    """A byte-level BPE tokenizer such as GPT-2's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train(sotu.read("pretraining", 2018).texts())


@pytest.fixture
def context(tmp_path) -> Context:
    return Context(tmp_path, Streams((0, "data")))


@pytest.fixture
def pairs() -> Pairs:
    return Pairs.of(["The state of our", "My fellow", "We"], [" union is strong.", None, ""], "own.jsonl")


def rows(column) -> list[list[int]]:
    return [column.values[a:b].tolist() for a, b in zip(column.offsets[:-1], column.offsets[1:], strict=True)]


def files(context) -> list[Path]:
    return sorted((context.data / "prepared").iterdir())


def test_prompt_and_continuation_are_tokenised_separately_without_special_tokens(tokenizer, context, pairs):
    made = tokenising.tokenise(pairs, tokenizer, context)
    assert isinstance(made, TokenRows)
    assert made.prompts.values.dtype == made.continuations.values.dtype == np.int32
    assert rows(made.prompts) == [tokenizer.encode(text).ids for text in pairs.prompts.strings()]
    assert rows(made.continuations) == [tokenizer.encode(" union is strong.").ids, [], []]
    assert tokenizer.decode(made.prompts.values.tolist()) == "The state of ourMy fellowWe"


def test_settings_of_the_tokenizer_that_would_add_cut_or_pad_are_left_out(tokenizer, context, pairs):
    changed = Tokenizer.from_str(tokenizer.to_str())
    end = changed.token_to_id(END)
    changed.post_processor = processors.TemplateProcessing(single=f"{END} $A {END}", special_tokens=[(END, end)])
    changed.enable_truncation(2)
    changed.enable_padding(length=30, pad_id=end, pad_token=END)
    same, odd = (tokenising.tokenise(pairs, one, context) for one in (tokenizer, changed))
    assert rows(odd.prompts) == rows(same.prompts)
    assert rows(odd.continuations) == rows(same.continuations)
    assert len(changed.encode("The state of our").ids) == 30  # the caller's own is as it was


def test_a_fast_tokenizer_of_transformers_gives_the_same_from_the_same_file(tokenizer, context, pairs):
    from transformers import PreTrainedTokenizerFast

    mine = tokenising.tokenise(pairs, tokenizer, context)
    theirs = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END)
    again = tokenising.tokenise(pairs, theirs, context)
    expected = [theirs(text, add_special_tokens=False)["input_ids"] for text in pairs.prompts.strings()]
    assert rows(again.prompts) == expected == rows(mine.prompts)


def test_a_corpus_is_tokenised_once_for_each_content_and_tokenizer(tokenizer, context, pairs, monkeypatch):
    counted, encode = [], down.encoded

    def counting(*args):
        counted.append(len(args[1]))
        return encode(*args)

    monkeypatch.setattr(down, "encoded", counting)
    first = tokenising.tokenise(pairs, tokenizer, context)
    same = Pairs.of(pairs.prompts.strings(), [" union is strong.", None, ""], "elsewhere")
    second = tokenising.tokenise(same, Tokenizer.from_str(tokenizer.to_str()), context)
    assert counted == [3, 3]
    assert rows(first.prompts) == rows(second.prompts)
    assert first.continuations.values.dtype == second.continuations.values.dtype
    tokenising.tokenise(pairs.take(np.array([0, 1])), tokenizer, context)
    other = train(["an other text"] * 9, 300)
    assert rows(tokenising.tokenise(pairs, other, context).prompts) != rows(first.prompts)
    assert counted == [3, 3, 2, 2, 3, 3]
    assert len(files(context)) == 3


def test_no_rows_and_more_rows_than_a_batch(tokenizer, context, monkeypatch):
    monkeypatch.setattr(down, "_BATCH", 7)
    texts = sotu.read("loop", 2018).take(np.arange(50))
    made = tokenising.tokenise(texts, tokenizer, context)
    expected = [tokenizer.encode(text).ids for text in texts.continuations.strings()]
    assert rows(made.continuations) == expected
    none = tokenising.tokenise(Pairs.of([], [], "nothing"), tokenizer, context)
    assert len(none) == 0
    assert len(tokenising.tokenise(Pairs.of([], [], "nothing"), tokenizer, context)) == 0  # read back


def test_a_row_over_the_limit_is_named(tokenizer, context, pairs):
    sizes = tokenising.tokenise(pairs, tokenizer, context).lengths()
    longest = int(sizes.max())
    assert len(tokenising.tokenise(pairs, tokenizer, context, limit=longest)) == 3
    with pytest.raises(InvalidInput) as error:
        tokenising.tokenise(pairs, tokenizer, context, limit=longest - 1)
    assert "row 0 of own.jsonl (counted from 0, its prompt is 'The state of our')" in str(error.value)
    assert f") is too long: {longest:,} tokens, of which" in str(error.value)
    assert f"reads at most {longest - 1:,}" in str(error.value)
    with pytest.raises(InvalidInput, match=r"row 0 of own\.jsonl \(.*\) is too long, as are 1 more"):
        tokenising.tokenise(pairs, tokenizer, context, limit=int(np.sort(sizes)[1]) - 1)


def test_cut_rows_keep_the_start_of_the_continuation_and_the_end_of_the_prompt():
    def column(*parts):
        made = [np.array(part, np.int32) for part in parts]
        return Column(np.concatenate(made), np.cumsum([0, *map(len, made)], dtype=np.int64))

    whole = TokenRows(
        column([1, 2, 3], [1, 2, 3, 4], [1], [7, 8], [1]), column([4, 5], [5, 6], [2, 3, 4, 5, 6, 7], [], [2])
    )
    cut = tokenising.truncated(whole, 4)
    assert rows(cut.prompts) == [[2, 3], [3, 4], [1], [7, 8], [1]]
    assert rows(cut.continuations) == [[4, 5], [5, 6], [2, 3, 4], [], [2]]
    same = tokenising.truncated(whole, 9)
    assert (rows(same.prompts), rows(same.continuations)) == (rows(whole.prompts), rows(whole.continuations))


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1), st.integers(2, 12))
def test_cut_rows_are_as_long_as_they_may_be(sizes, limit):
    heads, tails = np.array(sizes).T
    made = [
        Column(np.arange(part.sum(), dtype=np.int32), np.concatenate([[0], np.cumsum(part)])) for part in (heads, tails)
    ]
    cut = tokenising.truncated(TokenRows(*made), limit)
    assert cut.lengths().tolist() == np.minimum(heads + tails, limit).tolist()
    assert (lengths(cut.prompts) > 0).all()


def test_truncating_leaves_the_prepared_tokens_whole(tokenizer, context, pairs):
    whole = tokenising.tokenise(pairs, tokenizer, context)
    cut = tokenising.tokenise(pairs, tokenizer, context, limit=3, truncate=True)
    assert cut.lengths().max() == 3
    assert rows(tokenising.tokenise(pairs, tokenizer, context).prompts) == rows(whole.prompts)


def test_a_prompt_without_tokens_is_named(context):
    words = Tokenizer(models.WordLevel({"known": 0}))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    pairs = Pairs.of(["known", "  "], ["known", "known"], "own.csv")
    with pytest.raises(InvalidInput, match=r"the prompt of row 1 of own\.csv \(.*, its prompt is '  '\) has no"):
        tokenising.tokenise(pairs, words, context)


def test_damaged_tokens_are_made_anew_with_a_notice(tokenizer, context, pairs):
    first = tokenising.tokenise(pairs, tokenizer, context)
    (directory,) = files(context)
    (directory / "prompt.npy").write_bytes(b"something else")
    notes = []
    again = tokenising.tokenise(pairs, tokenizer, replace(context, on_note=notes.append))
    assert rows(again.continuations) == rows(first.continuations)
    assert notes == [f"{directory} is damaged (it does not match its digests); it counts as absent and is made anew"]
