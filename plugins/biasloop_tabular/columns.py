"""What a column holds: numbers, words, or numbers that edges make words of."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from biasloop.contract.data import Floats, Ints
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop_tabular.config import Config
from biasloop_tabular.rows import Categorical, Feature, Numeric

if TYPE_CHECKING:
    import polars as pl

_WRITTEN = re.compile(r"[€$£]?\s*[+-]?\d[\d.,'\s]*[%€$£]?")
_SIGNS = re.compile(r"[,%€$£'\s]")
_MOSTLY = 0.9  # share of numbers from which on a word among them is a mistake rather than a category


@dataclass(frozen=True)
class Cells:
    """Columns of a table.

    Attributes:
        where: what messages call the file.
        texts: by column, null where there is nothing.
        numbers: `(n,)` float64, NaN where there is nothing, of columns that the file has as numbers.
    """

    where: str
    texts: Mapping[str, pl.Series]
    numbers: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(next(iter(self.texts.values()), ()))

    def parsed(self, name: str) -> Floats:
        """`(n,)` the numbers of a column, NaN where there is none; texts are read as numbers."""
        import polars as pl

        if name in self.numbers:
            return self.numbers[name]
        return self.texts[name].cast(pl.Float64, strict=False).to_numpy()

    def filled(self, name: str) -> Ints:
        """`(n,)` whether there is anything."""
        return self.texts[name].is_not_null().to_numpy()


def feature(cells: Cells, name: str, config: Config) -> Feature:
    """A column of numbers if all of its cells are finite numbers, else one of categories.

    Raises:
        InvalidInput: nearly all are numbers and one is a word, or infinite; or there are too many different words.
    """
    called = name.strip()
    if called not in config.categorical:
        values, filled = cells.parsed(name), cells.filled(name)
        numbers = np.isfinite(values)
        if numbers.sum() == filled.sum() > 0:
            return Numeric(called, values)
        if numbers.sum() >= _MOSTLY * max(filled.sum(), 1):
            _refuse_word(cells, name, numbers, filled)
    column = words_of(cells, name)
    if called not in config.categorical:
        _refuse_written_numbers(cells, column)
    if len(column.words) > config.most_categories:
        raise InvalidInput(
            f"{cells.where} has {len(column.words):,} different words in column {called!r}, such as "
            f"{column.words[0]!r}: an id, or a text? Add it to domain.ignore, or raise domain.most_categories "
            f"({config.most_categories})"
        )
    return Categorical(called, column.values, column.words)


def _refuse_word(cells: Cells, name: str, numbers: Ints, filled: Ints) -> None:
    row = int(np.flatnonzero(filled & ~numbers)[0])
    word = cells.texts[name][row]
    raise InvalidInput(
        f"{cells.where} has {word!r} in row {row + 1:,} of column {name.strip()!r}, which has numbers in "
        f"{int(numbers.sum()):,} of {int(filled.sum()):,} rows; correct it, or add it to domain.missing, or the column "
        "to domain.categorical"
    )


def _refuse_written_numbers(cells: Cells, column: Categorical) -> None:
    """Refuse numbers as people write them, which would be as many categories: 1,5 and 1 500 and 20%."""
    written = [word for word in column.words if _WRITTEN.fullmatch(word)]
    if len(written) >= _MOSTLY * max(len(column.words), 1) and any(_SIGNS.search(word) for word in written):
        example = next(word for word in written if _SIGNS.search(word))
        raise InvalidInput(
            f"{cells.where} has numbers such as {example!r} in column {column.name.strip()!r}; write them with a "
            "decimal point and nothing else, as 1234.5, or add the column to domain.categorical"
        )


def words_of(cells: Cells, name: str) -> Categorical:
    """A column of words, by the alphabet."""
    texts = cells.texts[name].to_list()
    words = sorted({text for text in texts if text is not None})
    number = {word: position for position, word in enumerate(words)}
    return Categorical(name, np.array([-1 if text is None else number[text] for text in texts], np.int64), tuple(words))


def binned(cells: Cells, name: str, edges: Sequence[float]) -> Categorical:
    """A column of numbers between edges, each of which is in the bin above it.

    Raises:
        InvalidInput: a cell is no finite number.
    """
    values, filled = cells.parsed(name), cells.filled(name)
    wrong = np.flatnonzero(filled & ~np.isfinite(values))
    if len(wrong):
        raise InvalidInput(
            f"{cells.where} has {cells.texts[name][int(wrong[0])]!r} in row {wrong[0] + 1:,} of column {name!r}, which "
            "domain.bins has edges for; expected a finite number"
        )
    bins = np.where(filled, np.searchsorted(np.array(edges, np.float64), values, side="right"), -1)
    shown = [str(int(edge)) if float(edge).is_integer() else str(edge) for edge in edges]
    between = [f"{low}-to-{high}" for low, high in itertools.pairwise(shown)]
    return Categorical(name, bins.astype(np.int64), (f"under-{shown[0]}", *between, f"{shown[-1]}-and-over"))
