"""Byte-pair vocabularies learnt from texts."""

import pytest

from biasloop.datasets import byte_pairs
from biasloop.errors import InvalidInput

TEXTS = ["the cat sat on the mat", "the dog sat on the log", "naïve café"]


def test_the_same_texts_give_the_same_vocabulary_with_special_tokens_first():
    first, second = (byte_pairs.learn(TEXTS, 270, ["<a>", "<b>"]) for _ in range(2))
    assert first.to_str() == second.to_str()
    assert first.get_vocab_size() == 270
    assert [first.token_to_id(token) for token in ("<a>", "<b>")] == [0, 1]


def test_every_text_comes_back_also_one_that_was_not_learnt_from():
    learnt = byte_pairs.learn(TEXTS, 270, [])
    for text in [*TEXTS, "Ω ≈ 3 🙂", ""]:
        assert learnt.decode(learnt.encode(text, add_special_tokens=False).ids) == text


def test_a_vocabulary_without_room_for_bytes_is_refused():
    with pytest.raises(InvalidInput, match="a vocabulary of 257 tokens has no room for 256 bytes; set 258 or more"):
        byte_pairs.learn(TEXTS, 257, ["<a>", "<b>"])
