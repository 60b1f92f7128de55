"""How often the words of given lists occur in a text.

Words are compared without case. A word is a run of letters and digits, also with apostrophes inside ("o'clock",
straight or curly are the same); hyphens, underscores and all else end it. A word with one of the endings 's, 'd, 'm,
'll, 're or 've counts also as what is left without it, so "he's" counts for the entry "he" and "women's" for "women";
"don't" is one word.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from biasloop.contract.data import Floats
from biasloop.errors import InvalidInput
from biasloop.metrics.ratios import ratio
from biasloop_language.scorers.protocol import Tick

__all__ = ["LexiconScorer", "Options", "ratio", "words"]

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_ENDING = re.compile(r"'(?:s|d|m|ll|re|ve)\Z")


class Options(BaseModel):
    """The word lists."""

    model_config = ConfigDict(extra="forbid")

    lists: dict[str, list[str]] = Field(min_length=1, description="name -> words; each a single word.")


def words(text: str) -> Iterator[str]:
    """The words of a text, as they are compared: composed characters, caseless, straight apostrophes."""
    return (match.group() for match in _WORD.finditer(_plain(text)))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold().replace("\u2019", "'")


class LexiconScorer:
    """Counts words; a column "count.NAME" for each list. `ratio` compares two of them."""

    def __init__(self, options: Options, data_directory: Path, device: str) -> None:
        """Read the lists.

        Raises:
            InvalidInput: naming the list that is empty, or an entry that is not a single word.
        """
        self._columns = tuple(f"count.{name}" for name in options.lists)
        self._columns_of: dict[str, set[int]] = {}
        for column, (name, entries) in enumerate(options.lists.items()):
            if not entries:
                raise InvalidInput(f"lexicon list {name!r} is empty; give it words or leave it out")
            for entry in entries:
                word = _plain(entry.strip())
                if not _WORD.fullmatch(word):
                    raise InvalidInput(
                        f"lexicon list {name!r}: {entry!r} is not one word of letters, digits and apostrophes inside"
                    )
                self._columns_of.setdefault(word, set()).add(column)

    def check(self) -> None:
        """Nothing is needed."""

    def columns(self) -> tuple[str, ...]:
        """One per list, in their order."""
        return self._columns

    def score(self, texts: Sequence[str], tick: Tick | None = None) -> dict[str, Floats]:
        """Words of each list in each text, `(texts,)`; a word counts once for each list that has it."""
        counts = np.zeros((len(texts), len(self._columns)))
        for row, text in enumerate(texts):
            for word in words(text):
                for column in self._lists(word):
                    counts[row, column] += 1
        if tick:
            tick(len(texts), len(texts))
        return {name: counts[:, column].copy() for column, name in enumerate(self._columns)}

    def _lists(self, word: str) -> set[int]:
        columns = self._columns_of.get(word, set())
        if "'" in word:
            columns = columns | self._columns_of.get(_ENDING.sub("", word), set())
        return columns
