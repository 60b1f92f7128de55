"""Test set, holdout and pool: drawn, as a column says, or as published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from biasloop.contract.data import Ints, Splits
from biasloop.datasets.splitting import Given
from biasloop.datasets.splitting import draw as drawn
from biasloop.errors import InvalidInput
from biasloop.lazy import numpy as np
from biasloop_tabular import adult

if TYPE_CHECKING:
    from biasloop.contract.randomness import Streams
    from biasloop_tabular.columns import Cells
    from biasloop_tabular.config import Config
    from biasloop_tabular.rows import Categorical, LabelledRows

PARTS = ("train", "test", "holdout", "unlabelled")
_TRAIN, _TEST, _HOLDOUT, _UNLABELLED = range(len(PARTS))


@dataclass(frozen=True)
class Parts:
    """What each row is for: `(n,)` int64 positions in `PARTS`."""

    of: Ints

    def masked(self, labels: Ints) -> Ints:
        """Labels without those of rows that are to be unlabelled."""
        return np.where(self.of == _UNLABELLED, -1, labels)


def parts(cells: Cells, name: str, outcome: Categorical) -> Parts:
    """What the column `domain.split` says.

    Raises:
        InvalidInput: a row says something else, there is no test set, or a row of it has no outcome.
    """
    words = cells.texts[name].to_list()
    wrong = next((row for row, word in enumerate(words) if word not in PARTS), None)
    if wrong is not None:
        said = "nothing" if words[wrong] is None else repr(words[wrong])
        raise InvalidInput(
            f"{cells.where} has {said} in row {wrong + 1:,} of column {name!r} (domain.split); expected one of "
            f"{', '.join(PARTS)}"
        )
    of = np.array([PARTS.index(word) for word in words], np.int64)
    if not (of == _TEST).any():
        raise InvalidInput(f"{cells.where} has no row whose column {name!r} (domain.split) is 'test'")
    unknown = np.flatnonzero(np.isin(of, (_TEST, _HOLDOUT)) & (outcome.values < 0))
    if len(unknown):
        raise InvalidInput(
            f"{cells.where} has nothing in row {unknown[0] + 1:,} of column {outcome.name!r}, which column {name!r} "
            f"puts into the {PARTS[of[unknown[0]]]} set; fill it, or write another part there"
        )
    return Parts(of)


def draw(config: Config, rows: LabelledRows, streams: Streams) -> Splits:
    """Test set, holdout and pool; each with ascending ids; rows without an outcome are all in the pool.

    Raises:
        InvalidInput: if nothing with an outcome is left to train on.
    """
    known, unknown = np.flatnonzero(rows.labels >= 0), np.flatnonzero(rows.labels < 0)
    test: int | Given = config.test_rows
    if rows.part is not None:
        inside = (np.flatnonzero(rows.part == part) for part in (_TEST, _HOLDOUT))
        test = Given(next(inside), f"domain.split {config.split!r}", "write 'train' for some rows there", next(inside))
    elif config.test == "published":
        test = Given(np.arange(adult.TRAIN, len(rows)), "domain.test", "set a number of rows")
    has = f"{config.path or config.data} has {len(known)} rows with an outcome"
    return drawn(known, streams, test, config.holdout, unlabelled=unknown, has=has)
