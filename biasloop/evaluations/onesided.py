"""Whether a column of confidences is the probability of one class, which is no confidence of predictions of another."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from biasloop.errors import InvalidInput
from biasloop.evaluations.checks import some
from biasloop.evaluations.scoring import Batch
from biasloop.predictions import Source

_ROWS = 5  # that a class must have, and that must lie below one half
_SHARE = 0.05  # of rows below one half
_CONSISTENT = 0.99  # of rows on the side of their prediction


@dataclass
class _Side:
    """What is known of the rows predicted to be of a class."""

    rows: int = 0
    below: int = 0
    least: float = 1.0
    most: float = 0.0


@dataclass
class OneSided:
    """Looks at rows that pass by, for whether their predictions follow from a threshold on the column.

    A prediction of two classes that is the more probable one has a confidence of one half or more, whichever it is. So
    a column that is low where one class is predicted and high where the other is does not say how sure predictions are.
    """

    classes: set[str] = field(default_factory=set)
    sides: dict[str, _Side] = field(default_factory=dict)

    def over(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The same batches."""
        import polars as pl

        for batch in batches:
            given = pl.col("given")
            parts = batch.table.group_by("c1").agg(
                rows=pl.len(),
                below=(given < 0.5).sum(),
                least=given.min(),
                most=given.max(),
                true=pl.col("c0").unique(),
            )
            for value, rows, below, least, most, true in parts.iter_rows():
                self.classes |= {value, *true}
                side = self.sides.setdefault(value, _Side())
                side.rows, side.below = side.rows + rows, side.below + below
                side.least, side.most = min(side.least, least), max(side.most, most)
            yield batch

    def require(self, source: Source, task: str, positive: str) -> None:
        """Check that a probability of one class says how sure all predictions are.

        Raises:
            InvalidInput: there are more than two classes, or none called so.
        """
        classes = some(sorted(self.classes))
        if positive not in self.classes:
            raise InvalidInput(
                f"{source.path}: column {task!r} has no value {positive!r}; --positive is one of {classes}"
            )
        if len(self.classes) > 2:
            raise InvalidInput(
                f"{source.path}: {len(self.classes)} values of {task!r} ({classes}), and the probability of "
                "one of them does not say how sure a prediction of another is; give that as --confidence COLUMN"
            )

    def notes(self, column: str) -> list[str]:
        """A sentence where the column looks like the probability of a class."""
        if len(self.classes) != 2 or len(self.sides) != 2 or min(side.rows for side in self.sides.values()) < _ROWS:
            return []
        (low, other), (high, chosen) = sorted(self.sides.items(), key=lambda item: -item[1].below / item[1].rows)
        rows, below = other.rows + chosen.rows, other.below + chosen.below
        agreeing = other.below + chosen.rows - chosen.below
        threshold = agreeing >= _CONSISTENT * rows or other.most <= chosen.least
        if not threshold or below < max(_ROWS, _SHARE * rows):
            return []
        return [
            f"{column} is low where {low!r} is predicted and high where {high!r} is: it looks like the probability of "
            f"{high!r}, not of the prediction; if it is, give it as --probability {column} --positive {high}"
        ]
