"""Metrics of anybody's predictions, of a table in memory, a file or a stored run: what `biasloop evaluate` computes.

A table is a polars or pandas frame, a mapping of columns, or a path: of a CSV, TSV, JSON or Parquet file, or of a run.
Values are compared as text and checked as the command line checks them: true and predicted values without one in
common, one value that is written in two ways ("Yes", "yes") and rows without a value are refused, unless `same` and
`missing` say what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from biasloop.api import html
from biasloop.errors import InvalidInput, near
from biasloop.report.tables import formatting

if TYPE_CHECKING:
    import polars as pl

    from biasloop.evaluations import EvaluationResult
    from biasloop.predictions import Reading, Source
    from biasloop.predictions.source import Missing

__all__ = ["Evaluation", "Rows", "amplification", "calibration", "fairness", "memorization", "shares"]


class Columns(Protocol):
    """A frame: names of columns, and the values of each."""

    @property
    def columns(self) -> Any:
        """Their names."""

    def __getitem__(self, name: Any, /) -> Any:
        """The values of one."""


Rows = str | Path | Columns | Mapping[str, Sequence[object]]
"""A table: the path of a file or of a run, a frame, or columns by name."""


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What an evaluation found.

    Attributes:
        kind: of the evaluation: "fairness", ...
        result: all that it found.
    """

    kind: str
    result: EvaluationResult

    @property
    def n(self) -> int:
        """Rows that it rests on."""
        return self.result.n

    @property
    def metrics(self) -> dict[str, float]:
        """Its numbers by name; NaN where there is none, which `reasons` explains."""
        return dict(self.result.metrics)

    @property
    def reasons(self) -> dict[str, str]:
        """Why a number is missing, by its name."""
        return dict(self.result.reason)

    @property
    def notes(self) -> list[str]:
        """What to know before the numbers are believed."""
        return list(self.result.notes)

    @property
    def details(self) -> dict[str, Any]:
        """Everything as `biasloop evaluate --json` has it: intervals, groups, and differences to another table."""
        return self.result.as_json()

    def table(self) -> pl.DataFrame:
        """A row a group, cell, bin, value or length, with standard errors and intervals."""
        import polars as pl

        return pl.DataFrame(list(self.result.rows), infer_schema_length=None)

    def __getitem__(self, name: str) -> float:
        """A number by its name, of `metrics` or as `--fail-above` takes it: "tpr", "tpr.women", "share.yes", "ece.f".

        Returns:
            NaN where there is no number, such as a rate of no rows.

        Raises:
            InvalidInput: there is none of that name (with the nearest).
        """
        known = self.result.names()
        if name not in known:
            hint = near(str(name), known) or f"; it has {', '.join(known)}"
            raise InvalidInput(f"{self.kind} has no number {str(name)[:100]!r}{hint}")
        return self.result.number(name)[0]

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name} {formatting.number(value)}" for name, value in self.metrics.items())
        return f"<{self.kind.capitalize()} of {formatting.counted(self.n, 'row')}: {numbers}>"

    def _repr_html_(self) -> str:
        columns = list(dict.fromkeys(name for row in self.result.rows for name in row))
        cells = [[_cell(row.get(name)) for name in columns] for row in self.result.rows]
        missing = [f"{name} has no value: {reason}" for name, reason in self.reasons.items()]
        return html.table(columns, cells, title=html.heading(self)) + html.lines([*missing, *self.notes])


def fairness(
    rows: Rows, *, task: str, predicted: str, attribute: str | Sequence[str], positive: str | None = None,
    bins: int | None = None, smallest: int = 1, against: Rows | None = None, same: bool | None = None,
    missing: Missing = "refuse",
) -> Evaluation:  # fmt: skip
    """Rates by group, and how far groups are apart.

    Args:
        rows: a table.
        task: column of true labels.
        predicted: column of predictions.
        attribute: column of groups, or several, whose combinations are groups, too.
        positive: the positive value; None for the later one of two.
        bins: of an attribute that is a number.
        smallest: groups of fewer rows are left out of differences.
        against: another table, whose numbers stand beside these (`details["difference"]`).
        same: whether a value that is written in two ways is one; None refuses such values.
        missing: rows without a value are refused ("refuse") or left out ("skip"); "value" takes words such as NA as
            values.

    Raises:
        InvalidInput: a bad table or column.

    Example:
        >>> table = {"y": [1, 0, 1, 0], "p": [1, 0, 0, 0], "sex": ["f", "f", "m", "m"]}
        >>> fairness(table, task="y", predicted="p", attribute="sex", positive="1")["demographic_parity_difference"]
        0.5
    """
    from biasloop import evaluations

    sources = _sources(rows, against, missing, same=same)
    edges = _edges(sources, attribute, bins)

    def measured(source: Source, first: EvaluationResult | None) -> EvaluationResult:
        return evaluations.fairness(
            source, task=task, predicted=predicted, attribute=attribute, positive=positive, bins=edges,
            smallest=smallest, like=first,
        )  # fmt: skip

    return _evaluation("fairness", sources, measured)


