"""Sentences of State of the Union addresses, which come with biasloop."""

import hashlib
from typing import Literal

from biasloop.datasets.sotu import sentences
from biasloop.errors import InvalidInput
from biasloop_language.pairs import Pairs

Part = Literal["loop", "pretraining"]


def read(part: Part, from_year: int = 1945) -> Pairs:
    """Sentences, each cut in two.

    The prompt is the first half of the words, rounded up; the continuation is the rest and begins with its space.
    Half of the sentences are kept apart, for a model to learn English from before the loop begins. Which half a
    sentence belongs to depends on nothing but its text, so a sentence that occurs twice is never in both.

    Args:
        part: "loop", or "pretraining".
        from_year: the first year of sentences.

    Raises:
        InvalidInput: if there is no sentence from that year on.
        DownloadError: if the file, which comes with biasloop, is damaged or missing.
    """
    chosen = [text for year, text in sentences() if year >= from_year and _part(text) == part]
    if not chosen:
        raise InvalidInput(f"domain.corpus.from_year is {from_year}; the addresses are of 1790 to 2021")
    halves = [_cut(text) for text in chosen]
    return Pairs.of([a for a, _ in halves], [b for _, b in halves], "the State of the Union addresses")


def _part(sentence: str) -> Part:
    """By one bit of a hash that no seed and no version changes."""
    digest = hashlib.blake2b(sentence.encode(), digest_size=8, person=b"sotu-part").digest()
    return "pretraining" if digest[0] & 1 else "loop"


def _cut(sentence: str) -> tuple[str, str]:
    words = sentence.split(" ")
    half = len(" ".join(words[: (len(words) + 1) // 2]))
    return sentence[:half], sentence[half:]
