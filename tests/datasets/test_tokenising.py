"""Texts are tokenised as the tokenizer would one by one, a column at most once."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from biasloop.contract.context import Context
from biasloop.contract.data import Column
from biasloop.contract.randomness import Streams
from biasloop.datasets import tokenising
from biasloop.datasets.tokenising import encoded, identity, plain, tokenised
from biasloop_language import encoder

TEXTS = ["The state of our union", "", "is strong.", "We", "ün"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return encoder.train(TEXTS * 9, 300).inner


def rows(column) -> list[list[int]]:
    return [column.values[a:b].tolist() for a, b in zip(column.offsets[:-1], column.offsets[1:], strict=True)]


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_a_column_is_tokenised_once_in_batches_of_any_size(tokenizer, tmp_path, monkeypatch, batch):
    monkeypatch.setattr(tokenising, "_BATCH", batch)
    context = Context(tmp_path, Streams((0,)))
    expected = [tokenizer.encode(text).ids for text in TEXTS]
    frame = tokenised({"text": Column.text(TEXTS)}, "print", tokenizer, context)
    assert rows(frame.columns["text"]) == expected == rows(encoded(plain(tokenizer), TEXTS))
    assert frame["text"].dtype == np.int32
    monkeypatch.setattr(tokenising, "encoded", lambda *_: pytest.fail("tokenised twice"))
    again = tokenised({"text": Column.text(TEXTS)}, "print", tokenizer, context)
    assert rows(again.columns["text"]) == expected


def test_no_text_gives_no_row(tokenizer, tmp_path):
    frame = tokenised({"text": Column.text([])}, "none", tokenizer, Context(tmp_path, Streams((0,))))
    assert rows(frame.columns["text"]) == rows(encoded(tokenizer, [])) == []


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=20)))
def test_any_text_comes_back_from_its_tokens(tokenizer, texts):
    column = encoded(plain(tokenizer), texts)
    found = [tokenizer.decode(ids, skip_special_tokens=False) for ids in rows(column)]
    assert found == texts


def test_the_identity_of_a_tokenizer_is_its_content(tokenizer, tmp_path):
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert identity(again) == identity(tokenizer)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["model"]["merges"].pop()
    assert identity(Tokenizer.from_str(json.dumps(content))) != identity(tokenizer)