def amplification(
    rows: Rows, *, task: str | Sequence[str], predicted: str | Sequence[str], attribute: str | Sequence[str],
    train: Rows | None = None, bins: int | None = None, draws: int = 1000, against: Rows | None = None,
    same: bool | None = None, missing: Missing = "refuse",
) -> Evaluation:  # fmt: skip
    """Bias amplification: how much more than the truth predictions depend on the attribute.

    Args:
        rows: a table.
        task: column of true labels; several: labels of 0 and 1.
        predicted: column of predictions; as many as `task`.
        attribute: column of groups, or several.
        train: training rows, which decide what is associated with what; None for these rows.
        bins: of an attribute that is a number.
        draws: resamples of the interval.
        against: as in `fairness`.
        same: as in `fairness`.
        missing: as in `fairness`.

    Raises:
        InvalidInput: a bad table or column.
    """
    from biasloop import evaluations

    reading = _reading(missing, same=same)
    sources = [_source(each, reading, name) for each, name in _named(rows, against)]
    learned = None if train is None else _source(train, reading, "the training table")
    edges = _edges([*sources, *([] if learned is None else [learned])], attribute, bins)

    def measured(source: Source, first: EvaluationResult | None) -> EvaluationResult:
        return evaluations.amplification(
            source, task=_several(task), attribute=attribute, predicted=_several(predicted), train=learned,
            options=evaluations.Options(draws=draws), bins=edges, seed=0 if first is None else 1,
        )  # fmt: skip

    return _evaluation("amplification", sources, measured)


def calibration(
    rows: Rows, *, task: str, predicted: str, confidence: str | None = None, probability: str | None = None,
    positive: str | None = None, attribute: str | Sequence[str] = (), attribute_bins: int | None = None, bins: int = 15,
    against: Rows | None = None, same: bool | None = None, missing: Missing = "refuse",
) -> Evaluation:  # fmt: skip
    """Whether confidences are right; the gap is accuracy minus confidence, below 0 where a model is overconfident.

    Args:
        rows: a table.
        task: column of true labels.
        predicted: column of predictions.
        confidence: column of how sure each prediction is, from 0 to 1.
        probability: instead, of two classes: column of the probability of `positive`.
        positive: the class that `probability` is of.
        attribute: column of groups, or several: calibration of each by itself.
        attribute_bins: of an attribute that is a number.
        bins: of confidence, of equal width.
        against: as in `fairness`.
        same: as in `fairness`.
        missing: as in `fairness`.

    Raises:
        InvalidInput: a bad table or column.
    """
    from biasloop import evaluations

    sources = _sources(rows, against, missing, same=same)
    edges = _edges(sources, attribute, attribute_bins)

    def measured(source: Source, first: EvaluationResult | None) -> EvaluationResult:
        return evaluations.calibration(
            source, task=task, predicted=predicted, confidence=confidence, probability=probability, positive=positive,
            attribute=attribute, groups=edges, bins=bins, seed=0 if first is None else 1,
        )  # fmt: skip

    return _evaluation("calibration", sources, measured)


def shares(
    rows: Rows, *, predicted: str, task: str | None = None, against: Rows | None = None, same: bool | None = None,
    missing: Missing = "refuse",
) -> Evaluation:  # fmt: skip
    """How often each value is predicted and, with true labels, by how much that differs from the truth.

    Args:
        rows: a table.
        predicted: column of predictions.
        task: column of true labels.
        against: as in `fairness`.
        same: as in `fairness`.
        missing: as in `fairness`.

    Raises:
        InvalidInput: a bad table or column.

    Example:
        >>> round(shares({"y": ["a", "a", "b"], "p": ["a", "b", "b"]}, predicted="p", task="y")["largest_bias"], 3)
        0.333
    """
    from biasloop import evaluations

    def measured(source: Source, first: EvaluationResult | None) -> EvaluationResult:
        return evaluations.shares(source, predicted=predicted, task=task, seed=0 if first is None else 1)

    return _evaluation("shares", _sources(rows, against, missing, same=same), measured)


def memorization(
    rows: Rows, train: Rows, *, text: str, ngrams: Sequence[int] = (5, 10), missing: Missing = "refuse"
) -> Evaluation:
    """How many runs of words of some texts stand in the training texts, word for word.

    Args:
        rows: a table of texts.
        train: a table of training texts, in a column of the same name.
        text: column of texts.
        ngrams: lengths in words, at least 1.
        missing: as in `fairness`.

    Raises:
        InvalidInput: a bad table, column or length.
    """
    from biasloop import evaluations

    sizes = evaluations.parse_sizes(",".join(map(str, ngrams)))
    reading = _reading(missing)
    source, known = _source(rows, reading, "the table"), _source(train, reading, "the training table")
    answer = evaluations.memorization(source, known, text=text, sizes=sizes)
    return Evaluation("memorization", _with_skipped(answer, source))


def _evaluation(
    kind: str, sources: Sequence[Source], measured: Callable[[Source, EvaluationResult | None], EvaluationResult]
) -> Evaluation:
    """Of a table, with another beside it if there is one."""
    from biasloop import evaluations

    answer = _with_skipped(measured(sources[0], None), sources[0])
    if len(sources) > 1:
        other = _with_skipped(measured(sources[1], answer), sources[1])
        notes = evaluations.comparable(answer, other, (sources[0].path, sources[1].path))
        answer = evaluations.beside(answer, other, notes)
    return Evaluation(kind, answer)


def _with_skipped(answer: EvaluationResult, source: Source) -> EvaluationResult:
    """An answer that says how many rows without a value were left out."""
    if source.reading.missing != "skip":
        return answer
    details = {**answer.details, "skipped": source.skipped}
    if not source.skipped:
        return replace(answer, details=details)
    left = f"{formatting.counted(source.skipped, 'row')} without a value left out"
    return replace(answer, details=details, notes=[*answer.notes, left])


def _edges(sources: Sequence[Source], attribute: str | Sequence[str], count: int | None) -> Any:
    from biasloop import evaluations

    return evaluations.Bins() if count is None else evaluations.bins_of(sources, _several(attribute), count)


def _several(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _reading(missing: Missing, *, same: bool | None = None) -> Reading:
    from biasloop.predictions import Reading

    return Reading(same=same, missing=missing)


def _named(rows: Rows, against: Rows | None) -> list[tuple[Rows, str]]:
    """Tables with what messages call those that are in memory."""
    return [(rows, "the table"), *([] if against is None else [(against, "the other table")])]


def _sources(rows: Rows, against: Rows | None, missing: Missing, *, same: bool | None) -> list[Source]:
    reading = _reading(missing, same=same)
    return [_source(each, reading, name) for each, name in _named(rows, against)]


def _source(rows: Rows, reading: Reading, name: str) -> Source:
    from biasloop.predictions import Source, open_source

    if isinstance(rows, str | Path):
        return open_source(Path(rows), reading=reading)
    return Source(Path(name), _frame(rows, name), reading, given=True)


def _frame(rows: Columns | Mapping[str, Sequence[object]], name: str) -> pl.DataFrame:
    """A table in memory as a polars frame; NaN of an object of pandas is no value.

    Raises:
        InvalidInput: it is no table, columns differ in length or have one name, or one holds values of several kinds.
    """
    import polars as pl

    if isinstance(rows, pl.LazyFrame):
        return rows.collect()
    if isinstance(rows, pl.DataFrame):
        return rows
    labels = list(rows) if isinstance(rows, Mapping) else list(getattr(rows, "columns", []))
    if not labels or not hasattr(rows, "__getitem__"):
        raise InvalidInput(
            f"{name} is a {type(rows).__name__}, which has no columns; give a frame of polars or pandas, a mapping of "
            "columns, or the path of a file"
        )
    texts = [str(label) for label in labels]
    twice = next((text for text in texts if texts.count(text) > 1), None)
    if twice is not None:
        raise InvalidInput(f"{name}: two columns are called {twice!r}; rename one")
    columns = {text: _series(text, rows[label], name) for text, label in zip(texts, labels, strict=True)}
    lengths = {text: len(series) for text, series in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{text!r} has {length:,}" for text, length in lengths.items())
        raise InvalidInput(f"{name}: columns have different numbers of rows: {told}")
    return pl.DataFrame(columns)


def _series(column: str, values: Any, name: str) -> pl.Series:
    import polars as pl

    try:
        listed = values.tolist() if hasattr(values, "tolist") else list(values)
        return pl.Series(column, [None if value != value else value for value in listed], strict=True)  # noqa: PLR0124
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"{name}: column {column!r} cannot be read ({error}); expected values of one kind, texts or numbers"
        ) from error


def _cell(value: object) -> str:
    if value is None:
        return formatting.MISSING
    return formatting.number(value) if isinstance(value, float) else str(value)
